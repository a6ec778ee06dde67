//! Hosts over a real sshd on the loopback: the contract, and what only ssh can get wrong.
//!
//! Runs as root. The daemons get users of their own through bind mounts in a mount namespace of theirs, so nothing of
//! this machine's is changed.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod contract;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use contract::Site;
use futures::future::join_all;
use kuboard_ha::event::Silent;
use kuboard_ha::host::cancel::Cancel;
use kuboard_ha::host::fleet::Fleet;
use kuboard_ha::host::session::{Frame, Lease, Session, Sudo};
use kuboard_ha::host::ssh::{Bastions, Ssh};
use kuboard_ha::host::{Host, HostError, HostErrorKind};
use kuboard_ha::inventory::model::{self, HostKeys};
use kuboard_ha::resource::HostName;
use kuboard_ha::secret::Secret;
use tempfile::TempDir;

/// `openssl passwd -6 -salt kuboardha 'open sesame'`
const OPEN_SESAME: &str =
    "$6$kuboardha$Prbbb0hWP3DAg57ZOEvfzWjXuJySC1lusCSyNCkY8uiE4b0khrz01zcCNW3W2K6H48Al6ncevsvMoUFP3z0751";

/// A daemon with keys, users and a log of its own; it ends with the test.
struct Sshd {
    folder: TempDir,
    port: u16,
    daemon: Child,
}

impl Sshd {
    /// Starts a daemon with these further lines of configuration.
    async fn start(more: &str) -> Self {
        for (program, package) in [
            ("/usr/sbin/sshd", "openssh-server"),
            ("/usr/bin/ssh", "openssh-client"),
            ("/usr/bin/sudo", "sudo"),
        ] {
            assert!(Path::new(program).exists(), "{program} is missing: apt-get install {package}");
        }
        let folder = tempfile::Builder::new().prefix("kh-sshd").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user", "other"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)));
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(
            at("config"),
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nPidFile none\n\
                 StrictModes no\nMaxStartups 100\nPermitRootLogin yes\n{more}\n",
                folder.path().display()
            ),
        )
        .unwrap();
        for (file, line) in [
            ("passwd", "ops:x:4711:4711::/:/bin/sh"),
            ("shadow", &format!("ops:{OPEN_SESAME}:19000:0:99999:7:::")),
            ("sudoers", "ops ALL=(ALL) ALL"),
        ] {
            let old = std::fs::read_to_string(Path::new("/etc").join(file)).unwrap();
            std::fs::write(at(file), format!("{old}\n{line}\n")).unwrap();
        }
        std::fs::set_permissions(at("shadow"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::set_permissions(at("sudoers"), std::fs::Permissions::from_mode(0o440)).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let daemon = Command::new("unshare")
            .args(["--mount", "--", "/bin/sh", "-euc"])
            .arg(
                "cd \"$0\"; for f in passwd shadow sudoers; do mount --bind \"$f\" \"/etc/$f\"; done
                exec /usr/sbin/sshd -D -f \"$0/config\" -E \"$0/log\"",
            )
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut sshd = Self { folder, port, daemon };
        let log = sshd.path("log");
        contract::eventually("sshd listens", || {
            assert!(sshd.daemon.try_wait().unwrap().is_none(), "sshd ended; it needs root and CAP_SYS_ADMIN");
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("Server listening"))
        })
        .await;
        let key = std::fs::read_to_string(sshd.path("host.pub")).unwrap();
        std::fs::write(sshd.path("known_hosts"), format!("[127.0.0.1]:{port} {key}")).unwrap();
        std::fs::write(
            sshd.path("client"),
            format!(
                "UserKnownHostsFile {}\nControlMaster auto\nControlPath /nowhere/%C\n",
                sshd.path("known_hosts").display()
            ),
        )
        .unwrap();
        sshd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self) -> model::Ssh {
        model::Ssh {
            host: "127.0.0.1".into(),
            user: Some("root".into()),
            port: Some(self.port),
            identity_file: Some(self.path("user")),
            host_keys: HostKeys::Strict,
            proxy_jump: None,
            config_file: Some(self.path("client")),
            password: None,
            sudo_password: None,
        }
    }

