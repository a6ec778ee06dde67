//! Leases that another run has, or one that is gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kuboard_ha::apply::{LeaseError, lease};
use kuboard_ha::event::{Event, Silent};
use kuboard_ha::host::cancel::Cancel;
use kuboard_ha::host::fake::{Act, Fake};
use kuboard_ha::host::session::{Session, SessionOptions};
use kuboard_ha::plan::script::{JobScript, StepScript};
use kuboard_ha::resource::HostName;

use super::{Events, Ground, MEET, job};

#[tokio::test]
async fn another_run_is_named_and_an_orphan_is_waited_for() {
    let mut ground = Ground::new(&["a", "b"]);
    let mut first = ground.sessions().await;
    lease(&mut first, &Silent, &Cancel::new()).await.unwrap();
    ground.fleet = Ground::fleet(&ground.root, &["a", "b"], "r2");

    // A live run: its steps change.
    let steps = (0..40).map(|_| ground.call("sleep 0.3", "", 60)).collect();
    let gate = vec![ground.call(MEET, "gate", 60)];
    let working =
        ground.carry_out(vec![job("long", "a", &[], steps), job("hold", "b", &[], gate)], &mut first);
    let asking = async {
        let mut second = ground.sessions().await;
        let refused = lease(&mut second, &ground.events, &Cancel::new()).await.unwrap_err();
        ground.cancel.cancel();
        std::fs::write(ground.path("gate"), "").unwrap();
        refused
    };
    let (_, refused) = tokio::join!(working, asking);
    assert!(
        matches!(refused.as_slice(), [LeaseError::Locked { host, holder }] if host.as_str() == "a" && holder.run == "r1"),
        "{refused:?}"
    );
    drop(first);

    // An orphan: its controller is gone, its step still shows.
    ground.cancel = Cancel::new();
    std::fs::remove_file(ground.path("gate")).unwrap();
    let mut second = ground.sessions().await;
    assert!(!lease(&mut second, &Silent, &ground.cancel).await.unwrap());
    let text = format!("until [ -e {} ]; do sleep 0.02; done", ground.path("gate"));
    let step = StepScript { text, limit: Duration::from_secs(60), waits: false };
    let script = JobScript { id: "orphan@b".into(), guards: Vec::new(), steps: vec![step] };
    {
        let never = Cancel::new();
        let mut begun = false;
        let mut tell = |frame: &_| begun |= matches!(frame, kuboard_ha::host::session::Frame::Begin(_));
        let orphan = second.get_mut(&HostName::new("b")).unwrap();
        let _ = tokio::time::timeout(Duration::from_secs(2), orphan.job(&script, &never, &mut tell)).await;
        assert!(begun);
    }
    drop(second);
    ground.fleet = Ground::fleet(&ground.root, &["a", "b"], "r3");
    let mut third = ground.sessions().await;
    let waiting = lease(&mut third, &ground.events, &ground.cancel);
    let opening = async {
        let asked = || {
            !ground
                .told(|event| match event {
                    Event::LeaseAwaited { host, holder } if host.as_str() == "b" => Some(holder.clone()),
                    _ => None,
                })
                .is_empty()
        };
        while !asked() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::fs::write(ground.path("gate"), "").unwrap();
    };
    let (leased, ()) = tokio::join!(waiting, opening);
    assert!(leased.unwrap(), "what was seen before the wait is stale");
}

#[tokio::test]
async fn every_host_that_gives_no_lease_is_told_of() {
    let open = async |name: &str, answer: &[Act]| {
        let mut acts = hello();
        acts.push(Act::Hear("lease\n".into()));
        acts.extend_from_slice(answer);
        let host = Fake::new(name, vec![acts]);
        let session = Session::open(&host, SessionOptions::new("demo", "r2", "")).await.unwrap();
        (HostName::new(name), session)
    };
    let leased = [Act::Say("\nleased\n".into()), Act::Hang];
    let mut sessions = BTreeMap::from([
        open("a", &leased).await,
        open("b", &[]).await,
        busy("c", "-", "1", 0).await,
        open("d", &leased).await,
        open("e", &[]).await,
    ]);
    let refused = lease(&mut sessions, &Silent, &Cancel::new()).await.unwrap_err();
    let told: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "the lease of b could not be taken",
            "c is locked by run r1, which is between two jobs",
            "the lease of e could not be taken",
        ]
    );
}

/// What a shell says first.
fn hello() -> Vec<Act> {
    vec![
        Act::Say("\nkuboard-ha hello 1\n".into()),
        Act::Hear("#kuboard-ha end\n".into()),
        Act::Say("\nready 1700000000\n".into()),
    ]
}

