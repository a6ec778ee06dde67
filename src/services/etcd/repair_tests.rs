use super::super::testing::{CLUSTER, Scene, host, listing};
use super::super::verdict::{MemberState, judge};
use crate::facts::model::Observed;
use crate::facts::service::{DataIds, Member};
use crate::plan::model::{Plan, Risk, Severity};

/// The jobs that change the membership, in order.
fn repairs(plan: &Plan) -> Vec<String> {
    let changes = ["etcd.snapshot", "etcd.retire", "etcd.join", "etcd.remove"];
    let ids = plan.jobs.iter().map(|job| job.id.to_string());
    ids.filter(|id| changes.iter().any(|change| id.starts_with(change))).collect()
}

/// Cut off after every step, planned again: nothing may be left, and nobody may be lost.
fn ends_from_everywhere(scene: &Scene) {
    let (plan, _) = scene.plan();
    for count in 0..=plan.step_count() {
        let mut cut = scene.clone();
        cut.apply(&plan, count);
        let (again, findings) = cut.plan();
        assert!(
            findings.iter().all(|finding| finding.severity > Severity::Unknown),
            "{count}: {findings:#?}"
        );
        cut.apply(&again, usize::MAX);
        let (last, findings) = cut.plan();
        assert!(last.is_empty() && findings.is_empty(), "{count}: {}\n{findings:#?}", listing(&last));
        let judgement = judge(&cut.inventory, &cut.facts);
        assert!(judgement.members.values().all(|state| *state == MemberState::Healthy), "{count}");
        assert_eq!((judgement.voters, judgement.extras.len()), (scene.inventory.etcd.hosts.len(), 0));
    }
}

/// A cluster of so many members under an inventory of so many.
fn grown(from: usize, to: usize) -> Scene {
    let mut before = Scene::formed(from);
    let mut scene = Scene::bare(to);
    for number in 1..=from.min(to) {
        let host = before.host(number).clone();
        *scene.host(number) = host;
    }
    scene.listed(&before.members());
    for number in 1..=from.min(to) {
        let urls = before.members().into_iter().map(|member| (member.peer_urls[0].clone(), true));
        scene.etcd(number).answering = urls.collect();
    }
    scene
}

#[test]
fn a_wiped_member_is_replaced_after_a_snapshot() {
    let mut scene = Scene::formed(3);
    scene.wiped(2);
    let (plan, findings) = scene.plan();
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(repairs(&plan), ["etcd.snapshot@etcd1", "etcd.retire@etcd2", "etcd.join@etcd2"]);
    assert_eq!(plan.risk(), Risk::Replace);
    ends_from_everywhere(&scene);
}

#[test]
fn what_is_left_of_a_lost_member_is_set_aside() {
    let spoilers: [fn(&mut Scene); 3] = [
        |scene| {
            scene.stopped(2);
            scene.etcd(2).complaints = vec!["amnesiac".to_owned()];
        },
        |scene| {
            scene.stopped(2);
            scene.recorded_disk(2, "/var/lib/etcd 1-2");
            scene.disk(2, "/var/lib/etcd", "3-4");
        },
        |scene| {
            scene.stopped(2);
            let all = scene.members();
            scene.listed(&[all[0].clone(), all[2].clone()]);
            let (cluster_id, member_id) = (CLUSTER.to_owned(), all[1].id.clone());
            scene.etcd(2).data = Some(DataIds { cluster_id, member_id });
        },
    ];
    for spoil in spoilers {
        let mut scene = Scene::formed(3);
        spoil(&mut scene);
        let (plan, _) = scene.plan();
        assert_eq!(plan.risk(), Risk::Replace);
        let text = listing(&plan);
        assert!(text.contains("  directory:/var/lib/etcd: its data") || text.contains("forgotten"), "{text}");
        ends_from_everywhere(&scene);
    }
}

#[test]
fn a_new_machine_of_the_old_name_takes_the_place_of_the_old_one() {
    let mut scene = Scene::formed(3);
    scene.replaced(3);
    ends_from_everywhere(&scene);
    for machine in [2, 3] {
        let mut stopped = Scene::formed(3);
        stopped.stopped(1);
        stopped.wiped(machine);
        assert!(!stopped.plan().0.is_empty());
    }
}

#[test]
fn whoever_was_added_and_never_promoted_goes_on_without_consent() {
    let mut unstarted = Scene::formed(3);
    unstarted.wiped(3);
    let mut list = unstarted.members();
    (list[2].name, list[2].learner) = (String::new(), true);
    unstarted.listed(&list);
    let mut learner = Scene::formed(3);
    let mut list = learner.members();
    list[2].learner = true;
    learner.listed(&list);
    learner.etcd(3).health = Observed::Known(Err("not supported for learner".to_owned()));
    for scene in [unstarted, learner] {
        let (plan, _) = scene.plan();
        assert_eq!(repairs(&plan), ["etcd.join@etcd3"]);
        assert_eq!(plan.risk(), Risk::None);
        ends_from_everywhere(&scene);
    }
}

