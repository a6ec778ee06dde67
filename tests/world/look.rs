//! What a look would find on the machines.

use std::collections::BTreeMap;

use kuboard_ha::facts::model::{Active, Address, Docker, Facts, HostFacts, HostState, Listener, Observed};
use kuboard_ha::facts::service::{DataIds, EtcdFacts, EtcdStatus, PeerView};
use kuboard_ha::resource::HostName;

use super::machines::{ETCD, Store, World, active, balancer_configured, container, engine, halt};

impl World {
    /// What a look would find now.
    pub fn look(&self) -> Facts {
        let mut facts = self.ground.clone();
        facts.hosts.retain(|host, _| self.inventory.hosts.contains_key(host));
        for (host, state) in &mut facts.hosts {
            if let Some(why) = self.off.get(host) {
                *state = HostState::unreachable(why.clone());
                continue;
            }
            let HostState::Reached(seen) = state else { continue };
            if self.inventory.etcd.hosts.contains(host) {
                seen.etcd = Some(self.etcd_facts(host));
                self.etcd_unit(host, seen);
            }
            self.neighbours(seen);
            if let Observed::Known(Some(docker)) = &mut seen.docker
                && docker.version.is_none()
            {
                *docker = Docker::default(); // a look never starts it
            }
            seen.listeners = self.listeners(host, seen);
            if !seen.manifest.is_empty() {
                seen.clusters.insert(self.inventory.cluster.clone());
            }
            if let Some(balancer) = &self.inventory.load_balancer
                && seen.balancer.as_ref().is_some_and(|seen| seen.holds_address)
            {
                let interface = "eth0".to_owned();
                seen.addresses.push(Address { interface, ip: balancer.address, prefix: 24 });
            }
        }
        facts
    }

    fn etcd_facts(&self, host: &HostName) -> EtcdFacts {
        let empty = Store::default();
        let store = self.etcd.get(host).unwrap_or(&empty);
        let mut facts = EtcdFacts {
            wal: store.log.is_some(),
            data: store
                .log
                .as_ref()
                .map(|log| DataIds { cluster_id: log.cluster.clone(), member_id: log.member.clone() }),
            entries: store.log.iter().map(|_| "member".to_owned()).collect(),
            running: Observed::Known(store.process.as_ref().map(|process| process.running.clone())),
            peers: Observed::Known(None),
            status: Observed::Known(None),
            health: Observed::Known(Err("nothing listens on the client port".to_owned())),
            members: Observed::Unknown("nothing listens on the client port".to_owned()),
            stored: Observed::Unknown("nothing listens on the client port".to_owned()),
            answering: BTreeMap::new(),
            alarms: Vec::new(),
            manual_token: store.by_hand,
            aside: store.aside.iter().enumerate().map(|(index, _)| format!("aside-{index}")).collect(),
            complaints: store.complaint.iter().cloned().collect(),
        };
        let (Some(log), Some(process)) = (&store.log, &store.process) else { return facts };
        let cluster = self.clusters.get(&log.cluster).cloned().unwrap_or_default();
        let quorum = self.has_quorum(host);
        facts.peers = Observed::Known(Some(PeerView {
            cluster_id: log.cluster.clone(),
            published: log.published.iter().map(ToString::to_string).collect(),
            members: cluster.members.len(),
        }));
        if !process.joined {
            let silent = "the client port did not answer in time";
            facts.status = Observed::Unknown(silent.to_owned());
            facts.members = Observed::Unknown(silent.to_owned());
            facts.health = Observed::Known(Err("no answer within 3 s".to_owned()));
            return facts;
        }
        facts.stored = Observed::Known(cluster.stored);
        let learner = cluster.entry(&self.url(host)).is_some_and(|entry| entry.learner);
        let id = |host: &HostName| cluster.entry(&self.url(host)).map(|entry| entry.id.clone());
        let version =
            process.running.executable.split('/').rev().nth(1).and_then(|name| name.split('-').next());
        facts.status = Observed::Known(Some(EtcdStatus {
            cluster_id: log.cluster.clone(),
            member_id: log.member.clone(),
            leader: cluster.leader.as_ref().filter(|_| quorum || learner).and_then(id),
            learner,
            version: version.unwrap_or_default().to_owned(),
            raft_index: log.index,
            raft_term: 2,
            errors: if quorum { Vec::new() } else { vec!["etcdserver: no leader".to_owned()] },
            ..EtcdStatus::default()
        }));
        if learner {
            facts.members = Observed::Unknown("etcdserver: rpc not supported for learner".to_owned());
            facts.health = Observed::Known(Err("etcdserver: rpc not supported for learner".to_owned()));
            return facts;
        }
        let own = self.url(host);
        let others = cluster.members.iter().filter_map(|member| member.peer_urls.first());
        let answers = |url: &String| {
            let mut lives =
                self.etcd.iter().filter(|(_, store)| store.process.is_some() && store.log.is_some());
            lives.any(|(host, _)| self.url(host) == *url)
        };
        facts.answering = others.filter(|url| **url != own).map(|url| (url.clone(), answers(url))).collect();
        facts.members = Observed::Known(cluster.members);
        facts.health = Observed::Known(if quorum { Ok(()) } else { Err("RAFT NO LEADER".to_owned()) });
        facts
    }

