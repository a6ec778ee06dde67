//! Login shells, what they print, and hosts that lack what every run needs.

use std::time::Duration;

use kuboard_ha::host::HostErrorKind;
use kuboard_ha::host::session::{JobEnd, Lease, Session};

use crate::contract::{self, Site};
use crate::sshd::Sshd;
use crate::{look, open, refused};

#[tokio::test]
async fn login_shells_that_are_not_posix_or_chatter_will_do() {
    let sshd = Sshd::start("Banner /etc/os-release\nPrintMotd yes").await;
    for user in ["fish", "csh", "noisy"] {
        assert_eq!(look(&sshd.as_user(user), None).await.unwrap(), format!("root\n{user}\n"));
    }
}

#[tokio::test]
async fn login_shells_that_run_nothing_are_explained() {
    let sshd = Sshd::start("Match User lost\nForceCommand echo menu: 1 mail, 2 news").await;
    for (user, what) in [
        ("nologin", "currently not available"),
        ("rbash", "restricted"),
        ("leaves", "no tty, no service"),
        ("lost", "menu: 1 mail, 2 news"),
    ] {
        let error = refused(&sshd.as_user(user), None).await;
        assert_eq!(error.kind, HostErrorKind::Shell, "{user}: {error}");
        assert!(error.message.contains(what), "{user}: {error}");
        assert!(error.hint.as_ref().unwrap().contains("usermod -s /bin/bash"), "{user}: {error:?}");
        assert!(!error.kind.is_retryable());
    }
    // Nothing tells it from a server that is going down.
    let mute = refused(&sshd.as_user("mute"), None).await;
    assert!(mute.kind.is_retryable() && mute.hint.unwrap().contains("getent passwd"));

    let site = sshd.as_user("asks");
    let mut options = site.options("r1");
    options.deadlines.hello = Duration::from_secs(1);
    let error = Session::open(site.host.as_ref(), options).await.err().unwrap();
    assert_eq!(error.kind, HostErrorKind::Shell, "{error}");
    assert!(error.message.contains("Which project?") && error.hint.unwrap().contains(".bashrc"));
}

/// What a host says, whatever language its users like.
#[tokio::test]
async fn messages_are_in_no_language() {
    let sshd = Sshd::start("SetEnv LC_ALL=C.UTF-8 LANGUAGE=de:zh_CN LANG=zh_CN.UTF-8").await;
    let mut session = open(&Sshd::site(sshd.settings(), None)).await.unwrap();
    let look =
        session.gather("env | grep ^LANGUAGE; ls /nonexistent 2>&1", Duration::from_secs(5)).await.unwrap();
    assert_eq!(look.text, "LANGUAGE=de:zh_CN\nls: cannot access '/nonexistent': No such file or directory\n");
    session.close().await.unwrap();
    let error = refused(&sshd.as_user("lost"), Some("open sesame")).await;
    assert!(error.message.contains("may not use sudo"), "{error}");
}

#[tokio::test]
async fn a_host_whose_tools_are_all_busybox_will_do() {
    let sshd = Sshd::start("").await;
    let site = sshd.as_user("toor");
    let folder = site.path("busybox");
    sshd.within(&format!(
        "mkdir {folder}; cp /bin/busybox {folder}; cd {folder}
        for tool in $(./busybox --list); do ln -sf busybox $tool; done
        # Debian builds it without, others do not.
        cp /usr/bin/flock .
        mount --bind {folder} /usr/bin"
    ));
    works(&site).await;
}

