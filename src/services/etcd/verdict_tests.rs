use super::super::testing::{CLUSTER, Scene, host, id};
use super::super::{BOOTSTRAP, CLUSTER_ID};
use super::*;
use crate::facts::service::{DataIds, RunningEtcd};
use crate::plan::model::{Finding, Severity};

/// Brings a scene into a state.
type Spoil = fn(&mut Scene);

fn verdict(scene: &Scene) -> Verdict {
    judge(&scene.inventory, &scene.facts).verdict
}

fn state(scene: &Scene, number: usize) -> MemberState {
    judge(&scene.inventory, &scene.facts).members[&host(number)].clone()
}

/// The findings' codes; each that forbids going on has a way out.
fn codes(scene: &Scene) -> Vec<(String, Option<HostName>)> {
    let (_, findings) = scene.plan();
    for finding in &findings {
        assert!(finding.hint.as_ref().is_some_and(|hint| hint.len() > 20), "no way out: {finding:#?}");
    }
    findings.into_iter().map(|finding: Finding| (finding.code, finding.host)).collect()
}

fn on(code: &str, number: usize) -> (String, Option<HostName>) {
    (code.to_owned(), Some(host(number)))
}

fn all(code: &str) -> (String, Option<HostName>) {
    (code.to_owned(), None)
}

#[test]
fn machines_that_never_served_are_fresh_only_if_all_were_seen() {
    for members in [1, 3, 5, 7] {
        assert_eq!(verdict(&Scene::bare(members)), Verdict::Fresh);
    }
    let mut scene = Scene::bare(3);
    scene.unreachable(2);
    assert_eq!(verdict(&scene), Verdict::Unknown);
    assert_eq!(codes(&scene), [all("etcd.unreachable")]);
    assert_eq!(scene.plan().1[0].severity, Severity::Unknown);
    scene.facts.without.insert(host(2));
    assert_eq!(scene.plan().1[0].severity, Severity::Blocked, "a first start leaves nobody out");

    let mut unseen = Scene::bare(3);
    unseen.etcd(3).running = Observed::Unknown("the data directory could not be looked at".to_owned());
    assert_eq!(verdict(&unseen), Verdict::Unknown);
    assert_eq!(state(&unseen, 3), MemberState::Unseen);
    unseen.host(3).etcd = None;
    assert_eq!(verdict(&unseen), Verdict::Unknown);
}

#[test]
fn a_first_start_that_was_begun_and_left_no_log_is_still_fresh() {
    let mut scene = Scene::bare(3);
    scene.host(1).manifest.insert(BOOTSTRAP.to_owned(), "etcd1=…".to_owned());
    scene.etcd(1).entries = vec!["member".to_owned()];
    assert_eq!(verdict(&scene), Verdict::Fresh);
    assert!(codes(&scene).is_empty());
}

#[test]
fn somebody_elses_data_is_foreign() {
    let mut remains = Scene::bare(3);
    remains.etcd(2).entries = vec!["member".to_owned()];
    assert_eq!(verdict(&remains), Verdict::Foreign);
    assert_eq!(codes(&remains), [on("etcd.foreign-data", 2)]);

    let mut other = Scene::bare(1);
    other.etcd(1).entries = vec!["postgres".to_owned()];
    assert_eq!(codes(&other), [on("etcd.foreign-data", 1)]);

    let mut log = Scene::bare(3);
    log.etcd(3).wal = true;
    assert_eq!((verdict(&log), state(&log, 3)), (Verdict::Foreign, MemberState::Foreign));
    assert_eq!(codes(&log), [on("etcd.foreign-data", 3)]);
}

#[test]
fn a_cluster_built_by_hand_is_foreign_with_what_was_seen() {
    let mut scene = Scene::bare(3);
    for number in 1..=3 {
        let etcd = scene.lives(number);
        etcd.running = Observed::Known(Some(RunningEtcd {
            executable: "/usr/local/bin/etcd".to_owned(),
            environment: [("ETCD_INITIAL_CLUSTER_STATE".to_owned(), "new".to_owned())].into(),
        }));
    }
    assert_eq!(verdict(&scene), Verdict::Foreign);
    let (plan, findings) = scene.plan();
    assert!(plan.is_empty());
    assert_eq!(findings.len(), 3);
    for part in [CLUSTER, "/usr/local/bin/etcd", "write-ahead log"] {
        assert!(findings[0].message.contains(part), "{part}: {}", findings[0].message);
    }
}

