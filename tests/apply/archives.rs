//! Archives that hosts are sent, or fetch themselves.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use kuboard_ha::apply::FailureKind;
use kuboard_ha::event::Event;
use kuboard_ha::inventory::model::Transfer;
use kuboard_ha::plan::model::Action;
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
    let outcome = ground.apply(vec![job("bring", "a", &[], stage("served"))]).await;
    assert!(outcome.is_whole(), "{outcome:?}");
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
