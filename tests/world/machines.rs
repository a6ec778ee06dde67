//! Machines on which plans come true, or fail. Disk, process and cluster are apart: a start makes a process of what
//! lies on disk at that moment, a power cut takes processes and leaves disks, and a cluster is what its members'
//! logs remember. What the rules of this world forbid (a second cluster, a member that votes without its memory,
//! acknowledged writes that nobody remembers) is kept as a breach.

use std::collections::{BTreeMap, BTreeSet};

use kuboard_ha::facts::model::{Active, ContainerFact, Facts, HostFacts, HostState, Observed, UnitState};
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::effects::{effects, stamp_key};
use kuboard_ha::plan::model::{Action, Guard, JobId, Planning, Procedure, SecretChange, Step, UnitChange};
use kuboard_ha::resource::HostName;
use kuboard_ha::secret::{Fingerprint, SecretId};
use kuboard_ha::services;

pub use super::etcd::{Cluster, Log, Store, member};

pub const ETCD: &str = "etcd.service";
const ETCD_ENV: &str = "/etc/etcd.env";
const CLUSTER_ID: &str = "etcd cluster-id";
const CONTAINER: &str = "kuboard";

/// The machines of an inventory.
#[derive(Clone)]
pub struct World {
    pub inventory: Inventory,
    /// All but etcd: what lies on each machine, what systemd and Docker run there.
    pub ground: Facts,
    pub etcd: BTreeMap<HostName, Store>,
    pub clusters: BTreeMap<String, Cluster>,
    /// Machines without power, or that do not answer.
    pub off: BTreeMap<HostName, String>,
    /// Where members are reached, on machines that the inventory named before too.
    pub(super) urls: BTreeMap<HostName, String>,
    drawn: u64,
    pub(super) breaches: Vec<String>,
}

impl World {
    /// Machines that never served.
    pub fn bare(inventory: &Inventory) -> Self {
        Self {
            inventory: inventory.clone(),
            ground: super::bare(inventory),
            etcd: inventory.etcd.hosts.iter().map(|host| (host.clone(), Store::default())).collect(),
            clusters: BTreeMap::new(),
            off: BTreeMap::new(),
            urls: urls(inventory),
            drawn: 0,
            breaches: Vec::new(),
        }
    }

    /// Machines that `up` has brought to what the inventory says.
    pub fn running(inventory: &Inventory) -> Self {
        let mut world = Self::bare(inventory);
        for _ in 0..2 {
            let planning = kuboard_ha::plan::plan(inventory, &world.look());
            assert!(!planning.is_blocked(), "bare hosts are blocked:\n{}", super::listing(&planning));
            if let Err(why) = world.run(&planning, usize::MAX) {
                panic!("{why}\n{}", super::listing(&planning));
            }
        }
        let again = kuboard_ha::plan::plan(inventory, &world.look());
        assert!(again.plan.is_empty(), "a further plan is not empty:\n{}", super::listing(&again));
        assert!(world.breaches.is_empty(), "{:?}", world.breaches);
        world
    }

    /// The same machines under another inventory; what it names besides is bare.
    pub fn adopt(&mut self, inventory: &Inventory) {
        let bare = super::bare(inventory);
        self.inventory = inventory.clone();
        self.urls.extend(urls(inventory));
        self.ground.supplied = bare.supplied;
        for (name, state) in bare.hosts {
            let (Some(seen), HostState::Reached(new)) = (self.ground.host_mut(&name), &state) else {
                self.ground.hosts.insert(name, state);
                continue;
            };
            super::fill(seen, new);
        }
        for host in &inventory.etcd.hosts {
            self.etcd.entry(host.clone()).or_default();
        }
    }

    /// What is wrong with what happened so far.
    pub fn breaches(&self) -> &[String] {
        &self.breaches
    }

    /// Carries out the first `count` steps of a plan; why it failed.
    pub fn run(&mut self, planning: &Planning, mut count: usize) -> Result<(), String> {
        for job in &planning.plan.jobs {
            for guard in &job.guards {
                if count > 0 && !self.holds(guard, &job.host) {
                    return Err(format!("{}: guard: {}", job.id, guard.title));
                }
            }
            for step in &job.steps {
                if count == 0 {
                    return Ok(());
                }
                count -= 1;
                self.step(&job.host, step).map_err(|why| format!("{} {}: {why}", job.id, step.resource))?;
            }
        }
        Ok(())
    }