#[test]
fn a_quorum_is_formed_whatever_became_of_the_rest() {
    let scene = Scene::formed(3);
    let judgement = judge(&scene.inventory, &scene.facts);
    assert_eq!(judgement.verdict, Verdict::Formed);
    assert_eq!(judgement.leader, Some(host(3)));
    assert_eq!(judgement.cluster_id.as_deref(), Some(CLUSTER));
    assert_eq!(judgement.voters, 3);
    assert!(judgement.extras.is_empty());
    assert!(judgement.members.values().all(|state| *state == MemberState::Healthy));

    let cases: [(&str, Spoil, MemberState); 8] = [
        ("stopped", |scene| drop(scene.stopped(1).clone()), MemberState::Stopped),
        ("wiped", |scene| scene.wiped(1), MemberState::Wiped),
        ("replaced", |scene| scene.replaced(1), MemberState::Wiped),
        (
            "unreachable",
            |scene| scene.unreachable(1),
            MemberState::Unreachable { why: "connection timed out".to_owned() },
        ),
        (
            "slow",
            |scene| scene.etcd(1).health = Observed::Known(Err("no answer within 2 s".to_owned())),
            MemberState::Unhealthy { why: "no answer within 2 s".to_owned() },
        ),
        (
            "amnesiac",
            |scene| {
                scene.stopped(1);
                scene.etcd(1).complaints = vec!["amnesiac".to_owned()];
            },
            MemberState::Amnesiac,
        ),
        (
            "not mounted",
            |scene| {
                scene.wiped(1);
                scene.recorded_disk(1, "/var/lib/etcd 1-2");
            },
            MemberState::DiskMissing,
        ),
        (
            "unseen",
            |scene| scene.etcd(1).running = Observed::Unknown("cut off".to_owned()),
            MemberState::Unseen,
        ),
    ];
    for (name, spoil, expected) in cases {
        let mut scene = Scene::formed(3);
        spoil(&mut scene);
        assert_eq!(verdict(&scene), Verdict::Formed, "{name}");
        assert_eq!(state(&scene, 1), expected, "{name}");
        assert_eq!(state(&scene, 2), MemberState::Healthy, "{name}");
    }
}

#[test]
fn members_that_must_not_be_started_block() {
    let cases: [(&str, Spoil); 2] = [
        ("etcd.data-missing", |scene| {
            // Even a healthy process must not be restarted without its disk.
            scene.recorded_disk(2, "/var/lib/etcd 1-2");
        }),
        ("etcd.unseen", |scene| scene.etcd(2).running = Observed::Unknown("cut off".to_owned())),
    ];
    for (code, spoil) in cases {
        let mut scene = Scene::formed(3);
        spoil(&mut scene);
        assert_eq!(codes(&scene), [on(code, 2)]);
        assert!(scene.plan().0.jobs.iter().all(|job| job.host != host(2)), "{code}");
    }
}

#[test]
fn a_healthy_member_whose_data_was_moved_to_another_disk_is_taken_as_it_is() {
    let mut scene = Scene::formed(3);
    scene.recorded_disk(2, "/var/lib/etcd 1-2");
    scene.disk(2, "/var/lib/etcd", "3-4");
    assert_eq!(state(&scene, 2), MemberState::Healthy);
    assert!(codes(&scene).is_empty());
    assert_eq!(scene.plan().0.jobs.len(), 1, "the new disk is recorded");
}

#[test]
fn the_list_and_the_file_may_differ() {
    // Not yet a member.
    let mut more = Scene::formed(3);
    let three: Vec<_> = more.members();
    let mut five = Scene::bare(5);
    for number in 1..=3 {
        let host = more.host(number).clone();
        *five.host(number) = host;
    }
    five.listed(&three);
    assert_eq!((verdict(&five), state(&five, 4)), (Verdict::Formed, MemberState::New));
    assert!(codes(&five).is_empty());

    // Added and never started; a learner that was never promoted.
    let mut joining = Scene::formed(3);
    joining.wiped(3);
    let mut listed = three.clone();
    listed[2].name.clear();
    joining.listed(&listed);
    assert_eq!(state(&joining, 3), MemberState::JoinInterrupted);
    let mut learning = Scene::formed(3);
    listed[2] = Member { learner: true, ..three[2].clone() };
    learning.listed(&listed);
    assert_eq!(state(&learning, 3), MemberState::JoinInterrupted);
    assert_eq!(judge(&learning.inventory, &learning.facts).voters, 2);

    // Removed from the cluster, its data still there.
    let mut removed = Scene::formed(3);
    removed.stopped(3);
    removed.listed(&three[..2]);
    assert_eq!(state(&removed, 3), MemberState::Removed);

    // A machine replaced by one with a new address.
    let mut moved = Scene::formed(3);
    moved.replaced(3);
    let mut listed = three.clone();
    listed[2].peer_urls = vec!["http://10.99.16.99:2380".to_owned()];
    moved.listed(&listed);
    let judgement = judge(&moved.inventory, &moved.facts);
    assert_eq!(judgement.members[&host(3)], MemberState::New);
    assert_eq!(judgement.extras, [listed[2].clone()]);
    assert!(codes(&moved).is_empty());
}

