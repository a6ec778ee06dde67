//! Servers that lie, change their minds, or never end.

use std::time::Duration;

use kuboard_ha::artifact::{Damage, Error, Failure, Patience};
use kuboard_ha::resource::Sha256Digest;

use crate::server::{Bench, Reply, Server, artifact, patience, payload};

/// Another file of the same length.
fn other() -> Vec<u8> {
    payload().iter().map(|byte| byte ^ 0xff).collect()
}

#[tokio::test]
async fn other_bytes_of_the_right_length_are_not_kept() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::of(&other()).await;
    let wanted = server.artifact(&body);
    let error = bench.fetch(&wanted).await.unwrap_err();
    let Error::Damaged { damage: Damage::Digest { got, bytes, .. }, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((got, *bytes), (&Sha256Digest::of(&other()), 300_000));
    assert!(!bench.cache.path(&wanted.sha256).exists() && bench.part(&wanted).is_none());
}

#[tokio::test]
async fn a_file_that_changed_on_the_mirror_is_told_by_its_digest_alone() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |number, _, body| match number {
        0 | 2 => Reply::whole(body),
        _ => Reply::whole(&other()),
    })
    .await;
    let (old, new) = (server.artifact(&body), server.artifact(&other()));
    assert_eq!(bench.fetch(&old).await.unwrap(), body);
    assert_eq!(bench.fetch(&new).await.unwrap(), other());
    // What the cache has under a digest is what the digest says, whatever the mirror has now.
    assert_eq!(bench.fetch(&old).await.unwrap(), body);
    assert_eq!(server.requests().len(), 2);
    // And the mirror that went back to the old file does not pass for the new.
    std::fs::remove_file(bench.cache.path(&new.sha256)).unwrap();
    assert_eq!(bench.fetch(&new).await.unwrap_err().kind(), "digest");
    assert_eq!(bench.fetch(&old).await.unwrap(), body);
}

#[tokio::test]
async fn a_file_that_changes_in_the_middle_of_a_transfer_is_fetched_from_its_first_byte() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |number, request, body| match number {
        0 => Reply::ranged(&other(), request).cut(100_000),
        _ => Reply::ranged(body, request),
    })
    .await;
    assert_eq!(bench.fetch(&server.artifact(&body)).await.unwrap(), body);
    assert_eq!(server.ranges(), [None, Some(100_000), None]);
}

#[tokio::test]
async fn a_server_that_breaks_off_and_changes_its_mind_for_ever_is_left() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |number, request, body| match number % 2 {
        0 => Reply::ranged(body, request).cut(100_000),
        _ => Reply::ranged(&other(), request),
    })
    .await;
    bench.fetch(&server.artifact(&body)).await.unwrap_err();
    assert!(server.requests().len() <= 8, "{:?}", server.ranges());
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_limit() {
    let bench = Bench::with(Patience { largest: 1 << 20, ..patience() });
    let server = Server::playing(&payload(), |_, _, body| Reply::endless(body)).await;
    let wanted = server.artifact(&payload());
    assert_eq!(bench.fetch(&wanted).await.unwrap_err().kind(), "too-big");
    assert_eq!((bench.part(&wanted), server.requests().len()), (None, 1));
}

#[tokio::test]
async fn a_body_without_a_length_is_judged_by_its_digest() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |number, _, body| match number {
        0 => Reply::unmeasured(body).cut(70_000),
        _ => Reply::unmeasured(body),
    })
    .await;
    let wanted = server.artifact(&body);
    assert_eq!(bench.fetch(&wanted).await.unwrap_err().kind(), "digest");
    assert_eq!(bench.part(&wanted), None);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
}

#[tokio::test]
async fn bytes_are_taken_as_they_come_whatever_the_server_calls_them() {
    let (bench, body) = (Bench::new(), payload());
    let server =
        Server::playing(&body, |_, _, body| Reply::whole(body).header("Content-Encoding: gzip")).await;
    assert_eq!(bench.fetch(&server.artifact(&body)).await.unwrap(), body);
}

#[tokio::test]
async fn a_redirect_leads_to_no_file_and_to_no_other_protocol() {
    for target in ["file:///etc/hostname", "ftp://127.0.0.1/a", "javascript:alert(1)", "http:///", "//[::"] {
        let bench = Bench::new();
        let location = format!("Location: {target}");
        let server = Server::start(move |_, _| Reply::status("302 Found").header(&location)).await;
        let wanted = server.artifact(b"x");
        let error = bench.fetch(&wanted).await.unwrap_err();
        assert!(
            matches!(error.kind(), "address" | "status" | "redirects" | "connect"),
            "{target}: {error:?}"
        );
        assert!(
            server.requests().len() <= 3 && bench.part(&wanted).is_none_or(|part| part.is_empty()),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_login_does_not_follow_a_redirect_to_another_host() {
    let (bench, body) = (Bench::new(), payload());
    let far = Server::of(&body).await;
    let location = format!("Location: http://{}/", far.address.replace("127.0.0.1", "localhost"));
    let near = Server::start(move |_, _| Reply::status("302 Found").header(&location)).await;
    let wanted = artifact(format!("http://user:poison@{}/", near.address), &body);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert!(near.requests()[0].authorization.is_some());
    assert_eq!(far.requests()[0].authorization, None);
}

#[tokio::test]
async fn a_server_that_takes_a_request_and_says_nothing_is_left_at_the_deadline() {
    let read = Duration::from_millis(300);
    let bench = Bench::with(Patience { read, tries: 2, ..patience() });
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wanted = artifact(format!("http://{}/", silent.local_addr().unwrap()), b"x");
    let error = bench.fetch(&wanted).await.unwrap_err();
    let Error::Fetch { failure, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(failure, Failure::Timeout { after, .. } if *after == read), "{failure:?}");
}
