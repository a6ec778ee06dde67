//! The manual's six machines behind a balancer of the user's own, as a user whose sudo asks; and two runs at once.

use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::stands::{login_works, settled};

const PASSWORD: &str = "lab-sudo-pass";

#[test]
fn six_machines_with_a_sudo_password() {
    let mut lab = Lab::boot("test-six", "10.99.25", Image::Full, "six", |text| {
        text.replace("user: root,", "user: opsp, sudo_password: { env: LAB_SUDO },")
    });
    lab.set("LAB_SUDO", "wrong");
    let refused = lab.run(&["check", "-o", "plain"]).exits(4);
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("sudo"), "{}", refused.told());
    lab.set("LAB_SUDO", PASSWORD);
    let mut course = Course::new(&lab);
    course.must("two runs at once: one builds, the other says who does", two_runs);
    course.step("no member lost seconds asking others that asked it", members_began_in_turn);
    course.step("the sudo password stands nowhere", password_kept);
    course.end();
}

fn two_runs(lab: &Lab) {
    let plan = lab.run(&["plan", "-o", "plain"]).exits(0);
    for word in ["/kuboard-resources/version.json", lab.address("kuboard-1"), lab.address("kuboard-2")] {
        assert!(plan.stdout.contains(word), "no configuration for the balancer with {word}\n{}", plan.told());
    }
    let mut first = lab.start(&["up", "-o", "json"]);
    let mut steps = 0;
    let mut run = String::new();
    while steps < 3 {
        let event = first.next_event().expect("the first run ended early");
        if event["kind"] == "run-started" {
            event["run"].as_str().unwrap().clone_into(&mut run);
        }
        steps += usize::from(event["kind"] == "step-finished");
    }
    let second = lab.run(&["up", "-o", "plain"]).exits(9);
    assert!(second.stderr.contains(&run), "the other run is {run}\n{}", second.told());
    let first = first.finish();
    lab.keep(&first);
    assert_eq!(first.exits(0).last_event()["result"], "converged");
    settled(lab);
    for replica in ["kuboard-1", "kuboard-2"] {
        login_works(lab.address(replica), 80);
    }
    let balancer = &lab.status()["load_balancer"];
    assert_eq!((&balancer["managed"], &balancer["address"]), (&false.into(), &lab.floating().into()));
}

/// Members that begin in the same moment ask each other and wait a second for each.
fn members_began_in_turn(lab: &Lab) {
    let asked = "journalctl -u etcd -o short-unix --no-pager | awk '/starting an etcd server/ { begun = $1 } \
                 /became follower at term 0/ { print $1 - begun; exit }'";
    for host in ["etcd1", "etcd2", "etcd3"] {
        let seconds: f64 = lab.exec(host, asked).trim().parse().unwrap();
        assert!(seconds < 0.9, "{host} asked the others for {seconds} s");
    }
}

fn password_kept(lab: &Lab) {
    // Put together there, so that the search does not find itself.
    let script = "p=$(printf lab-sudo)-pass; journalctl --no-pager -o cat; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; \
                  printf %s \"$p\" | grep -rlFf /dev/stdin /etc /var/lib/kuboard-ha /run/kuboard-ha* /home 2>/dev/null \
                  | sed 's/^/found in /'; true";
    for (host, text) in lab.exec_all(lab.hosts.keys(), script) {
        assert!(
            !text.contains(PASSWORD),
            "the sudo password stands in a journal or a command line on {host}"
        );
        assert!(!text.contains("\nfound in /"), "the sudo password lies on {host}: {text}");
    }
    assert!(!lab.printed().contains(PASSWORD), "the sudo password was printed");
}
