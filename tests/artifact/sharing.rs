//! One download for all who want it.

use std::sync::Arc;
use std::time::Duration;

use kuboard_ha::artifact::{Cache, fetch};
use kuboard_ha::event::Silent;
use tokio::sync::Semaphore;

use crate::server::{Bench, Reply, Server, patience, payload};

#[tokio::test]
async fn hosts_of_one_run_share_one_download() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::of(&body).await;
    let wanted = server.artifact(&body);
    let (a, b, c) = tokio::join!(bench.fetch(&wanted), bench.fetch(&wanted), bench.fetch(&wanted));
    assert!([a, b, c].into_iter().all(|got| got.unwrap() == body));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(bench.events.finished().len(), 1);
}

#[tokio::test]
async fn hosts_of_one_run_share_one_failure_and_the_next_round_asks_again() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Reply::status("404 Not Found")).await;
    let wanted = server.artifact(b"x");
    let (a, b) = tokio::join!(bench.fetch(&wanted), bench.fetch(&wanted));
    assert_eq!((a.unwrap_err().kind(), b.unwrap_err().kind()), ("not-found", "not-found"));
    assert_eq!(server.requests().len(), 1);
    bench.fetch(&wanted).await.unwrap_err();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn two_runs_on_one_machine_share_one_download() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::of(&body).await;
    let wanted = server.artifact(&body);
    // A second cache on the same folder knows of the first only what another process would.
    let other = Cache::with_patience(bench.dir.path().join("artifacts"), patience());
    let (a, b) = tokio::join!(bench.fetch(&wanted), fetch(&wanted, &other, &Silent));
    assert_eq!(a.unwrap(), body);
    assert_eq!(std::fs::read(b.unwrap()).unwrap(), body);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_run_killed_in_the_middle_leaves_a_part_and_no_lock() {
    let (bench, body) = (Arc::new(Bench::new()), payload());
    let reached = Arc::new(Semaphore::new(0));
    let server = Server::start({
        let (body, reached) = (body.clone(), Arc::clone(&reached));
        move |number, request| match number {
            0 => Reply::ranged(&body, request).cut(100_000),
            1 => {
                // What came before was taken: that is when the run dies.
                reached.add_permits(1);
                Reply::ranged(&body, request).stall(0)
            }
            _ => Reply::ranged(&body, request),
        }
    })
    .await;
    let wanted = server.artifact(&body);
    let run = tokio::spawn({
        let (bench, wanted) = (Arc::clone(&bench), wanted.clone());
        async move { bench.fetch(&wanted).await }
    });
    let _ = tokio::time::timeout(Duration::from_secs(10), reached.acquire()).await.unwrap();
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    assert_eq!(bench.part(&wanted).unwrap(), body[..100_000]);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.ranges(), [None, Some(100_000), Some(100_000)]);
}
