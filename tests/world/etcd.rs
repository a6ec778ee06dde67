//! etcd on these machines: what lies on a disk, what runs, and the truth about each cluster, apart.

use std::collections::{BTreeMap, BTreeSet};

use kuboard_ha::facts::model::Observed;
use kuboard_ha::facts::service::{Member, RunningEtcd};
use kuboard_ha::plan::model::{Guard, Procedure};
use kuboard_ha::resource::{ContentKey, HostName};

use super::machines::World;

const ETCD_ENV: &str = "/etc/etcd.env";
const ETCD_UNIT: &str = "/etc/systemd/system/etcd.service";
const CURRENT: &str = "/opt/kuboard-ha/etcd/current";

/// etcd on one machine.
#[derive(Clone, Default)]
pub struct Store {
    /// The write-ahead log.
    pub log: Option<Log>,
    pub process: Option<Process>,
    /// What its journal complains of.
    pub complaint: Option<String>,
    /// Data that was moved out of the way.
    pub aside: Vec<Log>,
    /// Whether somebody set it up by hand, with the manual's token.
    pub by_hand: bool,
    /// The token in its environment file.
    pub token: String,
}

/// What a member remembers.
#[derive(Clone, Default)]
pub struct Log {
    pub cluster: String,
    /// Whose memory it is.
    pub member: String,
    /// Members that published their client addresses.
    pub published: BTreeSet<HostName>,
    /// The last write that it has.
    pub index: u64,
    /// Whether somebody started it on an empty disk before: it panics on each start.
    pub amnesiac: bool,
}

/// A live member.
#[derive(Clone)]
pub struct Process {
    pub running: RunningEtcd,
    /// Whether it has seen a quorum since its start.
    pub joined: bool,
}

/// The truth about a cluster, which no single machine knows.
#[derive(Clone, Default)]
pub struct Cluster {
    pub members: Vec<Member>,
    pub leader: Option<HostName>,
    pub(super) published: BTreeSet<HostName>,
    /// The last write that was acknowledged.
    pub(super) index: u64,
    /// Whether a replica has written its first keys.
    pub(super) stored: bool,
    /// How many members were ever added.
    added: usize,
}

impl Cluster {
    /// The entry with this peer address.
    pub fn entry(&self, url: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.peer_urls.iter().any(|known| known == url))
    }

    fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.learner)
    }
}

impl World {
    /// Where the other members reach a machine's.
    pub fn url(&self, host: &HostName) -> String {
        self.urls.get(host).cloned().unwrap_or_default()
    }

    fn host_at(&self, url: &str) -> Option<HostName> {
        self.urls.iter().find(|(_, known)| *known == url).map(|(host, _)| host.clone())
    }

    /// systemd starts etcd with what lies on disk.
    pub fn start(&mut self, host: &HostName) {
        let text = |path: &str| match self.ground.host(host)?.files.get(path) {
            Some(Observed::Known(Some(file))) => file.text.clone(),
            _ => None,
        };
        let (unit, environment) = (text(ETCD_UNIT).unwrap_or_default(), text(ETCD_ENV));
        let store = self.etcd.get(host).cloned().unwrap_or_default();
        if store.process.is_some() || store.log.is_none() && unit.contains("AssertPathExistsGlob=") {
            return;
        }
        let Some(environment) = environment.map(|text| parsed(&text)) else { return };
        if store.log.is_none() {
            let initial = |name: &str| environment.get(name).cloned().unwrap_or_default();
            let list = initial("ETCD_INITIAL_CLUSTER");
            let log = if initial("ETCD_INITIAL_CLUSTER_STATE") == "new" {
                self.bootstrapped(host, &list, &store.token)
            } else {
                self.joined(host, &list)
            };
            match log {
                Ok(log) => self.store(host).log = Some(log),
                Err(why) => {
                    self.store(host).complaint = Some(why.to_owned());
                    return;
                }
            }
        }
        let directory = self.ground.host(host).and_then(|seen| seen.links.get(CURRENT).cloned().flatten());
        let executable = format!("{}/etcd", directory.unwrap_or_default());
        let running = RunningEtcd { executable, environment };
        let store = self.store(host);
        store.complaint = None;
        store.process = Some(Process { running, joined: false });
    }