    /// Carries out up to `count` steps of a plan as the executor does: jobs side by side, one at a time on a host,
    /// in an order that `choose` (below a number) decides. What is awaited may come true by other jobs' steps. Ends
    /// where nothing can go on any more.
    pub fn run_side_by_side(
        &mut self,
        planning: &Planning,
        mut count: usize,
        choose: &mut dyn FnMut(usize) -> usize,
    ) {
        let jobs = &planning.plan.jobs;
        let mut done: BTreeSet<&JobId> = BTreeSet::new();
        let mut at: BTreeMap<&HostName, (usize, usize)> = BTreeMap::new();
        let mut ended: BTreeSet<usize> = BTreeSet::new();
        let mut stalled: BTreeSet<usize> = BTreeSet::new();
        while count > 0 {
            let ready: Vec<usize> = (0..jobs.len())
                .filter(|index| !ended.contains(index) && !stalled.contains(index))
                .filter(|index| jobs[*index].after.iter().all(|id| done.contains(id)))
                .filter(|index| at.get(&jobs[*index].host).is_none_or(|(held, _)| held == index))
                .collect();
            if ready.is_empty() {
                return;
            }
            let index = ready[choose(ready.len())];
            let job = &jobs[index];
            let next = at.get(&job.host).map_or(0, |(_, next)| *next);
            if next == 0 && !job.guards.iter().all(|guard| self.holds(guard, &job.host)) {
                ended.insert(index);
                continue;
            }
            at.insert(&job.host, (index, next));
            let step = &job.steps[next];
            if self.step(&job.host, step).is_err() {
                if matches!(step.action, Action::Await(_)) && !self.off.contains_key(&job.host) {
                    stalled.insert(index);
                } else {
                    ended.insert(index);
                    at.remove(&job.host);
                }
                continue;
            }
            count -= 1;
            stalled.clear();
            if next + 1 == job.steps.len() {
                ended.insert(index);
                done.insert(&job.id);
                at.remove(&job.host);
            } else {
                at.insert(&job.host, (index, next + 1));
            }
        }
    }

