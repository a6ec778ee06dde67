//! Hosts behind a bastion.

use futures::future::join_all;
use kuboard_ha::host::HostErrorKind;
use kuboard_ha::host::ssh::{Bastions, Ssh};
use kuboard_ha::inventory::model;
use kuboard_ha::resource::HostName;

use crate::contract::Site;
use crate::sshd::Sshd;
use crate::{look, open, refused};

/// Settings that lead to `inner` through `bastion`, with one key and one file of known hosts for both, as a user would
/// have.
fn through(bastion: &Sshd, inner: &Sshd) -> model::Ssh {
    std::fs::copy(inner.path("user.pub"), bastion.path("user.pub")).unwrap();
    let known = |of: &Sshd| std::fs::read_to_string(of.path("known_hosts")).unwrap();
    std::fs::write(inner.path("known_hosts"), known(bastion) + &known(inner)).unwrap();
    let mut settings = inner.settings();
    settings.proxy_jump = Some(format!("root@127.0.0.1:{}", bastion.port));
    settings
}

fn behind(settings: &model::Ssh, bastions: &Bastions) -> Site {
    Site::new(Ssh::new(HostName::new("far"), settings.clone(), None, bastions), "/bin/sh")
}

#[tokio::test]
async fn hosts_behind_a_bastion_share_one_connection_to_it() {
    // Were there one for each of them, most would be turned away.
    let (bastion, inner) = (Sshd::start("MaxStartups 1:100:1").await, Sshd::start("").await);
    let settings = through(&bastion, &inner);
    let bastions = Bastions::default();
    let sites: Vec<_> = (0..12).map(|_| behind(&settings, &bastions)).collect();
    for looked in join_all(sites.iter().map(|site| look(site, None))).await {
        assert_eq!(looked.unwrap(), "root\nitself\n");
    }
    assert_eq!((bastion.logins(), inner.logins()), (1, 12));

    // What lies behind it and does not answer is told by the bastion.
    for (host, port, kind) in
        [("127.0.0.1", 1, HostErrorKind::Refused), ("nowhere.invalid", 22, HostErrorKind::NoSuchName)]
    {
        let settings = model::Ssh { host: host.into(), port: Some(port), ..settings.clone() };
        let error = refused(&behind(&settings, &bastions), None).await;
        let unresolved =
            error.kind == HostErrorKind::Unreachable && error.message.contains("name resolution");
        assert!(error.kind == kind || unresolved, "{error}");
        assert!(error.message.contains("the bastion says: connect failed"), "{error}");
    }
    assert_eq!(bastion.logins(), 1);
}

#[tokio::test]
async fn a_bastion_that_is_dead_or_does_not_forward_is_named() {
    let (bastion, inner) = (Sshd::start("AllowTcpForwarding no").await, Sshd::start("").await);
    let mut settings = through(&bastion, &inner);
    let error = refused(&behind(&settings, &Bastions::default()), None).await;
    assert_eq!(error.kind, HostErrorKind::Forwarding, "{error}");
    assert!(error.hint.unwrap().contains("AllowTcpForwarding"));
    assert!(!error.kind.is_retryable());

    // A dead one is tried once for all.
    settings.proxy_jump = Some("root@127.0.0.1:1".into());
    let dead = Bastions::default();
    let sites: Vec<_> = (0..6).map(|_| behind(&settings, &dead)).collect();
    for error in join_all(sites.iter().map(open)).await {
        let error = error.err().unwrap();
        assert_eq!(error.kind, HostErrorKind::Refused);
        assert!(error.message.starts_with("bastion root@127.0.0.1:1"), "{error}");
    }
}