    /// A first start as `new`: ids are made of the list and the token, so that the same ones give the same cluster.
    fn bootstrapped(&mut self, host: &HostName, list: &str, token: &str) -> Result<Log, &'static str> {
        let key = ContentKey::of_text(&format!("{list} {token}"));
        let id = key.as_str()[..16].to_owned();
        if self.peers(&id).any(|log| log.published.contains(host)) {
            return Err("already-bootstrapped");
        }
        let members = || list.split(',').filter_map(|entry| entry.split_once('=')).map(member).collect();
        self.clusters
            .entry(id.clone())
            .or_insert_with(|| Cluster { members: members(), ..Cluster::default() });
        Ok(Log { cluster: id, member: member_id(host.as_str()), ..Log::default() })
    }

    /// A first start as `existing`: somebody who lives must list it, and its own list must be as long. Entries of one name
    /// are one member with several addresses.
    fn joined(&self, host: &HostName, list: &str) -> Result<Log, &'static str> {
        let url = self.url(host);
        let lives = |id: &String| {
            self.etcd.values().any(|store| {
                store.process.is_some() && store.log.as_ref().is_some_and(|log| log.cluster == *id)
            })
        };
        let mut known = self.clusters.iter().filter(|(id, _)| lives(id));
        let found = known.find_map(|(id, cluster)| Some((id, cluster, cluster.entry(&url)?)));
        let Some((id, cluster, entry)) = found else { return Err("cannot-fetch-cluster") };
        let names: BTreeSet<&str> =
            list.split(',').filter_map(|entry| Some(entry.split_once('=')?.0)).collect();
        if names.len() != cluster.members.len() {
            return Err("member-count-unequal");
        }
        Ok(Log { cluster: id.clone(), member: entry.id.clone(), ..Log::default() })
    }

    /// By machine: the cluster that its data belongs to, and how far it goes.
    pub fn data(&self) -> BTreeMap<HostName, (String, u64)> {
        let of = |(host, store): (&HostName, &Store)| {
            let log = store.log.as_ref()?;
            Some((host.clone(), (log.cluster.clone(), log.index)))
        };
        self.etcd.iter().filter_map(of).collect()
    }

    /// Whether a machine still has, in its place or aside, data that goes as far.
    pub fn keeps(&self, host: &HostName, cluster: &str, index: u64) -> bool {
        let store = self.etcd.get(host);
        let mut logs = store.into_iter().flat_map(|store| store.log.iter().chain(&store.aside));
        logs.any(|log| log.cluster == cluster && log.index >= index)
    }

    fn peers<'w>(&'w self, id: &'w str) -> impl Iterator<Item = &'w Log> {
        self.etcd
            .values()
            .filter(|store| store.process.is_some())
            .filter_map(|store| store.log.as_ref())
            .filter(move |log| log.cluster == id)
    }

    /// Whether members of a cluster that run are a majority, and what follows if they are.
    pub(super) fn elect(&mut self, id: &str) {
        let Some(mut cluster) = self.clusters.get(id).cloned() else { return };
        let mut up = BTreeSet::new();
        let mut gone = BTreeSet::new();
        for (host, store) in &mut self.etcd {
            let (Some(log), Some(_)) = (&store.log, &store.process) else { continue };
            if log.cluster != id || self.off.contains_key(host) {
                continue;
            }
            let url = self.urls.get(host).map(String::as_str).unwrap_or_default();
            match cluster.entry(url).filter(|entry| entry.id == log.member) {
                None => drop(gone.insert(host.clone())),
                Some(_) if log.amnesiac => {
                    (store.complaint, store.process) = (Some("amnesiac".to_owned()), None);
                }
                Some(_) if cluster.published.contains(host) && !log.published.contains(host) => {
                    self.breaches.push(format!("{host} was started without the memory that {id} counts on"));
                    store.complaint = Some("amnesiac".to_owned());
                    store.process = None;
                }
                Some(_) => drop(up.insert(host.clone())),
            }
        }
        let votes = |host: &&HostName| cluster.entry(&self.url(host)).is_some_and(|entry| !entry.learner);
        let voting: Vec<HostName> = up.iter().filter(votes).cloned().collect();
        if voting.len() <= cluster.voters().count() / 2 {
            return;
        }
        let remembered = voting.iter().filter_map(|host| Some(self.etcd[host].log.as_ref()?.index)).max();
        if remembered < Some(cluster.index) {
            self.breaches.push(format!("{id} forgot acknowledged writes"));
        }
        cluster.index += 1;
        cluster.published.extend(up.iter().cloned());
        if cluster.leader.as_ref().is_none_or(|leader| !voting.contains(leader)) {
            cluster.leader = voting.first().cloned();
        }
        for host in &up {
            let url = self.url(host);
            for entry in cluster.members.iter_mut().filter(|entry| entry.peer_urls.contains(&url)) {
                // It says its name itself: two machines may have the same.
                let named = self.etcd[host].process.as_ref();
                let name = named.and_then(|process| process.running.environment.get("ETCD_NAME"));
                entry.name = name.cloned().unwrap_or_else(|| host.to_string());
            }
            let store = self.store(host);
            if let (Some(log), Some(process)) = (&mut store.log, &mut store.process) {
                (log.index, process.joined) = (cluster.index, true);
                log.published.clone_from(&cluster.published);
            }
        }
        for host in &gone {
            let store = self.store(host);
            (store.process, store.complaint) = (None, Some("removed".to_owned()));
        }
        self.clusters.insert(id.to_owned(), cluster);
        let served: Vec<&String> =
            self.clusters.iter().filter(|(_, cluster)| cluster.index > 0).map(|(id, _)| id).collect();
        if served.len() > 1 {
            self.breaches.push(format!("more than one cluster has served: {served:?}"));
        }
    }

    /// Whether a voter in the running majority of its cluster.
    pub fn has_quorum(&self, host: &HostName) -> bool {
        let Some(store) = self.etcd.get(host) else { return false };
        let (Some(log), Some(process)) = (&store.log, &store.process) else { return false };
        let Some(cluster) = self.clusters.get(&log.cluster) else { return false };
        let votes = |host: &HostName, log: &Log| {
            cluster.entry(&self.url(host)).is_some_and(|entry| !entry.learner && entry.id == log.member)
        };
        let voting = self.etcd.iter().filter(|(host, store)| {
            store.process.is_some()
                && store.log.as_ref().is_some_and(|own| own.cluster == log.cluster && votes(host, own))
        });
        process.joined && votes(host, log) && voting.count() > cluster.voters().count() / 2
    }

    /// The cluster that somebody with a majority among these hosts belongs to.
    fn asked(&self, procedure: &Procedure) -> Result<String, String> {
        let hosts = self.named(procedure, "survivors");
        let host = hosts.iter().find(|host| self.has_quorum(host)).ok_or("no majority answers")?;
        let log = self.etcd.get(host).and_then(|store| store.log.as_ref()).ok_or("no member answers")?;
        Ok(log.cluster.clone())
    }

    /// Whether every member is as it was when this was planned.
    pub(super) fn listed_as_expected(&self, guard: &Guard) -> bool {
        let Ok(id) = self.asked(&guard.test) else { return false };
        let standing = |member: &Member| {
            let url = member.peer_urls.first().cloned().unwrap_or_default();
            let role = if member.learner { 'l' } else { 'v' };
            let state = if member.name.is_empty() { 'u' } else { 's' };
            format!("{url}={role}{state}")
        };
        let mut now: Vec<String> = self.clusters[&id].members.iter().map(standing).collect();
        now.sort();
        guard.test.args.get("expected") == Some(&now.join(" "))
    }

    pub(super) fn remove_member(&mut self, procedure: &Procedure) -> Result<(), String> {
        let id = self.asked(procedure)?;
        let url = procedure.args.get("url").cloned().unwrap_or_default();
        let host = self.host_at(&url);
        let Some(cluster) = self.clusters.get_mut(&id) else { return Err("no such cluster".to_owned()) };
        cluster.members.retain(|member| !member.peer_urls.contains(&url));
        if let Some(host) = host {
            cluster.published.remove(&host);
            if cluster.leader.as_ref() == Some(&host) {
                cluster.leader = None;
            }
        }
        Ok(())
    }

    /// etcd 3.5 adds nobody while a voter is away, and one learner at a time.
    pub(super) fn add_member(&mut self, procedure: &Procedure) -> Result<(), String> {
        let id = self.asked(procedure)?;
        let url = procedure.args.get("url").cloned().unwrap_or_default();
        self.add(&id, url, true)
    }

    /// Adds a member that never started.
    pub(super) fn add(&mut self, id: &str, url: String, learner: bool) -> Result<(), String> {
        let cluster = &self.clusters[id];
        if cluster.entry(&url).is_some() {
            return Ok(());
        }
        let lives = |member: &Member| {
            let host = member.peer_urls.iter().find_map(|url| self.host_at(url));
            host.is_some_and(|host| self.has_quorum(&host))
        };
        if !cluster.voters().all(lives) {
            return Err("etcdserver: unhealthy cluster".to_owned());
        }
        if cluster.members.iter().any(|member| member.learner) {
            return Err("etcdserver: too many learner members in cluster".to_owned());
        }
        let Some(cluster) = self.clusters.get_mut(id) else { return Err("no such cluster".to_owned()) };
        cluster.added += 1;
        let (id, peer_urls) = (member_id(&format!("{url} {}", cluster.added)), vec![url]);
        cluster.members.push(Member { id, name: String::new(), peer_urls, learner });
        Ok(())
    }

    pub(super) fn promote_member(&mut self, procedure: &Procedure) -> Result<(), String> {
        let id = self.asked(procedure)?;
        let url = procedure.args.get("url").cloned().unwrap_or_default();
        let lives = self
            .host_at(&url)
            .and_then(|host| self.etcd.get(&host)?.process.clone())
            .is_some_and(|process| process.joined);
        let Some(cluster) = self.clusters.get_mut(&id) else { return Err("no such cluster".to_owned()) };
        let entry = cluster.members.iter_mut().find(|member| member.peer_urls.contains(&url));
        match entry {
            None => Err(format!("the cluster does not list {url}")),
            Some(entry) if entry.name.is_empty() => Err("it has not started yet".to_owned()),
            Some(entry) if entry.learner && !lives => Err("not in sync with leader".to_owned()),
            Some(entry) => {
                entry.learner = false;
                Ok(())
            }
        }
    }

    /// What a directory held is moved out of the way, never deleted.
    pub(super) fn set_aside(&mut self, host: &HostName) {
        let store = self.store(host);
        if let Some(log) = store.log.take() {
            store.aside.push(log);
        }
        store.process = None;
    }
}

/// The id of a member that was there from the beginning.
pub fn member_id(name: &str) -> String {
    ContentKey::of_text(name).as_str()[..16].to_owned()
}

/// A member as the cluster lists it.
pub fn member((name, url): (&str, &str)) -> Member {
    Member { id: member_id(name), name: name.to_owned(), peer_urls: vec![url.to_owned()], learner: false }
}

fn parsed(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| line.starts_with("ETCD_"))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}
