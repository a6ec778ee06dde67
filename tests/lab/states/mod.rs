//! Every state that an etcd cluster can be found in, made for real: what `status` says of it, what `up` does or refuses,
//! and that no acknowledged write is ever lost over it. The members' data lies on disks of their own.

mod finding;
mod footprint;
mod foreign;
mod machine;
mod member;
mod mount;
mod quorum;

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use crate::course::Course;
use crate::etcd::Etcd;
use crate::lab::{Image, Lab};
use crate::poll::until;
use crate::stands::{brief, is_healthy};
use crate::writer::Writer;

/// The members. Kuboard is on the first of them.
const MEMBERS: [&str; 3] = ["node-1", "node-2", "node-3"];
/// Machines that carry nothing at first.
const SPARE: [(&str, &str); 1] = [("node-4", "10.99.31.14")];
/// Where the data lies, and the disk beneath it.
const DATA: &str = "/var/lib/etcd";
/// What stands in `/etc/fstab` for it.
const DISK: &str = "/srv/disk /var/lib/etcd none bind 0 0";
/// An election takes ten seconds at most; this machine may be busy.
const ELECTED: Duration = Duration::from_mins(1);

/// Every write that was acknowledged so far.
static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn states_of_etcd() {
    let lab = Lab::boot("test-states", "10.99.31", Image::Full, "three", |text| small(&text));
    for (host, address) in SPARE {
        lab.inventory.edit(&format!("  {host}: {address}\n"), "");
    }
    let mut course = Course::new(&lab);
    course.must("the members have disks of their own", disks);
    course.early("an etcd built by hand from the manual is recognised and left alone", foreign::by_hand);
    course.must("what `up` told to do with it gets out, and `up` builds its own", foreign::way_out);
    course.step("a member boots without its disk", mount::one);
    course.step("all members are without their disks", mount::all);
    course.step("two of three members are stopped", member::two_stopped);
    course.step("a data directory was copied from another cluster", foreign::copied);
    course.step("a wrong `new` formed a second cluster on one host", foreign::second);
    course.step("a member was wiped and booted before `up`, and forgot what it promised", member::amnesiac);
    course.step("a member was wiped", member::wiped);
    course.step("the log of a member was damaged", member::corrupt);
    course.step("the leader was wiped", member::leader_wiped);
    course.step("a member was added by hand and never started", member::added);
    course.step("a learner was started by hand and never promoted", member::learner);
    course.step("the rest is put in order while a machine is away", machine::left_out);
    course.step("a dead machine is replaced by another", machine::replaced);
    course.step("and back again, both alive", machine::back);
    course.step("two of three members lost their data", quorum::lost);
    course.step("the disk of a member is gone for good", mount::gone);
    course.step("nothing that was ever acknowledged is lost", nothing_lost);
    course.step("all data is gone for good, and somebody begins anew", quorum::begun_anew);
    course.end();
}

/// Three members, one replica, nothing else.
fn small(text: &str) -> String {
    let (machines, rest) = text.split_once("questdb:\n").unwrap();
    let (_, kuboard) = rest.split_once("kuboard:\n").unwrap();
    let (kuboard, _) = kuboard.split_once("load_balancer:\n").unwrap();
    let kuboard = kuboard.replace("[node-1, node-2, node-3]", "[node-1]\n  audit: disabled");
    let mut spare = String::new();
    for (host, address) in SPARE {
        let _ = writeln!(spare, "  {host}: {address}");
    }
    format!("{}kuboard:\n{kuboard}", machines.replace("etcd:\n", &format!("{spare}etcd:\n")))
}

fn disks(lab: &Lab) {
    let script = format!(
        "mkdir -p /srv/disk {DATA} && echo '{DISK}' >>/etc/fstab && systemctl daemon-reload && mount -a"
    );
    lab.exec_all(lab.hosts.keys(), &script);
}

/// Every write of the whole course.
fn nothing_lost(lab: &Lab) {
    let kept = KEPT.lock().unwrap();
    let lost = etcd(lab).missing("/kuboard-ha-lab/", &kept);
    assert!(lost.is_empty(), "{} of {} acknowledged writes are lost: {lost:?}", lost.len(), kept.len());
    eprintln!("  {} acknowledged writes, all there", kept.len());
}

/// The members, as this machine asks them.
fn etcd(lab: &Lab) -> Etcd {
    lab.etcd(&MEMBERS)
}

fn members() -> Vec<String> {
    MEMBERS.map(str::to_owned).to_vec()
}

/// `up` brings it to its end: nothing that was acknowledged is lost, all is well, every member holds the same, and
/// nothing more is to be done.
#[track_caller]
fn converges(lab: &Lab, flags: &[&str], writer: Writer) {
    let mut arguments = vec!["up", "-o", "plain"];
    arguments.extend(flags);
    lab.run(&arguments).exits(0);
    kept(writer);
    well(lab);
}

/// A writer that is under way. Some scenarios take the quorum away at once: on a slow machine it would have had no say.
fn writing(etcd: &Etcd, name: &str) -> Writer {
    let writer = Writer::start(etcd, name);
    writer.writes(20, ELECTED);
    writer
}

/// Ends a writer, and remembers what was acknowledged to it.
#[track_caller]
fn kept(writer: Writer) {
    KEPT.lock().unwrap().extend(writer.finish().acknowledged);
}

/// All is well, and every member holds the same.
#[track_caller]
fn well(lab: &Lab) {
    lab.until_status(ELECTED, "healthy", is_healthy);
    same_data(lab);
}

/// Every member holds the same data, by its own hash of it. Nobody may write meanwhile.
#[track_caller]
fn same_data(lab: &Lab) {
    let text = lab.inventory.text();
    let members: Vec<&str> =
        lab.hosts.keys().map(String::as_str).filter(|host| text.contains(*host)).collect();
    let ends: Vec<String> = members.iter().map(|host| format!("{}:2379", lab.address(host))).collect();
    let script = format!("etcdctl --endpoints={} endpoint hashkv -w json", ends.join(","));
    until(ELECTED, "every member holds the same data", || {
        let text = lab.try_exec("node-1", &script)?;
        let answers: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let hashes: Vec<&Value> =
            answers.as_array().unwrap().iter().map(|end| &end["HashKV"]["hash"]).collect();
        let same = hashes.len() == members.len() && hashes.iter().all(|hash| *hash == hashes[0]);
        if same { Ok(()) } else { Err(text) }
    });
}

/// What `status` says of etcd: the verdict, and how many more failures it survives.
#[track_caller]
fn told(lab: &Lab, verdict: &str, can_lose: u64) -> Value {
    // The survivors may need an election first; until then there truly is no quorum.
    let status = lab.until_status(ELECTED, verdict, |status| status["etcd"]["verdict"] == verdict);
    assert_eq!(status["etcd"]["quorum"]["can_lose"], can_lose, "{}", brief(&status));
    status
}

/// What `status` says of a member that does not serve: words of why not.
#[track_caller]
fn says_of(status: &Value, member: &str, words: &str) {
    let all = status["etcd"]["members"].as_array().unwrap();
    let row = all.iter().find(|row| row["name"] == member).unwrap_or_else(|| panic!("no {member}: {all:?}"));
    assert!(row["why"].as_str().is_some_and(|why| why.contains(words)), "no `{words}` of {member}: {row}");
    // A learner answers for its health as a voter does.
    assert!(row["healthy"] != true || row["learner"] == true, "{row}");
}
