//! Many hosts at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kuboard_ha::event::{Event, EventSink, Silent};
use kuboard_ha::host::fleet::{Fleet, Patience};
use kuboard_ha::host::ssh::{Bastions, Ssh};
use kuboard_ha::host::{Host, HostError, HostErrorKind};
use kuboard_ha::inventory::model;
use kuboard_ha::resource::HostName;

use crate::contract::Site;
use crate::relay;
use crate::sshd::Sshd;

/// A fleet of hosts that one daemon plays, each with its settings.
fn fleet(site: &Site, parallel: usize, hosts: impl IntoIterator<Item = (String, model::Ssh)>) -> Fleet {
    let member = |(name, settings): (String, model::Ssh)| {
        let name = HostName::new(name);
        let host: Arc<dyn Host> = Arc::new(Ssh::new(name.clone(), settings, None, &Bastions::default()));
        (name, (host, site.options("r1")))
    };
    Fleet::new(hosts.into_iter().map(member).collect(), parallel)
}

/// When each host had been looked at.
async fn looked(fleet: &Fleet, sink: &dyn EventSink) -> BTreeMap<HostName, Result<Duration, HostError>> {
    let begun = Instant::now();
    fleet
        .each(sink, |mut session| async move {
            let look = session.gather("greet you", Duration::from_secs(5)).await?;
            assert_eq!(look.text, "hello you\n");
            session.close().await.map(|()| begun.elapsed())
        })
        .await
}

#[derive(Default)]
struct Told(Mutex<Vec<(String, bool, usize, usize)>>);

impl EventSink for Told {
    fn emit(&self, event: Event) {
        if let Event::HostUnreachable { host, retrying, attempt, attempts, .. } = event {
            self.0.lock().unwrap().push((host.to_string(), retrying, attempt, attempts));
        }
    }
}

#[tokio::test]
async fn every_failed_host_is_told() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    let settings = |name: &str| {
        let mut settings = sshd.settings();
        match name {
            "b" => settings.identity_file = Some(sshd.path("other")),
            "d" => settings.port = Some(1),
            _ => {}
        }
        (name.to_owned(), settings)
    };
    let fleet = fleet(&site, 2, ["a", "b", "c", "d"].map(settings));
    let told = Told::default();
    let outcome = looked(&fleet, &told).await;
    let kinds: Vec<_> =
        outcome.values().map(|outcome| outcome.as_ref().err().map(|error| error.kind)).collect();
    assert_eq!(kinds, [None, Some(HostErrorKind::Login), None, Some(HostErrorKind::Refused)]);
    let mut told = told.0.into_inner().unwrap();
    told.sort();
    let try_of = |host: &str, retrying, attempt, attempts| (host.to_owned(), retrying, attempt, attempts);
    assert_eq!(
        told,
        [
            try_of("b", false, 1, 1),
            try_of("d", false, 3, 3),
            try_of("d", true, 1, 3),
            try_of("d", true, 2, 3)
        ]
    );
}

#[tokio::test]
async fn a_host_that_hangs_holds_nobody_up() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    let silent = relay::that_says("").await;
    let half = relay::that_says("SSH-2.0-Open").await;
    let settings =
        |(name, port): (&str, u16)| (name.to_owned(), model::Ssh { port: Some(port), ..sshd.settings() });
    let hosts = [("a", silent), ("b", half), ("c", sshd.port), ("d", sshd.port)].map(settings);
    let second = Duration::from_secs(1);
    let patience = Patience { accept: second * 4, again: second * 4, insists: true };
    let begun = Instant::now();
    let outcome = looked(&fleet(&site, 32, hosts).with(patience), &Silent).await;
    assert!(begun.elapsed() < second * 12, "{:?}", begun.elapsed());
    let outcome: Vec<_> = outcome.into_values().collect();
    for dead in &outcome[..2] {
        let error = dead.as_ref().unwrap_err();
        assert_eq!(error.kind, HostErrorKind::Silent);
        assert!(error.message.contains("it was accepted, and then nothing was said"), "{error}");
    }
    for live in &outcome[2..] {
        assert!(*live.as_ref().unwrap() < second * 8, "held up until {live:?}");
    }
}

#[tokio::test]
async fn two_dozen_hosts_at_once() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    for (count, parallel) in [(24, 24), (5, 2)] {
        let hosts = (0..count).map(|number| (format!("h{number}"), sshd.settings()));
        let outcome = looked(&fleet(&site, parallel, hosts), &Silent).await;
        assert_eq!(outcome.len(), count);
        assert!(outcome.values().all(Result::is_ok), "{outcome:?}");
    }
    assert!(sshd.logins() >= 29);
}

/// Frees the places that are taken as soon as somebody was turned away.
struct Freed(Mutex<Vec<std::net::TcpStream>>, Mutex<Vec<String>>);

impl EventSink for Freed {
    fn emit(&self, event: Event) {
        if let Event::HostUnreachable { error, retrying: true, .. } = event {
            self.0.lock().unwrap().clear();
            self.1.lock().unwrap().push(error);
        }
    }
}

#[tokio::test]
async fn a_server_that_lets_in_few_at_a_time_is_asked_again() {
    let sshd = Sshd::start("MaxStartups 3:100:3").await;
    let site = Sshd::site(sshd.settings(), None);
    // Its places are taken, until somebody was turned away.
    let taken: Vec<_> =
        (0..3).map(|_| std::net::TcpStream::connect(("127.0.0.1", sshd.port)).unwrap()).collect();
    let freed = Freed(Mutex::new(taken), Mutex::default());
    let hosts = (0..6).map(|number| (format!("h{number}"), sshd.settings()));
    let outcome = looked(&fleet(&site, 32, hosts), &freed).await;
    assert!(outcome.values().all(Result::is_ok), "{outcome:?}");
    let errors = freed.1.into_inner().unwrap();
    assert!(errors.iter().all(|error| error.contains("before the login: too many at once")), "{errors:?}");
}
