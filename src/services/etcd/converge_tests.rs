use super::super::testing::{Scene, host, listing};
use super::super::{CLUSTER_ID, config};
use super::*;
use crate::facts::model::{Active, Observed};
use crate::facts::service::RunningEtcd;

/// Applies the plan and plans again: nothing may be left.
fn ends(scene: &Scene) -> Scene {
    let (plan, findings) = scene.plan();
    assert!(findings.iter().all(|finding| finding.severity > Severity::Unknown), "{findings:#?}");
    let mut after = scene.clone();
    after.apply(&plan, usize::MAX);
    let (again, findings) = after.plan();
    assert!(again.is_empty() && findings.is_empty(), "{}\n{findings:#?}", listing(&again));
    after
}

fn jobs(scene: &Scene) -> Vec<String> {
    scene.plan().0.jobs.iter().map(|job| job.id.to_string()).collect()
}

#[test]
fn a_fresh_cluster_of_one_reads_like_this() {
    let scene = Scene::bare(1);
    let (plan, findings) = scene.plan();
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(
        listing(&plan),
        "\
secret.etcd-token@etcd1 <- 
  secret:etcd-token: missing
etcd.stage@etcd1 <- 
  artifact:etcd-3.5.6: missing
etcd.install@etcd1 <- etcd.stage@etcd1
  user:etcd: missing
  directory:/opt/kuboard-ha/etcd: missing
  directory:/var/lib/etcd: missing
  directory:/opt/kuboard-ha/etcd/3.5.6-4db32e3b: missing
etcd.configure@etcd1 <- etcd.install@etcd1 secret.etcd-token@etcd1
  ? no data in /var/lib/etcd
  manifest:etcd/bootstrap: missing
  link:/opt/kuboard-ha/etcd/current: missing
  link:/usr/local/bin/etcd: missing
  link:/usr/local/bin/etcdctl: missing
  link:/usr/local/bin/etcdutl: missing
  file:/etc/etcd.env: missing
  file:/etc/systemd/system/etcd.service: missing
  unit:etcd.service: so that it starts at boot
  unit:etcd.service: so that systemd reads the unit files again
etcd.start@etcd1 <- etcd.configure@etcd1
  ? no data in /var/lib/etcd
  unit:etcd.service: to form the cluster together with the others
etcd.form@etcd1 <- etcd.start@etcd1
  etcd:member: the cluster needs a quorum, and takes all its members along
etcd.settle@etcd1 <- etcd.form@etcd1 etcd.install@etcd1 secret.etcd-token@etcd1
  ? the cluster has a quorum
  file:/etc/etcd.env: ETCD_INITIAL_CLUSTER_STATE new -> existing
  file:/etc/systemd/system/etcd.service: AssertPathExistsGlob added
  manifest:etcd/disk: missing
  manifest:etcd/cluster-id: missing
etcd.unit@etcd1 <- etcd.settle@etcd1
  unit:etcd.service: so that systemd reads the unit files again
"
    );
    ends(&scene);
}

#[test]
fn members_start_together_and_settle_together() {
    for members in [3, 5, 7] {
        let scene = Scene::bare(members);
        let (plan, _) = scene.plan();
        let after = |what: &str, number: usize| {
            let id = JobId::new(what, &host(number));
            plan.jobs.iter().find(|job| job.id == id).map(|job| job.after.clone()).unwrap_or_default()
        };
        for number in 1..=members {
            for other in 1..=members {
                assert!(after("etcd.start", number).contains(&JobId::new("etcd.configure", &host(other))));
                assert!(after("etcd.form", number).contains(&JobId::new("etcd.start", &host(other))));
                assert!(after("etcd.settle", number).contains(&JobId::new("etcd.form", &host(other))));
            }
        }
        ends(&scene);
    }
}

