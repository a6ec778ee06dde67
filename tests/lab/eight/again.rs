//! The second `up`, and the status of a cluster that is well.

use super::{MEMBERS, REPLICAS};
use crate::lab::Lab;
use crate::processes::{changed, processes};
use crate::stands::{brief, is_healthy};

/// Lets sshd say what it is asked to do.
const TALK: &str = "printf 'LogLevel VERBOSE\\n' >/etc/ssh/sshd_config.d/talk.conf && systemctl reload ssh";
/// How often sshd accepted a login, and how often it started a command.
const COUNT: &str = "journalctl -t sshd --no-pager -o cat | grep -cE '^Accepted (publickey|password)'; \
                     journalctl -t sshd --no-pager -o cat | grep -c '^Starting session'; true";

pub fn up(lab: &Lab) {
    lab.exec_all(lab.hosts.keys(), TALK);
    let (processes_before, counts_before) = (processes(lab), counts(lab));
    let again = lab.up().within(15.0);
    let counts_after = counts(lab);
    assert_eq!(again.stdout.lines().count(), 1, "one line\n{}", again.told());
    again.says("nothing changed");
    for (host, before) in &counts_before {
        let after = &counts_after[host];
        let (logins, commands) = (after.0 - before.0, after.1 - before.1);
        assert_eq!((logins, commands), (1, 1), "logins and commands on {host}");
    }
    let json = lab.run(&["up", "-o", "json"]).exits(0).last_event();
    assert_eq!((&json["result"], &json["changed"]), (&"unchanged".into(), &0.into()), "{json}");
    let restarted = changed(&processes_before, &processes(lab));
    assert!(restarted.is_empty(), "restarted: {restarted:?}");
    eprintln!("  second up: {:.1} s", again.seconds);
}

pub fn status(lab: &Lab) {
    let status = lab.status();
    assert!(is_healthy(&status), "{}", brief(&status));
    let quorum = &status["etcd"]["quorum"];
    assert_eq!(
        (&quorum["voters"], &quorum["healthy"], &quorum["can_lose"]),
        (&3.into(), &3.into(), &1.into())
    );
    assert_eq!(status["etcd"]["verdict"], "formed");
    assert!(MEMBERS.contains(&status["etcd"]["leader"].as_str().unwrap()), "{}", brief(&status));
    assert_eq!(status["load_balancer"]["holders"].as_array().unwrap().len(), 1);
    assert_eq!(status["kuboard"]["replicas"].as_array().unwrap().len(), REPLICAS.len());

    let plain = lab.run(&["status", "-o", "plain", "--check"]);
    // A busy machine may be late once more.
    let plain = if plain.stdout.contains("no answer within") {
        lab.run(&["status", "-o", "plain", "--check"])
    } else {
        plain
    };
    let plain = plain.exits(0);
    for word in ["healthy", "etcd1", "questdb", "kuboard-2", &lab.floating()] {
        assert!(plain.stdout.contains(word), "no {word}\n{}", plain.told());
    }
    lab.run(&["plan", "--check"]).exits(0);
}

fn counts(lab: &Lab) -> std::collections::BTreeMap<String, (u32, u32)> {
    let read = |text: &String| {
        let mut numbers = text.lines().map(|line| line.trim().parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    };
    lab.exec_all(lab.hosts.keys(), COUNT).iter().map(|(host, text)| (host.clone(), read(text))).collect()
}
