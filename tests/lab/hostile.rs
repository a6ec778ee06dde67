//! One machine whose inventory holds what would escape wherever it may: all of it arrives to the byte, none of it is
//! run, and what is secret is seen nowhere.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::poison::{Poison, Watch};
use crate::poll::until;
use crate::stands::login_works;
use crate::{argv, pgwire};

const HOST: &str = "node-1";
/// Made by any of the commands that the values hold, should one be run.
const CANARY: &str = "/tmp/kuboard-ha-pwned";
const SUDO: &str = "lab-sudo-pass";

#[test]
fn hostile_values_arrive_and_secrets_stay() {
    let mut lab = Lab::boot("test-hostile", "10.99.39", Image::Full, "one", |text| hostile(&text));
    for (name, value) in secrets() {
        lab.set(name, &value);
    }
    let _ = std::fs::remove_file(CANARY);
    let watch = Watch::begin(&poison());
    argv::watch(&lab, &[HOST]);
    let mut course = Course::new(&lab);
    course.must("up builds it, and again changes nothing", settled);
    course.step("every value arrived to the byte, and none was run", arrived);
    course.step("the values are no difference, and a secret that was dropped is not shown", differences);
    course.step("a registry that takes no login", failing_login);
    course.step("a registry that asks for a login, and takes it", registry);
    course.step("nothing secret was seen on either side", |lab| unseen(lab, &watch));
    course.end();
}

/// Every printable character of ASCII, then the beginnings of commands, templates, units and comments.
fn nasty() -> String {
    let printable: String = (' '..='~').collect();
    format!(
        "{printable} $(touch {CANARY}) `touch {CANARY}` '; touch {CANARY}; ' {{{{ x }}}} %h %% $HOME ${{HOME}} #\\"
    )
}

/// In the clear, and with what is no ASCII.
fn clear() -> String {
    format!("  -n {} é漢\u{202e}\u{2028}🎉 ", nasty())
}

/// By the variable that holds it.
fn secrets() -> BTreeMap<&'static str, String> {
    let poisoned = |name| format!("-poison{name} {}", nasty());
    BTreeMap::from([
        ("LAB_QUESTDB", poisoned("Questdb")),
        ("LAB_ADMIN", poisoned("Admin")),
        ("LAB_ENV", format!("{} é漢", poisoned("Env"))),
        ("LAB_GONE", poisoned("Gone")),
        ("LAB_REGISTRY", poisoned("Registry")),
        ("LAB_SUDO", SUDO.to_owned()),
    ])
}

fn poison() -> Vec<&'static str> {
    vec!["poisonQuestdb", "poisonAdmin", "poisonEnv", "poisonGone", "poisonRegistry", SUDO]
}

fn hostile(text: &str) -> String {
    let quoted = |value: &str| format!("'{}'", value.replace('\'', "''"));
    let etcd = format!(
        "  data_dir: /data/-etcd/_.-\n  settings:\n    ETCD_EXPERIMENTAL_DISTRIBUTED_TRACING_SERVICE_NAME: {}\n",
        quoted(&clear())
    );
    let questdb = "  data_dir: /data/...questdb--\n  password: { env: LAB_QUESTDB }\n";
    let kuboard = format!(
        "  data_dir: /data/.kuboard_\n  admin_password: {{ env: LAB_ADMIN }}\n  env:\n    CLEAR: {}\n    A_SECRET: {{ env: \
         LAB_ENV }}\n    GONE: {{ env: LAB_GONE }}\n    OLD: {{ env: LAB_GONE }}\n  registry: {{ username: {}, password: {{ env: LAB_REGISTRY }} }}\n",
        quoted(&clear()),
        quoted(&nasty())
    );
    text.replace("cluster: kuboard\n", "cluster: 0--x-9\n")
        .replace("user: root,", "user: opsp, sudo_password: { env: LAB_SUDO },")
        .replace("etcd:\n  hosts:", &format!("etcd:\n{etcd}  hosts:"))
        .replace("questdb:\n  host:", &format!("questdb:\n{questdb}  host:"))
        .replace("kuboard:\n  hosts:", &format!("kuboard:\n{kuboard}  hosts:"))
}