/// A look and a job with a file that arrives.
async fn works(site: &Site) {
    let mut session = open(site).await.unwrap();
    let look = session.gather("greet you", Duration::from_secs(5)).await.unwrap();
    assert_eq!(look.text, "hello you\n");
    assert_eq!(session.lease().await.unwrap(), Lease::Leased { stale: false });
    let (end, _) =
        contract::run(&mut session, &contract::job(&[("greet one; cat <<end\nhere\nend", 5)])).await;
    assert_eq!(end, JobEnd::Done);
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_home_without_exec_and_a_tmp_that_is_full_or_read_only_do_not_matter() {
    let sshd = Sshd::start("").await;
    let site = sshd.as_user("noisy");
    let home = sshd.path("home");
    // What is needed of /tmp is kept: the daemon's own folder, and the host's state.
    let keep: Vec<_> = [sshd.path(""), site.root.path().to_owned()].into_iter().collect();
    let keep = |verb: &str| -> String {
        let lines = keep.iter().enumerate().map(|(n, path)| match verb {
            "save" => format!("mkdir -p /mnt/{n}; mount --bind {} /mnt/{n}\n", path.display()),
            _ => format!("mkdir -p {0}; mount --bind /mnt/{n} {0}\n", path.display()),
        });
        lines.collect()
    };
    sshd.within(&format!(
        "mount -t tmpfs none /mnt\n{}mount -t tmpfs -o size=64k none /tmp\n{}
        mount --bind {2} {2}; mount -o remount,bind,noexec {2}
        dd if=/dev/zero of=/tmp/full bs=4k 2>/dev/null || :",
        keep("save"),
        keep("restore"),
        home.display()
    ));
    let sudo = |site: &Site| {
        let mut options = site.options("r1");
        options.sudo = Some(kuboard_ha::host::session::Sudo { password: None });
        options
    };
    for change in [":", "mount -o remount,ro /tmp"] {
        sshd.within(change);
        let mut session = Session::open(site.host.as_ref(), sudo(&site)).await.unwrap();
        // More than a pipe takes goes into a file, whatever the version of bash.
        let large = "x".repeat(70_000);
        let script =
            format!("(echo x >/tmp/x) 2>/dev/null || echo no room; bash -c 'wc -c <<end\n{large}\nend'");
        let look = session.gather(&script, Duration::from_secs(5)).await.unwrap();
        assert_eq!(look.text, "no room\n70001\n", "{change}");
        assert_eq!(session.lease().await.unwrap(), Lease::Leased { stale: false });
        let (end, _) = contract::run(&mut session, &contract::job(&[("greet one", 5)])).await;
        assert_eq!(end, JobEnd::Done);
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_every_run_needs_and_a_host_lacks_is_named() {
    let sshd = Sshd::start("").await;
    for (tool, package) in [("timeout", "coreutils"), ("dd", "coreutils"), ("flock", "util-linux")] {
        sshd.within(&format!("mount --bind /dev/null /usr/bin/{tool}"));
        let mut session = open(&Sshd::site(sshd.settings(), None)).await.unwrap();
        let error = session.lease().await.unwrap_err();
        assert_eq!(error.kind, HostErrorKind::Broken, "{error}");
        assert!(error.message.contains(&format!("{tool} is missing: install {package}")), "{error}");
        sshd.within(&format!("umount /usr/bin/{tool}"));
    }
    for (mount, why) in [("size=4k", "No space left on device"), ("ro", "Read-only file system")] {
        let site = Sshd::site(sshd.settings(), None);
        let folder = site.path("run");
        sshd.within(&format!(
            "mkdir -p {folder}; mount -t tmpfs -o size=4k none {folder}; echo x >{folder}/x; mount -o remount,{mount} {folder}"
        ));
        let error = open(&site).await.unwrap().lease().await.unwrap_err();
        assert_eq!(error.kind, HostErrorKind::Broken, "{error}");
        assert!(error.message.contains(why), "{error}");
        assert!(error.hint.unwrap().contains(&folder), "it says where");
        sshd.within(&format!("umount {folder}"));
    }
}

#[tokio::test]
async fn one_session_a_connection_is_enough() {
    let sshd = Sshd::start("MaxSessions 1").await;
    let site = Sshd::site(sshd.settings(), None);
    let mut first = open(&site).await.unwrap();
    let mut second = open(&site).await.unwrap();
    for session in [&mut first, &mut second] {
        let look = session.gather("greet you", Duration::from_secs(5)).await.unwrap();
        assert_eq!(look.text, "hello you\n");
    }
    assert_eq!(sshd.logins(), 2);
    first.close().await.unwrap();
    second.close().await.unwrap();
}