    fn site(settings: model::Ssh, password: Option<&str>) -> Site {
        let password = password.map(|text| Secret::new(text.to_owned()));
        Site::new(Ssh::new(HostName::new("far"), settings, password, &Bastions::default()), "/bin/sh")
    }

    /// How many logins were accepted.
    fn logins(&self) -> usize {
        std::fs::read_to_string(self.path("log")).unwrap().matches("Accepted ").count()
    }

    /// The clients' master processes that talk to this daemon.
    fn masters(&self) -> Vec<String> {
        let port = self.port.to_string();
        let all = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        all.filter(|pid| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.contains("kuha-") && command.starts_with("ssh") && command.contains(&port)
        })
        .collect()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn open(site: &Site) -> Result<Session, HostError> {
    Session::open(site.host.as_ref(), site.options("r1")).await
}

async fn look(site: &Site, sudo: Option<&str>) -> Result<String, HostError> {
    let mut options = site.options("r1");
    options.sudo = Some(Sudo { password: sudo.map(|text| Secret::new(text.to_owned())) });
    let mut session = Session::open(site.host.as_ref(), options).await?;
    let look = session.gather("id -un; echo \"${SUDO_USER:-itself}\"", Duration::from_secs(5)).await?;
    session.close().await?;
    Ok(look.text)
}

async fn failure(site: &Site) -> HostErrorKind {
    match open(site).await {
        Ok(_) => panic!("the login went well"),
        Err(error) => {
            assert!(error.message.contains("127.0.0.1"), "{error}");
            error.kind
        }
    }
}

#[tokio::test]
async fn the_contract_holds_over_ssh() {
    let sshd = Sshd::start("").await;
    contract::all(&|| Sshd::site(sshd.settings(), None)).await;
}

#[tokio::test]
async fn one_connection_carries_many_sessions_and_ends_with_the_host() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    let sessions = join_all((0..6).map(|_| open(&site))).await;
    for session in sessions {
        session.unwrap().close().await.unwrap();
    }
    assert_eq!(sshd.logins(), 1);
    assert_eq!(sshd.masters().len(), 1);
    drop(site);
    contract::eventually("the master has ended", || sshd.masters().is_empty()).await;
}

#[tokio::test]
async fn a_lost_connection_leaves_the_lease_to_the_step_in_hand() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    let mut session = open(&site).await.unwrap();
    assert_eq!(session.lease().await.unwrap(), Lease::Leased { stale: false });
    let gate = site.path("gate");
    let script =
        contract::job(&[(&format!("until [ -e {gate} ]; do sleep 0.05; done"), 60), ("touch /never", 5)]);
    let kill = |frame: &Frame| {
        if *frame == Frame::Begin(0) {
            for master in sshd.masters() {
                contract::kill_9(&master);
            }
        }
    };
    let lost = session.job(&script, &Cancel::new(), &mut { kill }).await.unwrap_err();
    assert_eq!(lost.kind, HostErrorKind::Disconnected, "{lost}");
    // The same host is reached again by itself.
    let mut again = Session::open(site.host.as_ref(), site.options("r2")).await.unwrap();
    let Lease::Busy(holder) = again.lease().await.unwrap() else { panic!("the step still runs") };
    assert_eq!((holder.run.as_str(), holder.step.as_str()), ("r1", "job@here/0"));
    std::fs::write(&gate, "").unwrap();
    contract::lease_in_the_end(&mut again).await;
    assert!(!Path::new("/never").exists(), "no step begins without a controller");
    again.close().await.unwrap();
}