#[test]
fn a_first_start_cut_off_anywhere_is_finished() {
    let bare = Scene::bare(3);
    let (plan, _) = bare.plan();
    for count in 0..=plan.step_count() {
        let mut scene = bare.clone();
        scene.apply(&plan, count);
        ends(&scene);
    }
}

#[test]
fn nothing_is_done_to_a_cluster_as_asked() {
    for members in [1, 3, 5] {
        let scene = Scene::formed(members);
        let (plan, findings) = scene.plan();
        assert!(plan.is_empty() && findings.is_empty(), "{}\n{findings:#?}", listing(&plan));
    }
}

fn with_setting(members: usize) -> Scene {
    let mut scene = Scene::formed(members);
    scene.inventory.etcd.settings.insert("ETCD_SNAPSHOT_COUNT".to_owned(), "50000".to_owned());
    scene
}

#[test]
fn a_setting_rolls_through_the_members_and_the_leader_comes_last() {
    let mut scene = with_setting(3);
    for number in 1..=3 {
        if let Observed::Known(Some(status)) = &mut scene.etcd(number).status {
            status.leader = Some(super::super::testing::id(2));
        }
    }
    let (plan, findings) = scene.plan();
    assert!(findings.is_empty());
    let roll = |name: &str, after: &str| {
        format!(
            "\
etcd.roll@{name} <- {after}
  ? every other member is healthy
  file:/etc/etcd.env: ETCD_SNAPSHOT_COUNT 10000 -> 50000
  unit:etcd.service: ETCD_SNAPSHOT_COUNT 10000 -> 50000
  etcd:member: done when this member is healthy again
"
        )
    };
    assert_eq!(
        listing(&plan),
        roll("etcd1", "") + &roll("etcd3", "etcd.roll@etcd1") + &roll("etcd2", "etcd.roll@etcd3")
    );
    assert_eq!(plan.risk(), Risk::Restart);
    ends(&scene);
}

#[test]
fn a_roll_cut_off_anywhere_is_finished() {
    let start = with_setting(3);
    let (plan, _) = start.plan();
    for count in 0..=plan.step_count() {
        let mut scene = start.clone();
        scene.apply(&plan, count);
        ends(&scene);
    }
    // Cut off between the file and the restart: the disk is right, the process is not.
    let mut scene = start.clone();
    scene.apply(&plan, 1);
    let (rest, _) = scene.plan();
    let first = listing(&rest);
    assert!(
        first.contains("etcd.roll@etcd1 <- \n  ? every other member is healthy\n  unit:etcd.service"),
        "{first}"
    );
}

#[test]
fn a_single_member_restarts_without_asking_others() {
    let scene = with_setting(1);
    let (plan, findings) = scene.plan();
    assert!(findings.is_empty());
    assert!(plan.jobs.iter().all(|job| job.guards.is_empty()), "{}", listing(&plan));
    ends(&scene);
}

#[test]
fn a_new_version_is_installed_beside_and_rolled() {
    let mut scene = Scene::formed(3);
    scene.inventory.etcd.version = "3.5.21".to_owned();
    let text = listing(&scene.plan().0);
    assert!(text.contains("unit:etcd.service: etcd 3.5.6 -> 3.5.21"), "{text}");
    assert!(
        text.contains("link:/opt/kuboard-ha/etcd/current: /opt/kuboard-ha/etcd/3.5.6-4db32e3b -> "),
        "{text}"
    );
    assert!(text.contains("etcd.roll@etcd1 <- etcd.install@etcd1\n"), "{text}");
    let after = ends(&scene);
    let status = after.facts.host(&host(1)).unwrap().etcd.as_ref().unwrap().status.known().unwrap().clone();
    assert_eq!(status.unwrap().version, "3.5.21");
}

