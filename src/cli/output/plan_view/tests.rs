//! The plan as people see it.

use super::*;
use crate::cli::output::sample_plans::{blocked, fresh, rolling, with_env};
use crate::plan::model::Action;
use crate::resource::Part;
use crate::status::sample::{manual, well};

fn shown(planning: &Planning, width: usize, diff: bool) -> String {
    let facts = with_env(well(&manual()));
    PlanView { cluster: "kuboard", planning, facts: &facts, diff }.render(&Canvas { width, colour: false })
}

#[test]
fn a_fresh_plan_tells_each_step_once_for_all_hosts_that_share_it() {
    insta::assert_snapshot!(shown(&fresh(), 80, false), @r#"
    kuboard: 22 steps on 5 of 8 hosts; nothing that runs is disturbed.

    warning  inventory.yaml:12: etcd 3.5.6 has known defects that can lose data.
             [etcd.version-advised-against]
             hint: 3.5.21 is the latest of its line
    note     High availability, more than three clusters and an audit history are
             features of Kuboard's paid licence; without one they end after the
             trial. [kuboard.licence]

    etcd: the store
      etcd1 etcd2 etcd3
        + bring etcd 3.5.6 to the host                  missing
        + install etcd 3.5.6 into /opt/kuboard-ha/etcd/3.5.6-4db32e3b  missing
        + write /etc/etcd.env                           missing
        + start etcd.service at boot from now on        missing
        · start etcd.service (without waiting)          a member alone is never
                                                        ready
        · wait until every member is healthy            nothing else begins without
                                                        quorum

    Kuboard: the replicas
      kuboard-1
        + draw the secret sso-secret                 missing
        + pull the image eipwork/kuboard:v3.5.2.9    missing
      kuboard-2
        + copy the secret sso-secret from kuboard-1  missing
        + pull the image eipwork/kuboard:v3.5.2.9    missing

    Nothing to do on lb-1 lb-2 questdb.
    "#);
    insta::assert_snapshot!(shown(&fresh(), 140, false), @r#"
    kuboard: 22 steps on 5 of 8 hosts; nothing that runs is disturbed.

    warning  inventory.yaml:12: etcd 3.5.6 has known defects that can lose data. [etcd.version-advised-against]
             hint: 3.5.21 is the latest of its line
    note     High availability, more than three clusters and an audit history are features of Kuboard's paid licence; without one they end after
             the trial. [kuboard.licence]

    etcd: the store
      etcd1 etcd2 etcd3
        + bring etcd 3.5.6 to the host                                 missing
        + install etcd 3.5.6 into /opt/kuboard-ha/etcd/3.5.6-4db32e3b  missing
        + write /etc/etcd.env                                          missing
        + start etcd.service at boot from now on                       missing
        · start etcd.service (without waiting)                         a member alone is never ready
        · wait until every member is healthy                           nothing else begins without quorum

    Kuboard: the replicas
      kuboard-1
        + draw the secret sso-secret                 missing
        + pull the image eipwork/kuboard:v3.5.2.9    missing
      kuboard-2
        + copy the secret sso-secret from kuboard-1  missing
        + pull the image eipwork/kuboard:v3.5.2.9    missing

    Nothing to do on lb-1 lb-2 questdb.
    "#);
}

#[test]
fn a_rolling_change_says_its_order() {
    insta::assert_snapshot!(shown(&rolling(), 80, false), @r#"
    kuboard: 6 steps on 3 of 8 hosts; running services are restarted or reloaded 3
    times.

    etcd: the store
      etcd2, then etcd3, then etcd1
        ~ write /etc/etcd.env   ETCD_SNAPSHOT_COUNT 10000 -> 50000
        · restart etcd.service  so that it takes the new setting

    Nothing to do on kuboard-1 kuboard-2 lb-1 lb-2 questdb.
    "#);
}

#[test]
fn a_difference_shows_files_before_and_after_and_no_secret() {
    insta::assert_snapshot!(shown(&rolling(), 100, true), @r#"
    kuboard: 6 steps on 3 of 8 hosts; running services are restarted or reloaded 3 times.

    etcd: the store
      etcd2, then etcd3, then etcd1
        ~ write /etc/etcd.env   ETCD_SNAPSHOT_COUNT 10000 -> 50000
        · restart etcd.service  so that it takes the new setting
          etcd2 etcd3 etcd1 /etc/etcd.env
          @@ -1,3 +1,3 @@
           ETCD_NAME=x
          -ETCD_SNAPSHOT_COUNT=10000
          +ETCD_SNAPSHOT_COUNT=50000
           ETCD_INITIAL_CLUSTER_TOKEN=***

    Nothing to do on kuboard-1 kuboard-2 lb-1 lb-2 questdb.
    "#);
}

#[test]
fn a_file_that_is_written_twice_differs_from_what_was_written_first() {
    let mut planning = rolling();
    planning.plan.jobs.retain(|job| job.host.as_str() == "etcd1");
    let mut again = planning.plan.jobs[0].steps[0].clone();
    let Action::WriteFile { content, .. } = &mut again.action else { panic!("no file") };
    content.0[0] =
        Part::Text("ETCD_NAME=x\nETCD_SNAPSHOT_COUNT=50000\nETCD_INITIAL_CLUSTER_STATE=existing\n".into());
    planning.plan.jobs[0].steps.push(again);
    let view = shown(&planning, 100, true);
    let difference = view.split("/etc/etcd.env (once more)\n").nth(1).unwrap();
    insta::assert_snapshot!(difference, @r"
          @@ -1,3 +1,4 @@
           ETCD_NAME=x
           ETCD_SNAPSHOT_COUNT=50000
          +ETCD_INITIAL_CLUSTER_STATE=existing
           ETCD_INITIAL_CLUSTER_TOKEN=***

    Nothing to do on etcd2 etcd3 kuboard-1 kuboard-2 lb-1 lb-2 questdb.
    ");
}

#[test]
fn a_blocked_plan_begins_with_what_blocks_it() {
    insta::assert_snapshot!(shown(&blocked(), 80, false), @r#"
    kuboard: blocked by 1 finding; `up` would change nothing on 8 hosts. What could
    be planned without an answer follows.

    blocked  etcd3: /var/lib/etcd holds the data of another cluster (id 9c2f).
             Starting on it would mix two clusters. [etcd.foreign-data]
             hint: if nobody needs it, move it aside on etcd3:
                     mv /var/lib/etcd/member /var/lib/etcd-member.aside

    etcd: the store
      etcd1
        ! remove the member etcd3  its disk was replaced

    Nothing to do on etcd2 etcd3 kuboard-1 kuboard-2 lb-1 lb-2 questdb.
    "#);
}

#[test]
fn an_empty_plan_is_one_line() {
    insta::assert_snapshot!(shown(&Planning::default(), 80, false), @r#"
    kuboard: nothing to do, all 8 hosts are as the inventory asks.
    "#);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for planning in [fresh(), rolling(), blocked()] {
        for width in [80, 140] {
            for line in shown(&planning, width, false).lines() {
                assert!(columns(line) <= width, "{line}");
            }
        }
    }
}
