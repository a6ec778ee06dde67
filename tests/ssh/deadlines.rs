//! Whatever hangs, in whatever part of a session, costs its deadline and no more.

use std::time::{Duration, Instant};

use futures::future::join_all;
use kuboard_ha::host::session::{Session, SessionOptions};
use kuboard_ha::host::{Deadlines, HostErrorKind};
use kuboard_ha::inventory::model;
use kuboard_ha::resource::Sha256Digest;
use kuboard_ha::secret::{Secret, SecretId};

use crate::contract::{self, Site};
use crate::relay::Wire;
use crate::sshd::Sshd;

const SECOND: Duration = Duration::from_secs(1);

/// A host behind that wire, and options with short deadlines once it let us in.
async fn behind(sshd: &Sshd, wire: &Wire) -> (Site, SessionOptions) {
    let port = wire.lead_to(sshd.port).await;
    let key = std::fs::read_to_string(sshd.path("host.pub")).unwrap();
    let known = std::fs::read_to_string(sshd.path("known_hosts")).unwrap();
    std::fs::write(sshd.path("known_hosts"), format!("{known}[127.0.0.1]:{port} {key}")).unwrap();
    let site = Sshd::site(model::Ssh { port: Some(port), ..sshd.settings() }, None);
    let mut options = site.options("r1");
    options.deadlines = Deadlines { answer: SECOND * 2, stall: SECOND, ..Deadlines::default() };
    (site, options)
}

#[tokio::test]
async fn a_server_that_stops_on_the_way_in_costs_the_way_in() {
    let sshd = &Sshd::start("").await;
    // In its greeting, in the exchange of keys, in the login, on the way to a shell.
    let stops = [10, 700, 1700, 2600, 3300].map(|bytes| async move {
        let (site, mut options) = behind(sshd, &Wire::that_freezes_after(bytes)).await;
        let deadlines = &mut options.deadlines;
        (deadlines.accept, deadlines.login, deadlines.hello) = (SECOND, SECOND * 2, SECOND * 2);
        let begun = Instant::now();
        let error = Session::open(site.host.as_ref(), options).await.err().unwrap();
        assert!(begun.elapsed() < SECOND * 10, "{bytes} bytes: {:?}", begun.elapsed());
        let silent = [HostErrorKind::Silent, HostErrorKind::Unreachable, HostErrorKind::Shell];
        assert!(silent.contains(&error.kind), "{bytes} bytes: {error:?}");
    });
    join_all(stops).await;
}

#[tokio::test]
async fn a_connection_that_goes_silent_costs_the_work_in_hand() {
    let sshd = Sshd::start("").await;
    let wire = Wire::default();
    let (site, mut options) = behind(&sshd, &wire).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(Session::open(site.host.as_ref(), options.clone()).await.unwrap());
    }
    let [mut look, mut lease, mut upload, close] = <[Session; 4]>::try_from(sessions).ok().unwrap();
    wire.freeze();
    let (id, value) = (SecretId::new("s"), Secret::new("x".repeat(4 << 20)));
    let begun = Instant::now();
    let (look, lease, upload, close) = tokio::join!(
        look.gather("greet you", SECOND),
        lease.lease(),
        upload.put_secret(&id, &value),
        close.close(),
    );
    assert!(begun.elapsed() < SECOND * 8, "{:?}", begun.elapsed());
    for error in [look.err(), lease.err(), upload.err(), close.err()] {
        assert_eq!(error.unwrap().kind, HostErrorKind::Disconnected);
    }
    // Another shell over the same dead connection fails as fast, and so does one that would need a new connection.
    (options.deadlines.accept, options.deadlines.login) = (SECOND, SECOND * 2);
    let begun = Instant::now();
    assert!(Session::open(site.host.as_ref(), options).await.is_err());
    assert!(begun.elapsed() < SECOND * 10, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_upload_is_not_a_hung_one() {
    let sshd = Sshd::start("").await;
    let wire = Wire::default();
    let (site, options) = behind(&sshd, &wire).await;
    let mut session = Session::open(site.host.as_ref(), options).await.unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let digest = Sha256Digest::of(&bytes);
    wire.trickle(60_000);
    let begun = Instant::now();
    let path = site.path("archive");
    session.receive(&path, bytes.len() as u64, &digest, &mut bytes.as_slice(), &mut |_| {}).await.unwrap();
    assert!(begun.elapsed() > SECOND * 2, "longer than without a byte: {:?}", begun.elapsed());
    // And one that hangs in the middle is given up.
    let bytes = vec![7; 64 * 1024 * 1024];
    let digest = Sha256Digest::of(&bytes);
    wire.trickle(0);
    let mut told = 0;
    let begun = Instant::now();
    let error = session
        .receive(&site.path("other"), bytes.len() as u64, &digest, &mut bytes.as_slice(), &mut |done| {
            told = done;
            wire.freeze();
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind, HostErrorKind::Disconnected, "{error}");
    assert!(told > 0 && begun.elapsed() < SECOND * 8, "{:?}", begun.elapsed());
    contract::eventually("the host drops what came of it", || {
        std::fs::read_dir(site.root.path()).unwrap().all(|entry| entry.unwrap().file_name() != "other")
    })
    .await;
}