    /// Carries out one step; why it failed.
    pub fn step(&mut self, host: &HostName, step: &Step) -> Result<(), String> {
        if self.off.contains_key(host) {
            return Err(format!("{host} does not answer"));
        }
        if let Action::Await(probe) = &step.action {
            self.pass_time();
            match probe.name {
                "etcd.added" => self.add_member(probe)?,
                "etcd.promoted" => self.promote_member(probe)?,
                _ => self.answers(host, probe)?,
            }
            self.pass_time();
        }
        match &step.action {
            Action::Call(call) if call.name == "etcd.remove-member" => return self.remove_member(call),
            Action::SetAside { path } if *path == self.inventory.etcd.data_dir => self.set_aside(host),
            _ => {}
        }
        if matches!(&step.action, Action::Call(call) if call.name == "etcd.record-cluster") {
            let store = &self.etcd[host];
            let id = store.process.as_ref().and(store.log.as_ref()).map(|log| log.cluster.clone());
            let id = id.ok_or("no member answers")?;
            self.machine(host).manifest.insert(CLUSTER_ID.to_owned(), id);
            return Ok(());
        }
        effects(step, host, &self.inventory, &mut self.ground);
        match &step.action {
            Action::Secret { id, change: SecretChange::Mint { .. } } => {
                self.drawn += 1;
                let print = Fingerprint::observed(&format!("{:016x}", 0xd1ce_0000_u64 + self.drawn));
                self.machine(host).secrets.insert(id.clone(), print);
            }
            Action::WriteFile { path, .. } if path == ETCD_ENV => {
                let token = SecretId::new(SecretId::ETCD_TOKEN);
                let print = self.machine(host).secrets.get(&token).map(|print| print.as_str().to_owned());
                self.store(host).token = print.unwrap_or_default();
            }
            Action::Unit { unit, change, .. } if unit == ETCD => match change {
                UnitChange::Start | UnitChange::StartNoBlock => self.start(host),
                UnitChange::Restart | UnitChange::RestartNoBlock => {
                    self.store(host).process = None;
                    self.start(host);
                }
                UnitChange::Stop | UnitChange::DisableNow => self.store(host).process = None,
                UnitChange::DaemonReload | UnitChange::Enable | UnitChange::Reload => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// Members find each other, containers come up, an address finds a holder.
    pub fn pass_time(&mut self) {
        let ids: BTreeSet<String> =
            self.etcd.values().filter_map(|store| Some(store.log.as_ref()?.cluster.clone())).collect();
        for id in ids {
            self.elect(&id);
        }
        let live: Vec<HostName> =
            self.ground.hosts.keys().filter(|host| !self.off.contains_key(*host)).cloned().collect();
        for host in &live {
            let seen = self.machine(host);
            let up = container(seen).is_some_and(|container| container.running) && engine(seen);
            if let Some(kuboard) = &mut seen.kuboard {
                (kuboard.web, kuboard.agent) = (Observed::Known(up), Observed::Known(up));
            }
            if up {
                self.clusters.values_mut().for_each(|cluster| cluster.stored = true);
            }
        }
        self.move_address();
    }

    /// The power of a machine goes: processes end, disks stay.
    pub fn power_cut(&mut self, host: &HostName) {
        self.store(host).process = None;
        let seen = self.machine(host);
        for state in seen.units.values_mut().flatten() {
            halt(state);
        }
        if let Some(balancer) = &mut seen.balancer {
            balancer.holds_address = false;
            balancer.healthy = Observed::Known(false);
        }
        if let Some(questdb) = &mut seen.questdb {
            (questdb.healthy, questdb.login) = (Observed::Known(false), Observed::Known(false));
        }
        seen.lease = None;
        self.off.insert(host.clone(), "connection timed out".to_owned());
    }

    /// A machine boots: what is enabled starts, with what lies on disk.
    pub fn boot(&mut self, host: &HostName) {
        if self.off.remove(host).is_none() {
            return;
        }
        let files = services::looks(&self.inventory, host).units;
        let seen = self.machine(host);
        let units: Vec<String> = seen
            .units
            .iter()
            .filter(|(_, state)| state.as_ref().is_some_and(|state| state.enabled))
            .map(|(unit, _)| unit.clone())
            .collect();
        for unit in &units {
            let key = files.get(unit).map(|files| stamp_key(files, seen));
            if let Some(Some(state)) = seen.units.get_mut(unit) {
                state.active = Active::Active;
                "running".clone_into(&mut state.sub);
                state.needs_reload = false;
                state.running = Observed::Known(key);
            }
        }
        let docker = units.iter().any(|unit| unit == "docker.service");
        if let Observed::Known(Some(engine)) = &mut seen.docker {
            engine.version =
                docker.then(|| engine.version.take().unwrap_or_else(|| "20.10.24+dfsg1".to_owned()));
        }
        let haproxy = units.iter().any(|unit| unit == "haproxy.service");
        if let Some(balancer) = &mut seen.balancer {
            balancer.healthy = Observed::Known(haproxy && balancer_configured(&seen.manifest));
        }
        let questdb = units.iter().any(|unit| unit == "questdb.service");
        if let Some(facts) = &mut seen.questdb {
            (facts.healthy, facts.login) = (Observed::Known(questdb), Observed::Known(questdb));
            if questdb && !facts.has_data {
                (facts.has_data, facts.data_owner) = (true, Some("questdb:questdb".to_owned()));
            }
        }
        if units.iter().any(|unit| unit == ETCD) {
            self.start(host);
        }
    }

    /// The facts of a machine.
    pub fn machine(&mut self, host: &HostName) -> &mut HostFacts {
        self.ground.host_mut(host).unwrap_or_else(|| panic!("there is no machine {host}"))
    }

    /// etcd on a machine.
    pub fn store(&mut self, host: &HostName) -> &mut Store {
        self.etcd.entry(host.clone()).or_default()
    }

    /// Whether a probe that is awaited succeeds now.
    fn answers(&self, host: &HostName, probe: &Procedure) -> Result<(), String> {
        let inventory = &self.inventory;
        let fine = match probe.name {
            "etcd.formed" => {
                let names = probe.args.get("names").map(String::as_str).unwrap_or_default();
                let known = |log: &Log| {
                    names.split_whitespace().all(|name| log.published.contains(&HostName::new(name)))
                };
                self.has_quorum(host) && self.etcd[host].log.as_ref().is_some_and(known)
            }
            "etcd.member-healthy" => self.has_quorum(host),
            "etcd.peers" => self.holders(probe).iter().all(|holder| self.etcd[holder].process.is_some()),
            "kuboard.ready" => {
                let seen = self.ground.host(host);
                let runs =
                    seen.is_some_and(|seen| engine(seen) && container(seen).is_some_and(|c| c.running));
                let store = inventory.etcd.hosts.iter().any(|member| self.has_quorum(member));
                runs && store && self.audit().is_none_or(|host| self.is_active(host, "questdb.service"))
            }
            "questdb.ready" => self.is_active(host, "questdb.service"),
            "balancer.live" => self.is_active(host, "haproxy.service"),
            "balancer.answers" => inventory.kuboard.hosts.iter().any(|replica| {
                let seen = self.ground.host(replica).and_then(|seen| seen.kuboard.as_ref());
                !self.off.contains_key(replica)
                    && seen.is_some_and(|kuboard| kuboard.web == Observed::Known(true))
            }),
            _ => true,
        };
        if fine { Ok(()) } else { Err(format!("{} never came true", probe.name)) }
    }

    /// Whether what a job relies on is so.
    pub fn holds(&mut self, guard: &Guard, host: &HostName) -> bool {
        self.pass_time();
        match guard.test.name {
            "etcd.no-wal" => self.etcd[host].log.is_none(),
            "etcd.members" => self.listed_as_expected(guard),
            "etcd.wal" => self.etcd[host].log.is_some(),
            "etcd.unpublished" => self.holders(&guard.test).iter().all(|holder| {
                let store = &self.etcd[holder];
                store.process.is_some() && store.log.as_ref().is_some_and(|log| !log.published.contains(host))
            }),
            "etcd.healthy" => self.named(&guard.test, "hosts").iter().all(|host| self.has_quorum(host)),
            "etcd.unhealthy" => !self.has_quorum(host),
            "kuboard.engine" => {
                self.ground.host(host).is_some_and(|seen| engine(seen) && container(seen).is_none())
            }
            "questdb.no-database" => self
                .ground
                .host(host)
                .and_then(|seen| seen.questdb.as_ref())
                .is_none_or(|questdb| !questdb.has_data),
            other => panic!("this world knows no guard {other}"),
        }
    }

    fn holders(&self, procedure: &Procedure) -> Vec<HostName> {
        self.named(procedure, "holders")
    }

    /// The hosts whose addresses an argument lists.
    pub(super) fn named(&self, procedure: &Procedure, argument: &str) -> Vec<HostName> {
        let addresses = procedure.args.get(argument).map(String::as_str).unwrap_or_default();
        addresses
            .split_whitespace()
            .filter_map(|address| {
                let mut hosts = self.inventory.hosts.iter();
                hosts.find(|(_, host)| host.address.to_string() == address).map(|(name, _)| name.clone())
            })
            .collect()
    }

    pub fn audit(&self) -> Option<&HostName> {
        let questdb = self.inventory.questdb.as_ref().filter(|_| self.inventory.kuboard.audit);
        questdb.map(|questdb| &questdb.host)
    }

    pub fn is_active(&self, host: &HostName, unit: &str) -> bool {
        !self.off.contains_key(host) && self.ground.host(host).is_some_and(|seen| active(seen, unit))
    }

    /// Where nobody holds the address, the first balancer that lives takes it.
    fn move_address(&mut self) {
        let Some(balancer) = self.inventory.load_balancer.clone() else { return };
        let able = |host: &&HostName| {
            self.is_active(host, "keepalived.service") && self.is_active(host, "haproxy.service")
        };
        let held = |host: &&HostName| {
            let seen = self.ground.host(host).and_then(|seen| seen.balancer.as_ref());
            !self.off.contains_key(*host) && seen.is_some_and(|seen| seen.holds_address)
        };
        let configured =
            |host: &&HostName| self.ground.host(host).is_some_and(|seen| balancer_configured(&seen.manifest));
        if balancer.hosts.iter().any(|host| held(&host)) {
            return;
        }
        let next = balancer.hosts.iter().filter(able).find(configured).cloned();
        if let Some(host) = next
            && let Some(seen) = &mut self.machine(&host).balancer
        {
            seen.holds_address = true;
        }
    }
}

/// A unit that does not run.
pub fn halt(state: &mut UnitState) {
    state.active = Active::Inactive;
    "dead".clone_into(&mut state.sub);
    state.pid = 0;
    state.running = Observed::Known(None);
}

pub fn active(seen: &HostFacts, unit: &str) -> bool {
    seen.units.get(unit).and_then(Option::as_ref).is_some_and(|state| state.active == Active::Active)
}

pub fn container(seen: &HostFacts) -> Option<&ContainerFact> {
    seen.docker.known()?.as_ref()?.containers.get(CONTAINER)
}

pub fn engine(seen: &HostFacts) -> bool {
    seen.docker.known().and_then(Option::as_ref).is_some_and(|docker| docker.version.is_some())
}

pub fn balancer_configured(manifest: &BTreeMap<String, String>) -> bool {
    manifest.contains_key("file /etc/haproxy/haproxy.cfg")
}

/// Where the members of an inventory reach each other.
fn urls(inventory: &Inventory) -> BTreeMap<HostName, String> {
    let port = inventory.etcd.peer_port;
    let url = |host: &HostName| (host.clone(), format!("http://{}:{port}", inventory.address(host)));
    inventory.etcd.hosts.iter().map(url).collect()
}
