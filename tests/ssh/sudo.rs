//! The real sudo, in the ways in which it says no.

use kuboard_ha::host::HostErrorKind;

use crate::sshd::Sshd;
use crate::{look, refused};

#[tokio::test]
async fn sudo_says_no_in_many_ways() {
    let sshd = Sshd::start("").await;
    let open = Some("open sesame");
    assert_eq!(look(&sshd.as_user("ops"), open).await.unwrap(), "root\nops\n");
    for (user, password, kind, what, hint) in [
        ("ops", None, HostErrorKind::Sudo, "wants a password and none was given", "sudo_password: { env"),
        ("ops", None, HostErrorKind::Sudo, "", "ops ALL=(ALL) NOPASSWD: ALL"),
        ("ops", Some("poison-9c1"), HostErrorKind::Sudo, "sudo refused the password", "ssh.sudo_password"),
        ("lost", open, HostErrorKind::Sudo, "the user may not use sudo", "usermod -aG sudo lost"),
        ("narrow", open, HostErrorKind::Sudo, "may not run everything", "narrow ALL=(ALL) ALL"),
        ("tty", None, HostErrorKind::SudoTty, "requiretty", "Defaults:tty !requiretty"),
    ] {
        let error = refused(&sshd.as_user(user), password).await;
        assert_eq!(error.kind, kind, "{user}: {error}");
        assert!(error.message.contains(what), "{user}: {error}");
        assert!(error.hint.as_ref().unwrap().contains(hint), "{user}: {error:?}");
        assert!(!error.kind.is_retryable() && !format!("{error:?}").contains("poison"), "{error:?}");
    }
    // sudo is for others only.
    sshd.within("mount --bind /dev/null /usr/bin/sudo");
    let error = refused(&sshd.as_user("ops"), open).await;
    assert_eq!(error.kind, HostErrorKind::Sudo, "{error}");
    assert!(error.message.contains("sudo refused: sh: 1: exec: sudo: Permission denied"), "{error}");
}