#[test]
fn versions_do_not_go_back_and_do_not_jump() {
    for (version, code) in [
        ("3.5.20", "etcd.downgrade"),
        ("3.4.30", "etcd.downgrade"),
        ("3.6.1", "etcd.version-jump"),
        ("3.5.99", "etcd.no-digest"),
    ] {
        let mut scene = Scene::formed(3);
        scene.inventory.etcd.version = "3.5.21".to_owned();
        let plan = scene.plan().0;
        scene.apply(&plan, usize::MAX);
        scene.inventory.etcd.version = version.to_owned();
        let (plan, findings) = scene.plan();
        assert!(plan.is_empty(), "{}", listing(&plan));
        assert!(
            findings.iter().all(|finding| finding.code == code && finding.hint.is_some()),
            "{findings:#?}"
        );
        assert_eq!(findings.len(), 3);
    }
}

#[test]
fn a_formed_cluster_that_was_not_settled_is_settled_without_a_restart() {
    let bare = Scene::bare(3);
    let (plan, _) = bare.plan();
    let settling = plan.jobs.iter().take_while(|job| !job.id.as_str().starts_with("etcd.settle"));
    let mut scene = bare.clone();
    scene.apply(&plan, settling.map(|job| job.steps.len()).sum());
    for number in 1..=3 {
        scene.lives(number);
    }
    let (plan, _) = scene.plan();
    let text = listing(&plan);
    assert_eq!(plan.jobs.len(), 6, "{text}");
    assert!(text.contains("ETCD_INITIAL_CLUSTER_STATE new -> existing"), "{text}");
    assert_eq!(plan.risk(), Risk::None, "{text}");
    let after = ends(&scene);
    assert_eq!(after.facts.host(&host(2)).unwrap().manifest[CLUSTER_ID], super::super::testing::CLUSTER);
}

#[test]
fn what_is_stopped_is_started_and_never_formed_anew() {
    let mut all = Scene::formed(3);
    for number in 1..=3 {
        all.stopped(number);
    }
    assert_eq!(
        listing(&all.plan().0),
        (1..=3)
            .map(|number| format!(
                "etcd.start@etcd{number} <- \n  ? data in /var/lib/etcd\n  unit:etcd.service: stopped -> started\n"
            ))
            .chain((1..=3).map(|number| format!(
                "etcd.form@etcd{number} <- etcd.start@etcd1 etcd.start@etcd2 etcd.start@etcd3\n  etcd:member: the cluster \
                 needs a quorum, and takes all its members along\n"
            )))
            .collect::<String>()
    );
    ends(&all);

    let mut two = Scene::formed(3);
    two.stopped(1);
    two.stopped(3);
    two.leaderless(2);
    assert_eq!(
        jobs(&two),
        ["etcd.start@etcd1", "etcd.start@etcd3", "etcd.form@etcd1", "etcd.form@etcd2", "etcd.form@etcd3"]
    );
    ends(&two);

    let mut one = Scene::formed(3);
    one.stopped(2);
    assert_eq!(jobs(&one), ["etcd.start@etcd2", "etcd.form@etcd2"]);
    ends(&one);

    let mut drifted = with_setting(3);
    drifted.stopped(1);
    let text = listing(&drifted.plan().0);
    assert!(text.contains("etcd.configure@etcd1"), "{text}");
    assert!(!text.contains("etcd.roll@etcd1"), "it starts with the new setting: {text}");
    assert!(text.contains("etcd.roll@etcd2"), "{text}");
    ends(&drifted);
}

