//! Every generated value is looked for everywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::fresh::WATCHED;
use crate::lab::Lab;
use crate::{argv, stands};

/// `NAME VALUE`, one a line.
const VALUES: &str = "cd /var/lib/kuboard-ha/kuboard/secrets 2>/dev/null || exit 0
for f in *; do [ -f \"$f\" ] && printf '%s %s\\n' \"$f\" \"$(cat \"$f\")\"; done; true";

/// Modes of the state, `MODE OWNER PATH`.
const MODES: &str = "find /var/lib/kuboard-ha -printf '%m %u %p\\n' 2>/dev/null; true";

pub fn kept(lab: &Lab) {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (host, text) in lab.exec_all(lab.hosts.keys(), VALUES) {
        for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            values.entry(name.to_owned()).or_default().insert(value.to_owned());
            places.entry(name.to_owned()).or_default().insert(host.clone());
        }
    }
    for (name, values) in &values {
        assert_eq!(values.len(), 1, "{name} has several values");
        assert!(values.iter().all(|value| value.len() >= 16), "{name} is short");
    }
    let on = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<BTreeSet<_>>();
    for (name, hosts) in [
        ("etcd-token", on(&super::MEMBERS)),
        ("questdb-password", on(&["kuboard-1", "kuboard-2", "questdb"])),
        ("sso-secret", on(&super::REPLICAS)),
        ("agent-key", on(&super::REPLICAS)),
        ("admin-password", on(&super::REPLICAS)),
    ] {
        assert_eq!(places.get(name), Some(&hosts), "where {name} lies");
    }

    let poison: Vec<(&String, &String)> =
        values.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value))).collect();
    let search = |place: &str, text: &str| {
        for (name, value) in &poison {
            assert!(!text.contains(value.as_str()), "the value of {name} stands in {place}");
        }
    };
    search("what the program printed", &lab.printed());
    for (host, text) in argv::noted(lab, &WATCHED) {
        assert!(text.len() > 1000, "command lines of {host} were not watched: {text}");
        search(&format!("a command line on {host}, while up worked"), &text);
    }
    for (host, text) in
        lab.exec_all(lab.hosts.keys(), "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true")
    {
        search(&format!("a command line on {host}"), &text);
    }
    for (host, text) in lab.exec_all(
        lab.hosts.keys(),
        "journalctl --no-pager -o cat 2>&1; cat /var/log/*.log /var/log/*/*.log 2>/dev/null; true",
    ) {
        // etcd itself prints its settings at each start, the token too; it keeps clusters apart and opens nothing.
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("{\"level\":")).collect();
        search(&format!("the journal of {host}"), &text.join("\n"));
    }
    for (host, text) in lab.exec_all(
        &super::REPLICAS.map(str::to_owned),
        "docker logs kuboard 2>&1; docker inspect -f '{{json .Path}} {{json .Args}}' kuboard",
    ) {
        search(&format!("the container's log on {host}"), &text);
    }

    let patterns: Vec<&str> = poison.iter().map(|(_, value)| value.as_str()).collect();
    stands::unreadable(lab, lab.hosts.keys(), &patterns.join("\n"));
    for (host, text) in lab.exec_all(lab.hosts.keys(), MODES) {
        for line in
            text.lines().filter(|line| line.contains("/secrets/") || line.ends_with("/kuboard-ha/kuboard"))
        {
            assert!(line.starts_with("600 root ") || line.starts_with("700 root "), "on {host}: {line}");
        }
    }
}
