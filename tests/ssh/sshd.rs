//! A real sshd with users, sudoers, mounts and a configuration of its own.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kuboard_ha::host::ssh::{Bastions, Ssh};
use kuboard_ha::inventory::model::{self, HostKeys};
use kuboard_ha::resource::HostName;
use kuboard_ha::secret::Secret;
use tempfile::TempDir;

use crate::contract::{self, Site};

/// `openssl passwd -6 -salt kuboardha 'open sesame'`
const OPEN_SESAME: &str =
    "$6$kuboardha$Prbbb0hWP3DAg57ZOEvfzWjXuJySC1lusCSyNCkY8uiE4b0khrz01zcCNW3W2K6H48Al6ncevsvMoUFP3z0751";

/// Users beside root: name, login shell, and what their `~/.bashrc` holds. All have the password `open sesame`.
const USERS: &[(&str, &str, &str)] = &[
    ("ops", "/bin/sh", ""),
    ("lost", "/bin/sh", ""),
    ("narrow", "/bin/sh", ""),
    ("tty", "/bin/sh", ""),
    ("fish", "/usr/bin/fish", ""),
    ("csh", "/bin/csh", ""),
    ("rbash", "/bin/rbash", ""),
    ("nologin", "/usr/sbin/nologin", ""),
    ("mute", "/bin/false", ""),
    (
        "noisy",
        "/bin/bash",
        "echo Welcome to the machine; echo 'hello from .bashrc' >&2; printf 'kuboard-ha '",
    ),
    ("asks", "/bin/bash", "echo 'Which project?'; read -r project"),
    ("leaves", "/bin/bash", "echo 'no tty, no service'; exit 3"),
];

const SUDOERS: &str = "ops ALL=(ALL) ALL
narrow ALL=(ALL) NOPASSWD: /bin/true
fish,csh,noisy,tty ALL=(ALL) NOPASSWD: ALL
Defaults:tty requiretty";

fn passwd(folder: &Path) -> String {
    let line = |(number, (name, shell, bashrc)): (usize, &(&str, &str, &str))| {
        let home = folder.join("home").join(name);
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join(".bashrc"), format!("{bashrc}\n")).unwrap();
        let id = 4711 + number;
        format!("{name}:x:{id}:{id}::{}:{shell}", home.display())
    };
    let users: Vec<_> = USERS.iter().enumerate().map(line).collect();
    // Root under another name, with the plainest of shells.
    format!("{}\ntoor:x:0:0::/:/bin/sh", users.join("\n"))
}

fn shadow() -> String {
    let names = USERS.iter().map(|(name, ..)| *name).chain(["toor"]);
    names.map(|name| format!("{name}:{OPEN_SESAME}:19000:0:99999:7:::\n")).collect()
}

/// A daemon with keys, users and a log of its own; it ends with the test.
pub struct Sshd {
    folder: TempDir,
    pub port: u16,
    daemon: Child,
}

impl Sshd {
    /// Starts a daemon with these further lines of configuration.
    pub async fn start(more: &str) -> Self {
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
        // Of what stands twice the first counts, and a match lasts to the end.
        let (before, after) = more.split_at(more.find("Match ").unwrap_or(more.len()));
        std::fs::write(
            at("config"),
            format!(
                "{before}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nPidFile none\n\
                 StrictModes no\nMaxStartups 100\nPermitRootLogin yes\n{after}\n",
                folder.path().display()
            ),
        )
        .unwrap();
        for (file, line) in
            [("passwd", passwd(folder.path())), ("shadow", shadow()), ("sudoers", SUDOERS.to_owned())]
        {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn settings(&self) -> model::Ssh {
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

    /// Logs in as that user with the key.
    pub fn as_user(&self, user: &str) -> Site {
        Self::site(model::Ssh { user: Some(user.to_owned()), ..self.settings() }, None)
    }

    /// Runs a command where the daemon's sessions will run: what it mounts, only they see.
    pub fn within(&self, script: &str) {
        let target = self.daemon.id().to_string();
        run(Command::new("nsenter").args(["--mount", "--target", &target, "--", "/bin/sh", "-euc", script]));
    }

    pub fn site(settings: model::Ssh, password: Option<&str>) -> Site {
        let password = password.map(|text| Secret::new(text.to_owned()));
        Site::new(Ssh::new(HostName::new("far"), settings, password, &Bastions::default()), "/bin/sh")
    }

    /// How many logins were accepted.
    pub fn logins(&self) -> usize {
        std::fs::read_to_string(self.path("log")).unwrap().matches("Accepted ").count()
    }

    /// The clients' master processes that talk to this daemon.
    pub fn masters(&self) -> Vec<String> {
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

pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