#[test]
fn an_interrupted_first_start_goes_on_as_new_behind_the_word_of_those_who_hold_data() {
    let mut scene = Scene::bare(3);
    let (plan, _) = scene.plan();
    let configured = plan.jobs.iter().take_while(|job| !job.id.as_str().starts_with("etcd.start"));
    scene.apply(&plan, configured.map(|job| job.steps.len()).sum());
    scene.begun(1);
    let running = scene.facts.host(&host(2)).unwrap().files[ENV_FILE].clone();
    assert!(matches!(running, Observed::Known(Some(_))));
    scene.etcd(1).running = Observed::Known(Some(RunningEtcd {
        executable: "/opt/kuboard-ha/etcd/3.5.6-4db32e3b/etcd".to_owned(),
        environment: config::environment(&scene.inventory, &host(1)),
    }));
    let (plan, findings) = scene.plan();
    assert!(findings.is_empty(), "{findings:#?}");
    let text = listing(&plan);
    assert!(!text.contains("etcd.start@etcd1"), "it runs: {text}");
    assert!(
        text.contains(
            "etcd.start@etcd2 <- etcd.peers@etcd2\n  ? no data in /var/lib/etcd\n  ? no member says that this one ever \
             served\n"
        ),
        "{text}"
    );
    ends(&scene);
    // After a power cut the one that holds data is started before the others ask it.
    scene.stopped(1);
    let text = listing(&scene.plan().0);
    assert!(text.contains("etcd.peers@etcd3 <- etcd.start@etcd1"), "{text}");
    ends(&scene);
}

#[test]
fn a_member_that_cannot_start_gets_the_corrected_setting() {
    let mut scene = with_setting(3);
    scene.stopped(2).units.get_mut(UNIT).unwrap().as_mut().unwrap().active = Active::Activating;
    scene.etcd(2).complaints = vec!["port-taken".to_owned()];
    let text = listing(&scene.plan().0);
    assert!(text.contains("etcd.configure@etcd2 <- \n  file:/etc/etcd.env: ETCD_SNAPSHOT_COUNT"), "{text}");
    ends(&scene);
}

/// One look may fall into an election. Who is to be restarted for a change is asked once more, and people before.
#[test]
fn members_that_run_and_did_not_answer_are_restarted_only_while_they_do_not_serve() {
    let mut scene = with_setting(3);
    for number in 1..=3 {
        scene.leaderless(number);
    }
    let (plan, _) = scene.plan();
    let text = listing(&plan);
    for number in 1..=3 {
        let start = format!(
            "etcd.start@etcd{number} <- etcd.configure@etcd1 etcd.configure@etcd2 etcd.configure@etcd3\n  ? data in \
             /var/lib/etcd\n  ? the member still does not serve\n"
        );
        assert!(text.contains(&start), "{text}");
    }
    assert_eq!(plan.risk(), Risk::Restart, "{text}");
    ends(&scene);
}

#[test]
fn a_member_that_runs_and_is_not_healthy_is_awaited() {
    let mut scene = Scene::formed(3);
    scene.etcd(3).health = Observed::Known(Err("no answer within 2 s".to_owned()));
    assert_eq!(
        listing(&scene.plan().0),
        "etcd.form@etcd3 <- \n  etcd:member: not healthy (no answer within 2 s) -> healthy\n"
    );
    ends(&scene);
}

#[test]
fn what_was_forgotten_is_put_back() {
    let mut scene = Scene::formed(3);
    scene.host(1).units.get_mut(UNIT).unwrap().as_mut().unwrap().enabled = false;
    scene.host(2).manifest.remove(CLUSTER_ID);
    let text = listing(&scene.plan().0);
    assert_eq!(
        text,
        "etcd.unit@etcd1 <- \n  unit:etcd.service: so that it starts at boot\n\
         etcd.settle@etcd2 <- \n  ? the cluster has a quorum\n  manifest:etcd/cluster-id: missing\n"
    );
    ends(&scene);
}

#[test]
fn no_member_restarts_where_that_costs_the_quorum() {
    let mut scene = with_setting(3);
    scene.unreachable(3);
    scene.facts.without.insert(host(3));
    let (plan, findings) = scene.plan();
    assert!(plan.is_empty(), "{}", listing(&plan));
    assert!(findings.iter().all(|finding| finding.code == "etcd.no-margin"), "{findings:#?}");
    assert_eq!(findings.len(), 2);

    let mut five = with_setting(5);
    five.unreachable(1);
    five.facts.without.insert(host(1));
    assert!(five.plan().1.is_empty());
    assert_eq!(five.plan().0.jobs.len(), 4);
}
