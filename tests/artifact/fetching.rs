//! Downloads that end well.

use kuboard_ha::artifact::digest_file;
use kuboard_ha::resource::Sha256Digest;

use crate::server::{Bench, Reply, Server, artifact, payload};

#[tokio::test]
async fn a_fresh_download_lands_under_its_digest_and_is_used_again() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::of(&body).await;
    let wanted = artifact(format!("http://{}/etcd.tar.gz", server.address), &body);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.ranges(), [None]);
    assert_eq!(bench.events.finished(), [(300_000, false), (300_000, true)]);
    assert_eq!(bench.events.total(), Some(300_000));
    assert_eq!(bench.part(&wanted), None);
    assert_eq!(digest_file(bench.cache.path(&wanted.sha256)).unwrap(), Sha256Digest::of(&body));
}

#[tokio::test]
async fn a_transfer_that_breaks_off_continues_where_it_stopped() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |number, request, body| match number {
        0..4 => Reply::ranged(body, request).cut(60_000),
        _ => Reply::ranged(body, request),
    })
    .await;
    // Four cuts are more than three tries, but each brought something new.
    let wanted = server.artifact(&body);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.ranges(), [None, Some(60_000), Some(120_000), Some(180_000), Some(240_000)]);
    assert_eq!(bench.events.total(), Some(300_000));
}

#[tokio::test]
async fn another_run_continues_what_a_killed_one_left() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::of(&body).await;
    let wanted = server.artifact(&body);
    bench.leave_part(&wanted, &body[..123_456]);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.ranges(), [Some(123_456)]);
}

#[tokio::test]
async fn a_whole_part_needs_no_server() {
    let (bench, body) = (Bench::new(), payload());
    let wanted = artifact("http://127.0.0.1:1/", &body);
    bench.leave_part(&wanted, &body);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
}

#[tokio::test]
async fn a_server_that_ignores_the_range_makes_it_begin_anew() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |_, _, body| Reply::whole(body)).await;
    let wanted = server.artifact(&body);
    bench.leave_part(&wanted, &body[..1000]);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.ranges(), [Some(1000)]);
}

#[tokio::test]
async fn a_range_other_than_the_one_asked_for_is_not_used() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |_, request, body| match request.from {
        Some(_) => Reply::status("206 Partial Content").header("Content-Range: bytes 5-9/300000"),
        None => Reply::whole(body),
    })
    .await;
    let wanted = server.artifact(&body);
    bench.leave_part(&wanted, &body[..1000]);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.ranges(), [Some(1000), None]);
}

#[tokio::test]
async fn leftovers_of_another_file_are_thrown_away() {
    for left in [vec![7; 1000], vec![7; 300_000], vec![7; 400_000]] {
        let (bench, body) = (Bench::new(), payload());
        let server = Server::of(&body).await;
        let wanted = server.artifact(&body);
        bench.leave_part(&wanted, &left);
        assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
        assert_eq!(server.ranges(), [Some(left.len()), None]);
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |number, _, body| match number {
        0 => Reply::status("503 Service Unavailable"),
        1 => Reply::status("429 Too Many Requests").header("Retry-After: 0"),
        _ => Reply::whole(body),
    })
    .await;
    let wanted = server.artifact(&body);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_followed_with_its_range() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |_, request, body| match request.path.as_str() {
        "/latest" => Reply::status("302 Found").header("Location: /real"),
        _ => Reply::ranged(body, request),
    })
    .await;
    let wanted = artifact(format!("http://{}/latest", server.address), &body);
    bench.leave_part(&wanted, &body[..1000]);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.ranges(), [Some(1000), Some(1000)]);
    assert_eq!(server.requests()[1].path, "/real");
}

#[tokio::test]
async fn a_login_in_the_address_is_sent() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |_, _, body| Reply::whole(body)).await;
    let wanted = artifact(format!("http://user:pass@{}/", server.address), &body);
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.requests()[0].authorization.as_deref(), Some("Basic dXNlcjpwYXNz"));
}

#[tokio::test]
async fn a_damaged_file_in_the_cache_is_fetched_again() {
    let (bench, body) = (Bench::new(), payload());
    let server = Server::playing(&body, |_, _, body| Reply::whole(body)).await;
    let wanted = server.artifact(&body);
    bench.fetch(&wanted).await.unwrap();
    let mut damaged = body.clone();
    damaged[1000] ^= 1;
    std::fs::write(bench.cache.path(&wanted.sha256), damaged).unwrap();
    assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_path_on_this_machine_is_used_in_place() {
    let (bench, body) = (Bench::new(), payload());
    let path = bench.dir.path().join("etcd.tar.gz");
    std::fs::write(&path, &body).unwrap();
    let wanted = artifact(path.to_str().unwrap(), &body);
    let used = kuboard_ha::artifact::fetch(&wanted, &bench.cache, &bench.events).await.unwrap();
    assert_eq!(used, path);
    assert_eq!(bench.events.finished(), [(300_000, true)]);
}