    fn etcd_unit(&self, host: &HostName, seen: &mut HostFacts) {
        let Some(Some(state)) = seen.units.get_mut(ETCD) else { return };
        let store = &self.etcd[host];
        match &store.process {
            Some(process) if process.joined => state.active = Active::Active,
            Some(_) => state.active = Active::Activating,
            None if store.complaint.is_some() => {
                state.active = Active::Activating;
                "auto-restart".clone_into(&mut state.sub);
                "exit-code".clone_into(&mut state.result);
            }
            None => halt(state),
        }
    }

    fn neighbours(&self, seen: &mut HostFacts) {
        let Some(kuboard) = &mut seen.kuboard else { return };
        // The client port accepts before there is a quorum, and answers only then.
        let open = |host: &HostName| {
            let live = self.etcd.get(host).is_some_and(|store| store.process.is_some());
            !self.off.contains_key(host) && live
        };
        kuboard.etcd = self.inventory.etcd.hosts.iter().map(|host| (host.clone(), open(host))).collect();
        kuboard.questdb = self.audit().map(|host| self.is_active(host, "questdb.service"));
    }

    fn listeners(&self, host: &HostName, seen: &HostFacts) -> Vec<Listener> {
        let inventory = &self.inventory;
        let own = inventory.hosts.get(host).map(|host| host.address);
        let loopback = "127.0.0.1".parse().ok();
        let mut all = Vec::new();
        let mut listen = |ip: Option<std::net::IpAddr>, port: u16, process: &str| {
            let process = Some(process.to_owned());
            all.extend(ip.map(|ip| Listener { ip, port, process }));
        };
        if self.etcd.get(host).is_some_and(|store| store.process.is_some()) {
            listen(own, inventory.etcd.client_port, "etcd (101)");
            listen(loopback, inventory.etcd.client_port, "etcd (101)");
            listen(own, inventory.etcd.peer_port, "etcd (101)");
        }
        if active(seen, "questdb.service") {
            listen(own, 8812, "java (102)");
            listen(loopback, 9003, "java (102)");
        }
        if container(seen).is_some_and(|container| container.running) && engine(seen) {
            listen(own, inventory.kuboard.http_port, "docker-proxy (103)");
            listen(own, inventory.kuboard.agent_port, "docker-proxy (103)");
        }
        if active(seen, "haproxy.service") && balancer_configured(&seen.manifest) {
            let balancer = inventory.load_balancer.as_ref();
            listen(
                balancer.map(|balancer| balancer.address),
                balancer.map_or(80, |b| b.port),
                "haproxy (104)",
            );
            listen(loopback, 8404, "haproxy (104)");
        }
        all
    }
}