#[test]
fn two_clusters_are_split_and_an_odd_one_out_is_named() {
    let mut scene = Scene::formed(3);
    scene.of_cluster(3, "dead");
    assert_eq!(verdict(&scene), Verdict::Split);
    assert_eq!(codes(&scene), [all("etcd.split")]);
    let message = &scene.plan().1[0].message;
    assert!(message.contains("dead runs on etcd3") && message.contains(CLUSTER), "{message}");

    let mut records = Scene::formed(3);
    records.host(2).manifest.insert(CLUSTER_ID.to_owned(), "beef".to_owned());
    assert_eq!(verdict(&records), Verdict::Split);

    let mut taken_over = Scene::formed(1);
    taken_over.of_cluster(1, "dead");
    assert_eq!((verdict(&taken_over), state(&taken_over, 1)), (Verdict::Foreign, MemberState::Foreign));
    assert_eq!(codes(&taken_over), [on("etcd.foreign-data", 1)]);
}

#[test]
fn a_stopped_cluster_has_its_data() {
    let mut scene = Scene::formed(3);
    for number in 1..=3 {
        scene.stopped(number);
    }
    assert_eq!(verdict(&scene), Verdict::Stopped);
    assert_eq!(state(&scene, 2), MemberState::Stopped);
    assert!(codes(&scene).is_empty());

    // One disk is not mounted after the power cut: without a quorum nothing is started beside it.
    scene.wiped(2);
    scene.recorded_disk(2, "/var/lib/etcd 1-2");
    assert_eq!((verdict(&scene), state(&scene, 2)), (Verdict::Stopped, MemberState::DiskMissing));
    assert_eq!(codes(&scene), [on("etcd.data-missing", 2)]);
    // With two of them gone it is the disks that are to be looked for.
    scene.wiped(3);
    assert_eq!(verdict(&scene), Verdict::DataMissing);

    // One lost its data: the others could form a quorum, but the empty one must be dealt with.
    let mut lost = Scene::formed(3);
    for number in 1..=3 {
        lost.stopped(number);
    }
    lost.wiped(2);
    assert_eq!((verdict(&lost), state(&lost, 2)), (Verdict::Stopped, MemberState::Wiped));
    assert!(codes(&lost).is_empty());
}

#[test]
fn within_a_second_of_their_death_two_of_three_make_no_quorum() {
    // The survivor led and still says so; /health blocks.
    let mut scene = Scene::formed(3);
    scene.stopped(1);
    scene.stopped(2);
    scene.etcd(3).health = Observed::Known(Err("no answer within 2 s".to_owned()));
    assert_eq!(verdict(&scene), Verdict::Stopped);
    let mut away = Scene::formed(3);
    away.unreachable(1);
    away.unreachable(2);
    away.etcd(3).health = Observed::Known(Err("no answer within 2 s".to_owned()));
    assert_eq!(verdict(&away), Verdict::Unknown);
    assert_eq!(codes(&away), [all("etcd.unreachable")]);
}

#[test]
fn an_alarm_fails_health_and_the_quorum_is_still_seen() {
    let mut scene = Scene::formed(3);
    for number in 1..=3 {
        let etcd = scene.etcd(number);
        etcd.health = Observed::Known(Err("ALARM NOSPACE".to_owned()));
        etcd.alarms = vec!["NOSPACE".to_owned()];
    }
    assert_eq!(verdict(&scene), Verdict::Formed);
    assert_eq!(codes(&scene), [all("etcd.alarm")]);
}

#[test]
fn data_that_is_gone_everywhere_is_missing_and_never_fresh() {
    let mut scene = Scene::formed(3);
    for number in 1..=3 {
        scene.wiped(number);
    }
    assert_eq!(verdict(&scene), Verdict::DataMissing);
    assert_eq!(codes(&scene), [1, 2, 3].map(|number| on("etcd.data-missing", number)));
    // One manifest is enough to know.
    scene.replaced(1);
    scene.replaced(2);
    assert_eq!(verdict(&scene), Verdict::DataMissing);
    assert_eq!(codes(&scene), [on("etcd.data-missing", 3)]);
    scene.unreachable(3);
    assert_eq!(verdict(&scene), Verdict::Unknown);
}

