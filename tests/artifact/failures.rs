//! Downloads that fail: each says what it is, keeps what can be used, removes what cannot.

use std::time::Duration;

use kuboard_ha::artifact::{Damage, Error, Failure, Patience};
use kuboard_ha::resource::Sha256Digest;

use crate::server::{Bench, Reply, Server, artifact, patience, payload};

#[track_caller]
fn failure(error: Error) -> (Failure, u64) {
    match error {
        Error::Fetch { failure, kept, .. } => (failure, kept),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn damage(error: Error) -> Damage {
    match error {
        Error::Damaged { damage, .. } => damage,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_digest_is_told_and_removed_without_a_retry() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::of(&body).await;
    let wanted = server.artifact(b"something else");
    let error = bench.fetch(&wanted).await.unwrap_err();
    let got = Sha256Digest::of(&body);
    assert!(error.hint().contains("sha256sum"), "{}", error.hint());
    assert_eq!(damage(error), Damage::Digest { expected: wanted.sha256.clone(), got, bytes: 300_000 });
    assert_eq!(server.requests().len(), 1);
    assert_eq!(bench.part(&wanted), None);
    assert!(!bench.cache.path(&wanted.sha256).exists());
}

#[tokio::test]
async fn a_body_that_never_gets_further_is_truncated_and_kept() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |number, request, body| {
        Reply::ranged(body, request).cut(if number == 0 { 70_000 } else { 0 })
    })
    .await;
    let wanted = server.artifact(&body);
    let error = bench.fetch(&wanted).await.unwrap_err();
    assert!(error.to_string().contains("70000 of 300000 bytes"), "{error}");
    assert_eq!(failure(error), (Failure::Truncated { got: 70_000, expected: Some(300_000) }, 70_000));
    assert_eq!(server.requests().len(), 3);
    assert_eq!(bench.part(&wanted).unwrap(), body[..70_000]);
}

#[tokio::test]
async fn a_missing_file_is_not_asked_for_again() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Reply::status("404 Not Found")).await;
    let wanted = artifact(format!("http://user:poison@{}/a?token=poison", server.address), b"x");
    let error = bench.fetch(&wanted).await.unwrap_err();
    assert_eq!(error.kind(), "not-found");
    for text in [error.to_string(), error.hint(), format!("{error:?}")] {
        assert!(!text.contains("poison"), "{text}");
    }
    assert_eq!(failure(error), (Failure::NotFound, 0));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_error_that_stays_ends_after_all_tries() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Reply::status("502 Bad Gateway")).await;
    let wanted = server.artifact(b"x");
    let (failure, _) = failure(bench.fetch(&wanted).await.unwrap_err());
    assert_eq!(failure, Failure::Status { status: 502, wait: None });
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_page_instead_of_an_archive_is_named_even_if_its_digest_matches() {
    let page = b"<!DOCTYPE html>\n<title>Please log in</title>".as_slice();
    for wanted in [page, b"etcd"] {
        let bench = Bench::new();
        let server = Server::start(move |_, _| Reply::whole(page)).await;
        let wanted = artifact(format!("http://{}/", server.address), wanted);
        let error = bench.fetch(&wanted).await.unwrap_err();
        assert_eq!(error.kind(), "html");
        assert_eq!(damage(error), Damage::Html { start: "<!DOCTYPE html>".into() });
        assert_eq!(bench.part(&wanted), None);
    }
}

