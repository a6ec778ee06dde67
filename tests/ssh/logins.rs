//! Logins that fail: host keys, ports, users, keys and passwords, each told from the others.

use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use kuboard_ha::host::{HostError, HostErrorKind};
use kuboard_ha::inventory::model::{self, HostKeys};

use crate::relay;
use crate::sshd::{Sshd, run};
use crate::{look, open, refused};

/// What a login with changed settings fails with.
async fn with(sshd: &Sshd, change: impl FnOnce(&mut model::Ssh)) -> HostError {
    let mut settings = sshd.settings();
    change(&mut settings);
    let error = refused(&Sshd::site(settings, None), None).await;
    assert!(error.message.contains("ssh to "), "{error}");
    error
}

/// Whether the error is of that kind, and its message and hint have these words.
fn tells(error: &HostError, kind: HostErrorKind, what: &str, hint: &str) {
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.message.contains(what), "no {what:?} in: {error}");
    let told = error.hint.as_deref().unwrap_or_default();
    assert!(told.contains(hint), "no {hint:?} in: {told}");
}

#[tokio::test]
async fn ways_that_lead_nowhere() {
    let sshd = Sshd::start("").await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = with(&sshd, |s| s.port = Some(nobody)).await;
    tells(&error, HostErrorKind::Refused, "connection refused", "systemctl status ssh");
    assert!(error.kind.is_retryable());
    let error = with(&sshd, |s| s.host = "no such host".into()).await;
    tells(&error, HostErrorKind::NoSuchName, "its name does not resolve", "getent hosts 'no such host'");
    let other = relay::that_says("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let begun = Instant::now();
    let mut settings = sshd.settings();
    settings.port = Some(other);
    let mut options = Sshd::site(settings.clone(), None).options("r1");
    options.deadlines.accept = std::time::Duration::from_secs(1);
    let site = Sshd::site(settings, None);
    let error = kuboard_ha::host::session::Session::open(site.host.as_ref(), options).await.err().unwrap();
    tells(&error, HostErrorKind::Silent, "connection timed out", "does it run");
    assert!(begun.elapsed().as_secs() < 4);
    let error = with(&sshd, |s| s.config_file = Some(sshd.path("missing"))).await;
    assert_eq!(error.kind, HostErrorKind::Local, "{error}");
}

#[tokio::test]
async fn keys_of_the_host() {
    let sshd = Sshd::start("").await;
    let (name, known_hosts) = (format!("[127.0.0.1]:{}", sshd.port), sshd.path("known_hosts"));
    let key = std::fs::read_to_string(sshd.path("other.pub")).unwrap();
    std::fs::write(&known_hosts, format!("{name} {key}")).unwrap();
    for host_keys in [HostKeys::Strict, HostKeys::AcceptNew] {
        let error = with(&sshd, |s| s.host_keys = host_keys).await;
        tells(
            &error,
            HostErrorKind::HostKeyChanged,
            "the host key changed; it now shows ssh-ed25519 SHA256:",
            "",
        );
        assert!(!error.kind.is_retryable());
        // The command in the hint does what it says.
        let hint = error.hint.unwrap();
        let command = hint.lines().find(|line| line.contains("ssh-keygen")).unwrap();
        assert!(command.contains(&name) && command.contains(known_hosts.to_str().unwrap()), "{command}");
        if host_keys == HostKeys::AcceptNew {
            run(Command::new("sh").args(["-c", command]));
        }
    }
    let error = with(&sshd, |_| {}).await;
    tells(
        &error,
        HostErrorKind::HostKeyUnknown,
        "the host key is not known here: ssh-ed25519 SHA256:",
        "accept-new",
    );
    tells(&error, HostErrorKind::HostKeyUnknown, "", &format!("ssh-keyscan -p {} 127.0.0.1", sshd.port));
    let mut trusting = sshd.settings();
    trusting.host_keys = HostKeys::AcceptNew;
    open(&Sshd::site(trusting, None)).await.unwrap().close().await.unwrap();
    open(&Sshd::site(sshd.settings(), None)).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn keys_and_users() {
    let sshd = Sshd::start("MaxAuthTries 3").await;
    let other = sshd.path("other");
    let error = with(&sshd, |s| s.identity_file = Some(other.clone())).await;
    let copy = format!("ssh-copy-id -i {} -p {} root@127.0.0.1", other.display(), sshd.port);
    tells(&error, HostErrorKind::Login, "no key was accepted for user root; offered: ", &copy);
    assert!(!error.kind.is_retryable());
    let error = with(&sshd, |s| s.user = Some("nobody-here".into())).await;
    tells(&error, HostErrorKind::Login, "Permission denied (publickey", "ssh.user");
    let missing = sshd.path("nothing");
    let error = with(&sshd, |s| s.identity_file = Some(missing)).await;
    tells(&error, HostErrorKind::Login, "No such file or directory", "ssh.identity_file");

    run(Command::new("ssh-keygen").args(["-q", "-p", "-N", "a phrase", "-f"]).arg(sshd.path("user")));
    let error = with(&sshd, |_| {}).await;
    let add = format!("ssh-add {}", sshd.path("user").display());
    tells(&error, HostErrorKind::Login, "locked with a passphrase and no agent holds it", &add);

    let mut config = std::fs::read_to_string(sshd.path("client")).unwrap();
    for number in 0..4 {
        let key = sshd.path(&format!("one-of-many-{number}"));
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        config.extend(["IdentityFile ", key.to_str().unwrap(), "\n"]);
    }
    std::fs::write(sshd.path("client"), config).unwrap();
    let error = with(&sshd, |s| s.identity_file = None).await;
    tells(&error, HostErrorKind::Login, "too many authentication failures", "identity_file");
}

#[tokio::test]
async fn passwords_for_login_and_sudo_work_and_wrong_ones_are_tried_once() {
    let sshd = Sshd::start("UsePAM no\nKbdInteractiveAuthentication no").await;
    let mut settings = sshd.settings();
    settings.user = Some("ops".into());
    settings.identity_file = None;
    let right = Sshd::site(settings.clone(), Some("open sesame"));
    assert_eq!(look(&right, Some("open sesame")).await.unwrap(), "root\nops\n");
    let error = refused(&Sshd::site(settings, Some("poison-9c1")), None).await;
    tells(&error, HostErrorKind::Login, "the password was not accepted for user ops", "`ssh.password`");
    assert!(!format!("{error:?}").contains("poison"));
    let log = std::fs::read_to_string(sshd.path("log")).unwrap();
    assert_eq!(log.matches("Failed password for ops").count(), 1, "{log}");
}

#[tokio::test]
async fn a_server_that_only_converses_takes_the_password_too() {
    let sshd = Sshd::start("UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes").await;
    let mut settings = sshd.settings();
    settings.user = Some("ops".into());
    settings.identity_file = None;
    let site = Sshd::site(settings, Some("open sesame"));
    assert_eq!(look(&site, Some("open sesame")).await.unwrap(), "root\nops\n");
}