#[tokio::test]
async fn troubles_are_told_apart() {
    let sshd = Sshd::start("").await;
    let with = |change: &dyn Fn(&mut model::Ssh)| {
        let mut settings = sshd.settings();
        change(&mut settings);
        Sshd::site(settings, None)
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(failure(&with(&|s| s.port = Some(nobody))).await, HostErrorKind::Unreachable);
    assert_eq!(failure(&with(&|s| s.identity_file = Some(sshd.path("other")))).await, HostErrorKind::Login);
    assert_eq!(failure(&with(&|s| s.config_file = Some(sshd.path("missing")))).await, HostErrorKind::Local);

    let key = std::fs::read_to_string(sshd.path("other.pub")).unwrap();
    std::fs::write(sshd.path("known_hosts"), format!("[127.0.0.1]:{} {key}", sshd.port)).unwrap();
    assert_eq!(failure(&with(&|_| {})).await, HostErrorKind::HostKeyChanged);
    assert_eq!(failure(&with(&|s| s.host_keys = HostKeys::AcceptNew)).await, HostErrorKind::HostKeyChanged);
    std::fs::write(sshd.path("known_hosts"), "").unwrap();
    assert_eq!(failure(&with(&|_| {})).await, HostErrorKind::HostKeyUnknown);
    open(&with(&|s| s.host_keys = HostKeys::AcceptNew)).await.unwrap().close().await.unwrap();
    open(&with(&|_| {})).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn passwords_for_login_and_sudo_work_and_wrong_ones_are_tried_once() {
    let sshd = Sshd::start("UsePAM no\nKbdInteractiveAuthentication no").await;
    let mut settings = sshd.settings();
    settings.user = Some("ops".into());
    settings.identity_file = None;
    let right = Sshd::site(settings.clone(), Some("open sesame"));
    assert_eq!(look(&right, Some("open sesame")).await.unwrap(), "root\nops\n");
    assert_eq!(look(&right, Some("wrong")).await.unwrap_err().kind, HostErrorKind::Sudo);
    assert_eq!(look(&right, None).await.unwrap_err().kind, HostErrorKind::Sudo);
    let wrong = Sshd::site(settings, Some("wrong"));
    assert_eq!(failure(&wrong).await, HostErrorKind::Login);
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

#[tokio::test]
async fn hosts_behind_a_bastion_share_one_connection_to_it() {
    let (bastion, inner) = (Sshd::start("").await, Sshd::start("").await);
    let mut settings = inner.settings();
    settings.proxy_jump = Some(format!("root@127.0.0.1:{}", bastion.port));
    // One key and one file of known hosts for both, as a user would have.
    std::fs::copy(inner.path("user.pub"), bastion.path("user.pub")).unwrap();
    let known = |of: &Sshd| std::fs::read_to_string(of.path("known_hosts")).unwrap();
    std::fs::write(inner.path("known_hosts"), known(&bastion) + &known(&inner)).unwrap();
    let bastions = Bastions::default();
    let sites: Vec<_> = (0..6)
        .map(|n| {
            let name = HostName::new(format!("far-{n}"));
            Site::new(Ssh::new(name, settings.clone(), None, &bastions), "/bin/sh")
        })
        .collect();
    for looked in join_all(sites.iter().map(|site| look(site, None))).await {
        assert_eq!(looked.unwrap(), "root\nitself\n");
    }
    assert_eq!((bastion.logins(), inner.logins()), (1, 6));

    // A dead bastion is named, and tried once for all.
    settings.proxy_jump = Some("root@127.0.0.1:1".into());
    let dead = Bastions::default();
    let hosts = (0..6).map(|n| Ssh::new(HostName::new(format!("far-{n}")), settings.clone(), None, &dead));
    let sites: Vec<_> = hosts.map(|host| Site::new(host, "/bin/sh")).collect();
    for error in join_all(sites.iter().map(open)).await {
        let error = error.err().unwrap();
        assert_eq!(error.kind, HostErrorKind::Unreachable);
        assert!(error.message.starts_with("bastion root@127.0.0.1:1"), "{error}");
    }
}

#[tokio::test]
async fn a_fleet_tells_of_every_host() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    let mut members = std::collections::BTreeMap::new();
    for name in ["a", "b", "c", "d"] {
        let mut settings = sshd.settings();
        if name == "b" || name == "d" {
            settings.identity_file = Some(sshd.path("other"));
        }
        let host: Arc<dyn Host> =
            Arc::new(Ssh::new(HostName::new(name), settings, None, &Bastions::default()));
        members.insert(HostName::new(name), (host, site.options("r1")));
    }
    let fleet = Fleet::new(members, 2);
    let outcome = fleet
        .each(&Silent, |mut session| async move {
            let text = session.gather("greet you", Duration::from_secs(5)).await?.text;
            session.close().await.map(|()| text)
        })
        .await;
    let told: Vec<_> = outcome.iter().map(|(name, outcome)| (name.as_str(), outcome.is_ok())).collect();
    assert_eq!(told, [("a", true), ("b", false), ("c", true), ("d", false)]);
}