#[tokio::test]
async fn an_endless_text_is_given_up_at_its_beginning() {
    let bench = Bench::new();
    let text = "not an archive\n".repeat(1000).into_bytes();
    // The rest never comes: only a look at the beginning can end this in time.
    let server = Server::start(move |_, _| Reply::whole(&text).stall(1000)).await;
    let wanted = server.artifact(b"x");
    assert_eq!(
        damage(bench.fetch(&wanted).await.unwrap_err()),
        Damage::Text { start: "not an archive".into() }
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_for_reading_and_keeps_what_came() {
    let read = Duration::from_millis(500);
    let (bench, body) = (Bench::with(Patience { read, ..patience() }), payload());
    let server = Server::playing(&body, |number, request, body| {
        Reply::ranged(body, request).stall(if number == 0 { 90_000 } else { 0 })
    })
    .await;
    let wanted = server.artifact(&body);
    let (failure, kept) = failure(bench.fetch(&wanted).await.unwrap_err());
    assert!(matches!(failure, Failure::Timeout { after, .. } if after == read), "{failure:?}");
    assert_eq!(kept, 90_000);
    assert_eq!(bench.part(&wanted).unwrap(), body[..90_000]);
}

#[tokio::test]
async fn everything_ends_at_the_deadline_for_all() {
    let overall = Duration::from_secs(1);
    let bench = Bench::with(Patience { overall, ..patience() });
    let body = payload();
    let server = Server::playing(&body, |_, request, body| Reply::ranged(body, request).stall(90_000)).await;
    let wanted = server.artifact(&body);
    let (failure, _) = failure(bench.fetch(&wanted).await.unwrap_err());
    assert_eq!(failure, Failure::Timeout { what: "the download", after: overall });
    let part = bench.part(&wanted).unwrap();
    assert!(!part.is_empty() && body.starts_with(&part));
}

#[tokio::test]
async fn nobody_at_home_is_no_connection() {
    let bench = Bench::new();
    let (failure, _) = failure(bench.fetch(&artifact("http://127.0.0.1:1/", b"x")).await.unwrap_err());
    assert!(matches!(&failure, Failure::Connect { why } if why.contains("refused")), "{failure:?}");
}

#[tokio::test]
async fn tls_with_someone_who_speaks_none_is_told_as_such() {
    let bench = Bench::new();
    // Not the tests' server: that one would wait for the end of a request that never comes.
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let _ = stream.read(&mut [0; 100]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = stream.read(&mut [0; 1000]).await;
        }
    });
    let (failure, _) =
        failure(bench.fetch(&artifact(format!("https://{address}/"), b"x")).await.unwrap_err());
    assert!(matches!(failure, Failure::Tls { .. }), "{failure:?}");
}

#[tokio::test]
async fn redirects_without_end_end() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Reply::status("302 Found").header("Location: /again")).await;
    let (failure, _) = failure(bench.fetch(&server.artifact(b"x")).await.unwrap_err());
    assert_eq!(failure, Failure::Redirects);
}

#[tokio::test]
async fn addresses_that_are_none_are_refused() {
    for source in ["ftp://host/a", "http://", "http://user:poi/son@host/a"] {
        let error = Bench::new().fetch(&artifact(source, b"x")).await.unwrap_err();
        assert!(!error.to_string().contains("son"), "{error}");
        assert!(matches!(failure(error).0, Failure::Address { .. }));
    }
}

#[tokio::test]
async fn a_path_on_this_machine_is_verified_and_left_alone() {
    let bench = Bench::new();
    let path = bench.dir.path().join("etcd.tar.gz");
    let wanted = artifact(path.to_str().unwrap(), b"right");
    assert_eq!(bench.fetch(&wanted).await.unwrap_err().kind(), "local-file");
    std::fs::write(&path, payload()).unwrap();
    let error = bench.fetch(&wanted).await.unwrap_err();
    assert_eq!(error.kind(), "digest");
    std::fs::write(&path, "<html>").unwrap();
    assert_eq!(bench.fetch(&artifact(&wanted.source, b"<html>")).await.unwrap_err().kind(), "html");
    assert!(path.exists());
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_says_where() {
    let bench = Bench::new();
    std::fs::write(bench.dir.path().join("artifacts"), "a file in the way").unwrap();
    let error = bench.fetch(&artifact("http://127.0.0.1:1/", b"x")).await.unwrap_err();
    assert!(error.to_string().contains("artifacts"), "{error}");
    assert_eq!(error.kind(), "file");
}
