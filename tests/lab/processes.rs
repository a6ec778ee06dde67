//! Which processes of the services run, and since when: two equal answers prove that nothing restarted.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::Lab;

/// For each `HOST PROGRAM` the process ids with their start times, in ticks since the machine booted.
pub type Processes = BTreeMap<String, BTreeSet<(u32, u64)>>;

/// By process id and start time. Keepalived forks for each check: its newest children are not services.
const SCRIPT: &str = r#"read -r up _ </proc/uptime; up=${up%.*}
for p in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$p/comm" || continue
    case $name in etcd | java | haproxy | keepalived | dockerd | containerd | kuboard-standin) ;; *) continue ;; esac
    read -r stat 2>/dev/null <"$p/stat" || continue
    set -- $stat
    [ "$name" != keepalived ] || [ $((up - ${22} / 100)) -gt 5 ] || [ "$4" = 1 ] || continue
    echo "$name ${p#/proc/} ${22}"
done"#;

/// The services' processes on all hosts.
pub fn processes(lab: &Lab) -> Processes {
    processes_on(lab, lab.hosts.keys())
}

/// The services' processes on some hosts.
pub fn processes_on<'a>(lab: &Lab, hosts: impl IntoIterator<Item = &'a String>) -> Processes {
    let mut all = Processes::new();
    for (host, text) in lab.exec_all(hosts, SCRIPT) {
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, pid, start] = words[..] else { panic!("{host}: {line}") };
            let process = (pid.parse().unwrap(), start.parse().unwrap());
            all.entry(format!("{host} {name}")).or_default().insert(process);
        }
    }
    all
}

/// The `HOST PROGRAM` whose processes differ.
pub fn changed(before: &Processes, after: &Processes) -> BTreeSet<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}