#[test]
fn data_on_a_minority_is_a_lost_quorum() {
    let mut scene = Scene::formed(3);
    scene.wiped(1);
    scene.replaced(2);
    scene.stopped(3);
    assert_eq!(verdict(&scene), Verdict::LostQuorum);
    assert_eq!(codes(&scene), [all("etcd.lost-quorum")]);
    let message = &scene.plan().1[0].message;
    assert!(message.contains("left on etcd3") && message.contains("none on etcd1 and etcd2"), "{message}");
    scene.unreachable(2);
    assert_eq!(verdict(&scene), Verdict::Unknown, "its data may be there");
}

#[test]
fn an_interrupted_first_start_is_proven_and_needs_everybody() {
    let mut scene = Scene::bare(3);
    scene.begun(1);
    assert_eq!(verdict(&scene), Verdict::InterruptedBootstrap);
    assert_eq!(state(&scene, 2), MemberState::Pending);
    assert!(matches!(state(&scene, 1), MemberState::Unhealthy { .. }));
    let mut away = scene.clone();
    away.unreachable(3);
    assert_eq!(verdict(&away), Verdict::Unknown);

    // Two formed a quorum, the third never took part.
    let mut two = scene.clone();
    for number in [1, 2] {
        two.begun(number);
        let etcd = two.lives(number);
        if let Observed::Known(Some(view)) = &mut etcd.peers {
            view.published.retain(|name| name != "etcd3");
        }
    }
    assert_eq!((verdict(&two), state(&two, 3)), (Verdict::InterruptedBootstrap, MemberState::Pending));

    // The third took part and lost its disk: not a first start any more.
    let mut wiped = scene.clone();
    for number in [1, 2] {
        wiped.begun(number);
        wiped.lives(number);
    }
    assert_eq!((verdict(&wiped), state(&wiped, 3)), (Verdict::Formed, MemberState::Wiped));
    assert!(codes(&wiped).is_empty());

    // All took part: it only needs settling.
    let mut done = wiped.clone();
    done.begun(3);
    done.lives(3);
    assert_eq!(verdict(&done), Verdict::Formed);

    // Somebody else's log beside ours.
    let mut strange = scene.clone();
    strange.etcd(2).wal = true;
    assert_eq!(verdict(&strange), Verdict::Foreign);
    assert_eq!(codes(&strange), [on("etcd.foreign-data", 2)]);
}

#[test]
fn a_first_start_cannot_change_its_members_half_way() {
    let mut scene = Scene::bare(3);
    scene.begun(1);
    scene.host(1).manifest.insert(BOOTSTRAP.to_owned(), "etcd1=http://10.0.0.1:2380".to_owned());
    assert_eq!(codes(&scene), [on("etcd.bootstrap-differs", 1)]);
}

#[test]
fn what_a_member_was_formed_with_stays() {
    let change: [Spoil; 3] = [
        |scene| scene.inventory.etcd.data_dir = "/data/etcd".to_owned(),
        |scene| scene.inventory.etcd.peer_port = 12380,
        |scene| scene.inventory.hosts.get_mut(&host(1)).unwrap().address = "10.99.16.99".parse().unwrap(),
    ];
    for change in change {
        let mut scene = Scene::formed(3);
        change(&mut scene);
        let codes = codes(&scene);
        assert!(!codes.is_empty() && codes.iter().all(|(code, _)| code == "etcd.fixed-setting"), "{codes:?}");
    }
}