/// The environment of the process that a command of the host's prints the id of.
fn environment(lab: &Lab, pid: &str) -> BTreeMap<String, String> {
    let text = lab.exec(HOST, &format!("cat /proc/$({pid})/environ"));
    let entries = text.split('\0').filter_map(|entry| entry.split_once('='));
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What is written is read back as the same.
#[track_caller]
fn settled(lab: &Lab) {
    lab.up();
    lab.up().says("nothing changed");
}

fn arrived(lab: &Lab) {
    let secrets = secrets();
    let kuboard = environment(lab, "docker inspect -f '{{.State.Pid}}' kuboard");
    assert_eq!(kuboard["CLEAR"], clear());
    assert_eq!(kuboard["A_SECRET"], secrets["LAB_ENV"]);
    assert_eq!(kuboard["KUBOARD_ADMIN_DERAULT_PASSWORD"], secrets["LAB_ADMIN"]);
    let etcd = environment(lab, "systemctl show -p MainPID --value etcd");
    assert_eq!(etcd["ETCD_EXPERIMENTAL_DISTRIBUTED_TRACING_SERVICE_NAME"], clear());
    assert_eq!(etcd["ETCD_DATA_DIR"], "/data/-etcd/_.-");
    let questdb = environment(lab, "systemctl show -p MainPID --value questdb");
    assert_eq!(questdb["QDB_PG_PASSWORD"], secrets["LAB_QUESTDB"]);
    // Kuboard itself has logged in by now, with the same password in an address.
    pgwire::query(lab.address(HOST), &secrets["LAB_QUESTDB"], "select 1").unwrap();
    pgwire::query(lab.address(HOST), &secrets["LAB_QUESTDB"].replace('~', "x"), "select 1").unwrap_err();
    lab.exec(HOST, "ls /data/-etcd/_.-/member /data/...questdb--/db /data/.kuboard_/kuboard_agent_key");
    lab.exec(HOST, &format!("! ls {CANARY} 2>/dev/null"));
    assert!(!Path::new(CANARY).exists(), "a value was run on this machine");
}

fn differences(lab: &Lab) {
    let before = lab.inventory.text();
    lab.inventory.edit("    GONE: { env: LAB_GONE }\n", "    GONE: plain\n");
    lab.inventory.edit("    OLD: { env: LAB_GONE }\n", "");
    lab.inventory.edit("    CLEAR: '", "    CLEAR: 'now ");
    let facts = lab.file("facts.json");
    let facts = facts.to_str().unwrap();
    let diff = lab.run(&["plan", "--diff", "-o", "plain"]).exits(0);
    for line in ["-GONE=***", "+GONE=plain", "-OLD=***", "+CLEAR=now "] {
        assert!(diff.stdout.contains(line), "{line}: {}", diff.told());
    }
    lab.run(&["plan", "--script", HOST]).exits(0).says("container_run");
    lab.run(&["plan", "-o", "json"]).exits(0);
    lab.run(&["status", "-o", "json", "--save-facts", facts]).exits(0);
    Poison::new(&poison()).is_not_in("the saved facts", &std::fs::read_to_string(facts).unwrap());
    assert_eq!(
        std::fs::metadata(facts).unwrap().permissions().mode() & 0o77,
        0,
        "others can read the saved facts"
    );
    lab.inventory.write(&before);
    settled(lab);
}

fn failing_login(lab: &Lab) {
    let before = lab.inventory.text();
    let (kept, archive) = before.split_once("  image_archive:").unwrap();
    let rest = archive.split_once("\nload_balancer").map_or("", |(_, rest)| rest);
    assert_eq!(rest, "", "one machine has no balancer");
    // The mirror is no registry.
    lab.inventory.write(&kept.replace("image: eipwork/", "image: 10.99.39.2:80/eipwork/"));
    let failed = lab.run(&["up", "-o", "json"]).exits(6);
    assert_eq!(failed.last_event()["result"], "failed", "{}", failed.told());
    failed.says("10.99.39.2:80");
    lab.inventory.write(&before);
}

/// A registry on the host itself, and the program as one of its users.
fn registry(lab: &Lab) {
    let at = "10.99.39.11:5000";
    let inventory = lab.inventory.text();
    let image = inventory.lines().find_map(|line| line.trim().strip_prefix("image: ")).unwrap().to_owned();
    lab.exec(HOST, "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; \
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d; \
        apt-get install -qy --no-install-recommends docker-registry >/dev/null 2>&1; rm /usr/sbin/policy-rc.d; \
        command -v docker-registry");
    // As hexadecimal digits, which nobody looks for: the password must stand in no command line.
    let digits: String = secrets()["LAB_REGISTRY"].bytes().map(|byte| format!("{byte:02x}")).collect();
    lab.exec(
        HOST,
        &format!(
            "mkdir -p /root/registry && cd /root/registry && python3 -W ignore -c \"import crypt; print('puller:' + \
             crypt.crypt(bytes.fromhex('{digits}').decode(), '\\$2b\\$04\\$abcdefghijklmnopqrstuu'))\" >users
             store='version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: /root/registry/store }} }}\n'
             printf \"$store\"'http: {{ addr: 127.0.0.1:5001 }}\n' >open.yml
             printf \"$store\"'http: {{ addr: {at} }}\nauth: {{ htpasswd: {{ realm: lab, path: /root/registry/users }} }}\n' >shut.yml
             systemd-run -q --unit registry-open docker-registry serve /root/registry/open.yml
             systemd-run -q --unit registry-shut docker-registry serve /root/registry/shut.yml
             printf '{{ \"insecure-registries\": [\"{at}\"] }}\n' >/etc/docker/daemon.json
             systemctl reload docker
             docker tag {image} 127.0.0.1:5001/{image}"
        ),
    );
    let push = format!("docker push -q 127.0.0.1:5001/{image} 2>&1");
    until(Duration::from_secs(30), "the image is in the registry", || lab.try_exec(HOST, &push));
    lab.exec(
        HOST,
        &format!(
            "systemctl stop registry-open; docker rm -f kuboard; docker rmi -f {image} 127.0.0.1:5001/{image}"
        ),
    );
    let refused = lab.try_exec(HOST, &format!("docker pull -q {at}/{image} 2>&1")).unwrap_err();
    assert!(refused.contains("no basic auth credentials"), "{refused}");

    let (kept, _) = inventory.split_once("  image_archive:").unwrap();
    let (before, registry) = kept.split_once("  registry: { username: ").unwrap();
    let (_, after) = registry.split_once(", password: ").unwrap();
    let kept = format!("{before}  registry: {{ username: puller, password: {after}");
    lab.inventory.write(&kept.replace("image: eipwork/", &format!("image: {at}/eipwork/")));
    lab.up().says(&format!("pull the image {at}/{image}"));
    let runs = lab.exec(HOST, "docker inspect -f '{{.State.Status}} {{.Config.Image}}' kuboard");
    assert_eq!(runs.trim(), format!("running {at}/{image}"));
    login_works(lab.address(HOST), 80);
    lab.up().says("nothing changed");
    let left = lab.exec(
        HOST,
        "ls -A /root/.docker 2>/dev/null; find / -xdev -name config.json -size -64k ! -path '/var/lib/docker/*' \
         ! -path '/proc/*' 2>/dev/null | xargs -r grep -l '\"auths\"'; find /run /tmp -path '*docker/config.json'; true",
    );
    assert_eq!(left, "", "a login is left on the host");
}

fn unseen(lab: &Lab, watch: &Watch) {
    let drawn = lab.exec(
        HOST,
        "cd /var/lib/kuboard-ha/0--x-9/secrets && for f in sso-secret agent-key; do cat $f; echo; done",
    );
    let mut words = poison();
    words.extend(drawn.lines().filter(|line| !line.is_empty()));
    assert_eq!(words.len(), poison().len() + 2, "{drawn}");
    let token = lab.exec(HOST, "cat /var/lib/kuboard-ha/0--x-9/secrets/etcd-token");
    let all = Poison::new(&words.iter().copied().chain([token.as_str()]).collect::<Vec<_>>());
    all.is_not_in("what the program printed", &lab.printed());
    all.is_not_in("a command line of the host", &argv::noted(lab, &[HOST])[HOST]);
    assert_eq!(watch.seen(), Vec::<String>::new(), "in a command line of this machine");
    all.is_not_in("what is collected for a bug report", &lab.collect("report"));
    let no_token = Poison::new(&words);
    // etcd itself logs its token at its first start: it keeps clusters apart and lets nobody in.
    no_token
        .is_not_in("the journal", &lab.exec(HOST, "journalctl --no-pager -o cat; docker logs kuboard 2>&1"));
    assert_eq!(all.open_files(lab, HOST), "", "others can read a secret on the host");
    for folder in ["/tmp", "/run/user"].map(Path::new) {
        all.is_not_below(folder, "kuha-");
    }
    all.is_not_below(&lab.file("..").join("cache"), "");
}
