//! Archives that hosts are sent, or fetch themselves.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::Duration;

use kuboard_ha::apply::{FailureKind, Outcome};
use kuboard_ha::cli::applied::applied;
use kuboard_ha::cli::converge::{Applied, UpOutcome, UpResult};
use kuboard_ha::cli::exit::Exit;
use kuboard_ha::cli::output::outcome_event::exit;
use kuboard_ha::event::Event;
use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::model::Transfer;
use kuboard_ha::plan::model::{Action, Planning};
use kuboard_ha::resource::{Artifact, Sha256Digest};

use super::{Ground, job, step};

#[tokio::test]
async fn archives_are_sent_beside_the_shell() {
    let ground = Ground::new(&["a", "b"]);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sha256 = Sha256Digest::of(&bytes);
    std::fs::write(ground.path(sha256.as_str()), &bytes).unwrap();
    let artifact =
        Artifact { product: "etcd".into(), version: "1".into(), source: "x".into(), sha256: sha256.clone() };
    let stage = || step(Action::Stage { artifact: artifact.clone() }, 30);
    let check = |host| {
        job(
            "bring",
            host,
            &[],
            vec![
                stage(),
                ground.call("sha256sum <\"$STATE/stage/$word\" | grep -q \"$word\"", sha256.as_str(), 5),
            ],
        )
    };
    let outcome = ground.apply(vec![check("a"), check("b")]).await;
    assert!(outcome.is_whole(), "{outcome:?}");
    let last = ground.told(|event| match event {
        Event::UploadProgressed { host, done, total, .. } if done == total => Some(host.to_string()),
        _ => None,
    });
    assert_eq!(last.iter().collect::<BTreeSet<_>>().len(), 2);

    // What is not what it should be never gets a name.
    std::fs::write(ground.path(sha256.as_str()), "<html>").unwrap();
    std::fs::remove_file(ground.path(&format!("a/state/demo/stage/{sha256}"))).unwrap();
    let outcome = ground.apply(vec![check("a")]).await;
    assert!(matches!(outcome.failed[0].kind, FailureKind::Artifact(_)), "{outcome:?}");
    assert!(!Path::new(&ground.path(&format!("a/state/demo/stage/{sha256}"))).exists());
    ends_as_a_failed_download(outcome);
}

#[tokio::test]
async fn hosts_fetch_archives_themselves_when_asked_to() {
    let mut ground = Ground::new(&["a"]);
    ground.inventory.transfer = Transfer::Pull;
    let sha256 = Sha256Digest::of(b"content");
    let mirror = mirror("/served", "content");
    let stage = |name: &str| {
        let source = format!("{mirror}/{name}");
        let artifact =
            Artifact { product: "etcd".into(), version: "1".into(), source, sha256: sha256.clone() };
        vec![
            step(Action::Stage { artifact }, 30),
            ground.call("[ -f \"$STATE/stage/$word\" ]", sha256.as_str(), 5),
        ]
    };
    let outcome = ground.apply(vec![job("bring", "a", &[], stage("missing"))]).await;
    assert!(matches!(outcome.failed[0].kind, FailureKind::Artifact(_)), "{outcome:?}");
    assert!(outcome.failed[0].error.contains("curl"), "{outcome:?}");
    ends_as_a_failed_download(outcome);
    let outcome = ground.apply(vec![job("bring", "a", &[], stage("served"))]).await;
    assert!(outcome.is_whole(), "{outcome:?}");
}

#[tokio::test]
async fn what_is_sent_may_take_as_long_as_it_takes() {
    let ground = Ground { slow: Duration::from_millis(1500), ..Ground::new(&["a"]) };
    let sha256 = Sha256Digest::of(b"content");
    std::fs::write(ground.path(sha256.as_str()), "content").unwrap();
    let artifact = Artifact { product: "etcd".into(), version: "1".into(), source: "x".into(), sha256 };
    let outcome = ground.apply(vec![job("bring", "a", &[], vec![step(Action::Stage { artifact }, 1)])]).await;
    assert!(outcome.is_whole(), "{outcome:?}");
}

#[tokio::test]
async fn a_host_that_fetches_has_so_much_time() {
    let mut ground = Ground::new(&["a"]);
    ground.inventory.transfer = Transfer::Pull;
    // It takes the call, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("http://{}/served", silent.local_addr().unwrap());
    let sha256 = Sha256Digest::of(b"content");
    let artifact = Artifact { product: "etcd".into(), version: "1".into(), source, sha256 };
    let outcome = ground.apply(vec![job("bring", "a", &[], vec![step(Action::Stage { artifact }, 1)])]).await;
    assert!(outcome.failed[0].error.contains("after 1 s"), "{outcome:?}");
    ends_as_a_failed_download(outcome);
}

/// What `up` makes of it.
fn ends_as_a_failed_download(outcome: Outcome) {
    let Applied { changed, failures, hindrances, .. } = applied(outcome);
    assert!(failures.iter().all(|failure| failure.hint.is_some()), "{failures:?}");
    let (planning, facts) = (Planning::default(), Facts::default());
    let ended =
        UpOutcome { result: UpResult::Failed, changed, rounds: 1, failures, hindrances, planning, facts };
    assert_eq!(exit(&ended), Exit::Download);
}

/// The address of a mirror that has one file and knows no ranges.
fn mirror(path: &'static str, content: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let (status, body) = match request.first().and_then(|line| line.split(' ').nth(1)) {
                Some(asked) if asked == path => ("200 OK", content),
                _ => ("404 Not Found", ""),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    address
}