/// Whatever mixture of states is seen, there is a verdict, and whatever has no plan says why.
#[test]
fn every_mixture_has_a_plan_or_a_way_out() {
    let spoil: [fn(&mut Scene, usize); 9] = [
        |_, _| {},
        |scene, number| drop(scene.stopped(number).clone()),
        Scene::leaderless,
        Scene::wiped,
        Scene::replaced,
        Scene::unreachable,
        |scene, number| scene.of_cluster(number, "dead"),
        |scene, number| {
            scene.replaced(number);
            scene.begun(number);
        },
        |scene, number| {
            scene.replaced(number);
            scene.etcd(number).wal = true;
        },
    ];
    let formed = Scene::formed(3);
    let mut seen = BTreeSet::new();
    for mixture in 0..9_usize.pow(3) {
        let digits = [mixture % 9, mixture / 9 % 9, mixture / 81];
        if digits[0] > digits[1] {
            continue; // etcd3 leads; the other two are alike
        }
        let mut scene = formed.clone();
        for (index, digit) in digits.into_iter().enumerate() {
            spoil[digit](&mut scene, index + 1);
        }
        let verdict = verdict(&scene);
        seen.insert(verdict);
        let (plan, findings) = scene.plan();
        let blocked = findings.iter().any(|finding| finding.severity <= Severity::Unknown);
        let away = (1..=3).any(|number| scene.facts.host(&host(number)).is_none());
        assert!(verdict.has_plan() || blocked, "{mixture}: {verdict:?} says nothing");
        let lost = findings.iter().filter(|finding| finding.hint.is_none()).count();
        assert_eq!(lost, 0, "{mixture}: {findings:#?}");
        if !blocked && !away {
            let mut after = scene.clone();
            after.apply(&plan, usize::MAX);
            let (again, _) = after.plan();
            assert!(again.is_empty(), "{mixture}: {verdict:?}\n{}", super::super::testing::listing(&again));
        }
        // Nothing is ever formed anew where a manifest, a log or a machine that is away may know better.
        let known = (1..=3).any(|number| {
            scene.facts.host(&host(number)).is_none_or(|seen| seen.manifest.contains_key(CLUSTER_ID))
        });
        assert!(!(known && matches!(verdict, Verdict::Fresh | Verdict::InterruptedBootstrap)), "{mixture}");
    }
    assert!(seen.len() >= 8, "{seen:?}");
}

/// A cluster that stands still and that no start brings back is never "unchanged".
#[test]
fn a_stopped_cluster_starts_with_a_majority_or_blocks() {
    let spoil: [fn(&mut Scene, usize); 6] = [
        |_, _| {},
        |scene, number| {
            scene.recorded_disk(number, "/var/lib/etcd 1-2");
            scene.disk(number, "/var/lib/etcd", "3-4");
        },
        |scene, number| scene.etcd(number).complaints = vec!["amnesiac".to_owned()],
        Scene::wiped,
        Scene::unreachable,
        |scene, number| {
            scene.lives(number);
            scene.leaderless(number);
            scene.etcd(number).members = Observed::Known(vec![scene.members()[number % 3].clone()]);
        },
    ];
    let mut blocking = BTreeSet::new();
    for mixture in 0..6_usize.pow(3) {
        let mut scene = Scene::formed(3);
        for number in 1..=3 {
            scene.stopped(number);
        }
        for (index, digit) in [mixture % 6, mixture / 6 % 6, mixture / 36].into_iter().enumerate() {
            spoil[digit](&mut scene, index + 1);
        }
        let judgement = judge(&scene.inventory, &scene.facts);
        let startable = judgement
            .hosts(|state| matches!(state, MemberState::Stopped | MemberState::Unhealthy { .. }))
            .len();
        if judgement.verdict != Verdict::Stopped || startable > judgement.voters / 2 {
            continue;
        }
        let (_, findings) = scene.plan();
        let blocked: Vec<_> =
            findings.iter().filter(|finding| finding.severity == Severity::Blocked).collect();
        assert!(!blocked.is_empty(), "{mixture}: {:?}", judgement.members);
        blocking.extend(blocked.iter().map(|finding| finding.code.clone()));
        codes(&scene);
    }
    assert_eq!(blocking, ["etcd.disk-changed", "etcd.too-few-members"].map(str::to_owned).into());
}

#[test]
fn data_says_itself_whose_it_is() {
    let data = |scene: &mut Scene, number, cluster: &str, member: &str| {
        let (cluster_id, member_id) = (cluster.to_owned(), member.to_owned());
        scene.etcd(number).data = Some(DataIds { cluster_id, member_id });
    };
    // Copied from another cluster, and not started yet.
    let mut scene = Scene::formed(3);
    scene.stopped(3);
    data(&mut scene, 3, "1a0fc970b813ae49", "cb9046047d62ca6f");
    assert_eq!((verdict(&scene), state(&scene, 3)), (Verdict::Formed, MemberState::Foreign));
    assert_eq!(codes(&scene), [on("etcd.foreign-data", 3)]);
    for number in [1, 2] {
        scene.stopped(number);
    }
    assert_eq!(verdict(&scene), Verdict::Foreign, "and none runs");

    let mut scene = Scene::formed(3);
    scene.stopped(3);
    data(&mut scene, 3, CLUSTER, &id(3));
    assert_eq!(state(&scene, 3), MemberState::Stopped);
    data(&mut scene, 3, CLUSTER, "dead");
    assert_eq!(state(&scene, 3), MemberState::Removed, "its address belongs to a new member");
}
