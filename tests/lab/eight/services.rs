//! What stands after the first `up`, looked at without the program.

use std::time::Duration;

use super::{BALANCERS, MEMBERS, REPLICAS};
use crate::etcd::Etcd;
use crate::lab::Lab;
use crate::stands::holders;
use crate::{net, pgwire};

/// The environment of the live process.
const ENVIRON: &str = "tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value etcd)/environ";
/// An answer from a service that is up.
const SOON: Duration = Duration::from_secs(5);

pub fn etcd(lab: &Lab) {
    let mut leaders = Vec::new();
    for member in MEMBERS {
        Etcd::is_healthy(lab.address(member)).unwrap();
        let status = Etcd::status(lab.address(member)).unwrap();
        leaders.push(status["leader"].as_str().unwrap().to_owned());
        assert_eq!(status["version"], "3.5.6");

        let disk = lab.exec(member, "cat /etc/etcd.env");
        let live = lab.exec(member, ENVIRON);
        assert!(disk.contains("ETCD_INITIAL_CLUSTER_STATE=existing\n"), "{member} is not settled:\n{disk}");
        assert!(live.contains("ETCD_INITIAL_CLUSTER_STATE=new\n"), "{member} was restarted to settle");
        let unit = lab.exec(
            member,
            "systemctl show etcd -p NRestarts -p NeedDaemonReload -p UnitFileState -p User -p ActiveState; \
             cat /etc/systemd/system/etcd.service; stat -c '%U:%G %a' /var/lib/etcd /etc/etcd.env",
        );
        for word in [
            "NRestarts=0\n",
            "NeedDaemonReload=no\n",
            "UnitFileState=enabled\n",
            "User=etcd\n",
            "ActiveState=active\n",
            "\nAssertPathExistsGlob=/var/lib/etcd/member/wal/*.wal\n",
            "\netcd:etcd 700\n",
        ] {
            assert!(unit.contains(word), "{member}: no {word:?} in\n{unit}");
        }
        assert!(unit.contains(" 640\n"), "/etc/etcd.env shall be 0640:\n{unit}");
    }
    leaders.dedup();
    assert_eq!(leaders.len(), 1, "members follow different leaders: {leaders:?}");
    lab.etcd(&MEMBERS).cluster_id();
    assert_eq!(lab.etcd(&MEMBERS).version("/kind/KuboardAuthUser/cluster/GLOBAL/admin"), 1, "first keys");
}

pub fn questdb(lab: &Lab) {
    let address = lab.address("questdb");
    let password = lab.exec("questdb", "cat /var/lib/kuboard-ha/kuboard/secrets/questdb-password");
    assert!(password.len() >= 16, "a short password of {} characters", password.len());
    pgwire::query(address, &password, "select * from kuboard_standin_audit").unwrap();
    for wrong in ["quest", "", "wrong"] {
        pgwire::query(address, wrong, "select 1").expect_err("QuestDB takes a wrong password");
    }
    for port in [9000, 9003, 9009] {
        assert!(!net::is_open(address, port), "{port} is open to the network");
    }
    let listeners = lab.exec("questdb", "ss -ltnH | awk '{ print $4 }'");
    let listens = |socket: &str| {
        listeners.lines().any(|line| line.trim_start_matches("[::ffff:").replace(']', "") == socket)
    };
    assert!(listens("127.0.0.1:9000") && listens(&format!("{address}:8812")), "{listeners}");
    let unit =
        lab.exec("questdb", "systemctl show questdb -p UnitFileState -p User -p NRestarts -p LimitNOFILE");
    for word in ["UnitFileState=enabled\n", "User=questdb\n", "NRestarts=0\n", "LimitNOFILE=1048576\n"] {
        assert!(unit.contains(word), "no {word:?} in\n{unit}");
    }
}

pub fn kuboard(lab: &Lab) {
    for replica in REPLICAS {
        let address = lab.address(replica);
        let answer = net::get(address, 80, "/kuboard-resources/version.json", SOON).unwrap();
        assert_eq!(answer.status, 200, "{replica}: {answer:?}");
        assert!(net::is_open(address, 10081), "{replica}: the agent port is shut");
        let label =
            lab.exec(replica, "docker inspect -f '{{index .Config.Labels \"kuboard-ha.config\"}}' kuboard");
        assert!(label.trim().len() > 8, "{replica} has no label: {label:?}");
    }
    let holders = holders(lab, &BALANCERS);
    assert_eq!(holders.len(), 1, "the floating address is held by {holders:?}");
    let login = net::get(&lab.floating(), 80, "/sso/auth", SOON).unwrap();
    assert_eq!(login.status, 302, "a login through the balancer: {login:?}");
    let page = net::get(&lab.floating(), 80, "/", SOON).unwrap();
    assert!(page.body.contains(&format!("http://{}", lab.floating())), "KUBOARD_ENDPOINT: {}", page.body);
    // What a client says of where it comes from is not believed.
    let forged = "-H 'X-Forwarded-For: 203.0.113.66' -H 'X-Forwarded-For: 203.0.113.67'";
    let page = lab.exec("etcd1", &format!("curl -fsS -m 5 {forged} http://{}/", lab.floating()));
    let row = format!("<tr><th>X-Forwarded-For</th><td>{}</td></tr>", lab.address("etcd1"));
    assert!(page.contains(&row) && !page.contains("203.0.113."), "{page}");
    let inside = format!("curl -fsS -m 5 http://{}/kuboard-resources/version.json", lab.floating());
    lab.exec("etcd1", &inside);
}