#[test]
fn members_are_added_one_by_one() {
    for (from, to) in [(1, 3), (3, 5), (5, 7)] {
        let scene = grown(from, to);
        let (plan, _) = scene.plan();
        let joins: Vec<String> = (from + 1..=to).map(|number| format!("etcd.join@etcd{number}")).collect();
        assert_eq!(repairs(&plan), joins);
        assert_eq!(plan.risk(), Risk::None, "nothing is taken away");
        ends_from_everywhere(&scene);
    }
}

#[test]
fn a_member_moves_to_another_machine_under_its_name() {
    let mut scene = Scene::formed(3);
    let before = scene.members();
    let moved = scene.inventory.hosts.get_mut(&host(3)).unwrap();
    moved.address = "10.99.16.23".parse().unwrap();
    scene.replaced(3);
    for number in [1, 2] {
        let urls = before.iter().map(|member| (member.peer_urls[0].clone(), true));
        scene.etcd(number).answering = urls.collect();
    }
    let (plan, findings) = scene.plan();
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(repairs(&plan), ["etcd.join@etcd3", "etcd.snapshot@etcd1", "etcd.remove-a3@etcd1"]);
    let mut after = scene.clone();
    after.apply(&plan, usize::MAX);
    let Observed::Known(Some(process)) = after.etcd(3).running.clone() else { panic!("it does not run") };
    // etcd takes two entries of one name for one member with two addresses, and counts one too few.
    assert_eq!(
        process.environment["ETCD_INITIAL_CLUSTER"],
        "etcd1=http://10.99.16.11:2380,etcd2=http://10.99.16.12:2380,etcd3=http://10.99.16.23:2380,\
         member-a3=http://10.99.16.13:2380"
    );
    ends_from_everywhere(&scene);
}

#[test]
fn members_that_the_file_drops_are_removed_one_by_one() {
    for from in [5, 7] {
        let scene = grown(from, 3);
        let (plan, _) = scene.plan();
        assert_eq!(repairs(&plan).len(), 1 + from - 3, "{}", listing(&plan));
        assert_eq!(plan.risk(), Risk::Replace);
        ends_from_everywhere(&scene);
    }
}

#[test]
fn a_dead_machine_goes_before_its_successor_comes_and_a_living_one_after() {
    for lives in [false, true] {
        let mut scene = Scene::formed(3);
        scene.replaced(3);
        let mut list = scene.members();
        let old = "http://10.99.16.99:2380".to_owned();
        list[2] = Member { peer_urls: vec![old.clone()], name: "old".to_owned(), ..list[2].clone() };
        scene.listed(&list);
        for number in [1, 2] {
            scene.etcd(number).answering = [(old.clone(), lives)].into();
        }
        let found = repairs(&scene.plan().0);
        let (remove, join) = (format!("etcd.remove-{}@etcd1", list[2].id), "etcd.join@etcd3".to_owned());
        let snapshot = "etcd.snapshot@etcd1".to_owned();
        assert_eq!(found, if lives { vec![join, snapshot, remove] } else { vec![snapshot, remove, join] });
        ends_from_everywhere(&scene);
    }
}

#[test]
fn both_of_two_lost_members_go_before_one_comes_back() {
    let mut scene = Scene::formed(5);
    scene.wiped(2);
    scene.wiped(4);
    assert_eq!(
        repairs(&scene.plan().0),
        [
            "etcd.snapshot@etcd1",
            "etcd.retire@etcd2",
            "etcd.retire@etcd4",
            "etcd.join@etcd2",
            "etcd.join@etcd4"
        ]
    );
    ends_from_everywhere(&scene);
}

#[test]
fn nobody_is_taken_out_while_a_voter_is_away_and_nobody_could_come_back() {
    let mut scene = Scene::formed(5);
    scene.wiped(2);
    scene.unreachable(5);
    scene.facts.without.insert(host(5));
    let (plan, findings) = scene.plan();
    assert!(repairs(&plan).is_empty());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].code.as_str(), findings[0].severity), ("etcd.repair-waits", Severity::Warning));
    assert!(findings[0].message.contains("etcd5"), "{}", findings[0].message);

    // Left out, but its etcd lives: the others see it.
    let url = scene.members()[4].peer_urls[0].clone();
    for number in [1, 3, 4] {
        scene.etcd(number).answering = [(url.clone(), true)].into();
    }
    assert_eq!(repairs(&scene.plan().0).len(), 3);
}

#[test]
fn a_member_without_which_no_majority_is_left_stays() {
    // A learner aside, two vote; one of them is wiped, and a stranger that nobody hears counts as well.
    let mut scene = Scene::formed(3);
    scene.wiped(2);
    let mut list = scene.members();
    list.push(Member {
        id: "99".to_owned(),
        peer_urls: vec!["http://10.99.16.99:2380".to_owned()],
        ..list[0].clone()
    });
    scene.listed(&list);
    let (plan, findings) = scene.plan();
    assert!(repairs(&plan).is_empty(), "{}", listing(&plan));
    assert!(findings.iter().any(|finding| finding.code == "etcd.member-extra"), "{findings:#?}");
}