/// A host whose lease another run has, at one step that never ends. What its clock says is no matter.
async fn busy(name: &str, step: &str, since: &str, limit: u64) -> (HostName, Session) {
    answers(name, &vec![format!("busy r1 {step} {since} {limit} 4711"); 100]).await
}

/// A host that gives these answers, one after the other, to the run r2.
async fn answers(name: &str, answers: &[impl AsRef<str>]) -> (HostName, Session) {
    let mut acts = hello();
    for answer in answers {
        acts.push(Act::Hear("lease\n".into()));
        acts.push(Act::Say(format!("\n{}\n", answer.as_ref())));
    }
    acts.push(Act::Hang);
    let host = Fake::new(name, vec![acts]);
    let options =
        SessionOptions { watchdog: Duration::from_secs(1), ..SessionOptions::new("demo", "r2", "") };
    (HostName::new(name), Session::open(&host, options).await.unwrap())
}

#[tokio::test]
async fn an_orphan_of_the_same_run_is_waited_for_until_it_misses_its_controller() {
    // Between two jobs, longer than a run that lives would stay there.
    let mut told = vec!["busy r2 etcd.roll@a/2 1 60 4711"];
    told.extend(["busy r2 - 2 0 4711"; 14]);
    told.push("leased");
    let mut sessions = BTreeMap::from([answers("a", &told).await]);
    assert!(lease(&mut sessions, &Silent, &Cancel::new()).await.unwrap());
}

#[tokio::test]
async fn an_orphan_that_is_just_done_is_no_run_that_lives() {
    let step = "busy r1 etcd.roll@a/2 1 60 4711";
    let done = "busy r1 - 2 0 4711";
    let mut sessions = BTreeMap::from([answers("a", &[step, done, "leased"]).await]);
    assert!(lease(&mut sessions, &Silent, &Cancel::new()).await.unwrap());
    // What only a run that lives can come to next, or another one.
    for next in
        ["busy r1 etcd.roll@a/3 3 60 4711", "busy r1 - 4 0 4711", "busy r3 - 3 0 4711", "busy r3 x@a/0 3 9 1"]
    {
        let mut sessions = BTreeMap::from([answers("a", &[step, done, next, "leased"]).await]);
        let refused = lease(&mut sessions, &Silent, &Cancel::new()).await.unwrap_err();
        assert!(matches!(refused.as_slice(), [LeaseError::Locked { .. }]), "{next}: {refused:?}");
    }
    // One that stays between two jobs is not told from one that lives.
    let mut told = vec![step; 4];
    told.extend([done; 100]);
    let mut sessions = BTreeMap::from([answers("a", &told).await]);
    let begun = Instant::now();
    let refused = lease(&mut sessions, &Silent, &Cancel::new()).await.unwrap_err();
    assert_eq!(refused[0].to_string(), "a is locked by run r1, which is between two jobs");
    let seconds = begun.elapsed().as_secs_f64();
    assert!((7.0..12.0).contains(&seconds), "two seconds at its step, and five from there: {seconds}");
}

#[tokio::test]
async fn a_step_that_never_ends_is_waited_for_until_its_limit() {
    for since in ["1", "99999999999"] {
        let events = Events::default();
        let mut sessions = BTreeMap::from([busy("a", "etcd.roll@a/2", since, 1).await]);
        let begun = Instant::now();
        let refused = lease(&mut sessions, &events, &Cancel::new()).await.unwrap_err();
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].to_string(), "a is locked by run r1, which is at etcd.roll@a/2");
        assert!((11.0..20.0).contains(&seconds), "its limit, and ten seconds for its end: {seconds}");
        let told: Vec<_> = events.0.lock().unwrap().iter().map(|event| format!("{event:?}")).collect();
        assert!(told.len() == 1 && told[0].contains("run r1, at etcd.roll@a/2, at most 1 s"), "{told:?}");
    }
}

#[tokio::test]
async fn a_wish_to_stop_ends_the_wait_for_a_lease() {
    let mut sessions = BTreeMap::from([busy("a", "etcd.roll@a/2", "1", 600).await]);
    let cancel = Cancel::new();
    let asking = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    };
    let (refused, ()) = tokio::join!(lease(&mut sessions, &Silent, &cancel), asking);
    let refused = refused.unwrap_err();
    assert!(matches!(refused.as_slice(), [LeaseError::Cancelled { .. }]), "{refused:?}");
}
