//! Starting the one `ssh` process that carries a connection.
//!
//! The crate `openssh` can start it too, but then always with `BatchMode=yes`, which rules out passwords, and without a
//! say in how a bastion is reached; so it is started here and the crate attaches to it.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use openssh::Session;
use tokio::process::Command;

use super::super::{Deadlines, HostError, HostErrorKind};
use super::advice::Advice;
use super::failure::{self, Failure, Log};
use super::folder::control_folder;
use crate::inventory::model::HostKeys;
use crate::secret::Secret;

/// Where and as whom to log in.
#[derive(Clone)]
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) port: Option<u16>,
    pub(super) identity_file: Option<&'a Path>,
    pub(super) host_keys: HostKeys,
    pub(super) config_file: Option<&'a Path>,
    pub(super) password: Option<&'a Secret<String>>,
    /// A command that connects to the host, in place of a connection of ssh's own.
    pub(super) proxy: Option<String>,
    /// Hosts to go through first, as `ssh -J` takes them.
    pub(super) jump: Option<&'a str>,
    /// What the connection that `proxy` uses writes down.
    pub(super) bastion: Option<&'a Path>,
    /// How long connecting and logging in may take.
    pub(super) deadlines: &'a Deadlines,
}

impl Login<'_> {
    /// Logs in and leaves a master process behind. It ends when the session is dropped, or, if this program is
    /// killed, three seconds after its last channel was closed.
    pub(super) async fn connect(&self) -> Result<Session, HostError> {
        let Some(password) = self.password else {
            return self.start(None).await.map_err(|lost| self.told(&lost));
        };
        let prompt = self.prompt().await?;
        // One method at a time: a wrong password offered twice counts twice where failures lock an account.
        match self.start(Some(("password", &format!("{prompt}'s password: "), password))).await {
            Err(lost)
                if Log(&lost.log).offers("keyboard-interactive") && !Log(&lost.log).offers("password") =>
            {
                self.start(Some(("keyboard-interactive", &format!("({prompt}) Password: "), password)))
                    .await
                    .map_err(|lost| self.told(&lost))
            }
            other => other.map_err(|lost| self.told(&lost)),
        }
    }

    /// What `ssh` is told in any case.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let host_keys = match self.host_keys {
            HostKeys::Strict => "StrictHostKeyChecking=yes",
            HostKeys::AcceptNew => "StrictHostKeyChecking=accept-new",
        };
        // What a user's configuration asks for interactive logins is of no use here, and forwardings would collide.
        let accept = format!("ConnectTimeout={}", self.deadlines.accept.as_secs().max(1));
        for option in [
            host_keys,
            &accept,
            "ServerAliveInterval=5",
            "ServerAliveCountMax=4",
            "ClearAllForwardings=yes",
            "ForwardAgent=no",
            "ForwardX11=no",
            "PermitLocalCommand=no",
            "RequestTTY=no",
        ] {
            arguments.extend(["-o".into(), option.into()]);
        }
        if let Some(file) = self.config_file {
            arguments.extend(["-F".into(), file.into()]);
        }
        if let Some(file) = self.identity_file {
            arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), file.into()]);
        }
        if let Some(user) = self.user {
            arguments.extend(["-l".into(), user.into()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(proxy) = &self.proxy {
            arguments.extend(["-o".into(), format!("ProxyCommand={proxy}").into()]);
        }
        if let Some(jump) = self.jump.filter(|_| self.proxy.is_none()) {
            arguments.extend(["-J".into(), jump.into()]);
        }
        arguments
    }

    async fn start(&self, secret: Option<(&str, &str, &Secret<String>)>) -> Result<Session, Lost> {
        let nowhere = |error: std::io::Error| {
            let what =
                format!("no room for a control socket in /tmp or $XDG_RUNTIME_DIR of this machine: {error}");
            Lost { cause: Some(Failure::local(what)), log: String::new() }
        };
        let folder = control_folder().map_err(nowhere)?;
        let log = folder.path().join(LOG);
        let mut ssh = Command::new("ssh");
        // Debugging tells which keys were offered and how far the host went along, a dozen lines a command.
        ssh.args(["-M", "-N", "-f", "-o", "ControlPersist=3s", "-o", "LogLevel=DEBUG1"]);
        ssh.arg("-S").arg(folder.path().join("master")).arg("-E").arg(&log);
        // Ctrl-C at a terminal is for us alone: it must not end the commands that reach hosts through bastions.
        ssh.process_group(0);
        match secret {
            None => {
                ssh.args(["-o", "BatchMode=yes"]);
            }
            Some((method, prompt, password)) => {
                ssh.args(["-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1"]);
                ssh.args(["-o", &format!("PreferredAuthentications={method}")]);
                // `printenv PROMPT` answers this one prompt and fails on every other: a bastion's, a one-time code,
                // a key's passphrase. The password is in no file and in no argument list.
                ssh.env("SSH_ASKPASS", "printenv").env("SSH_ASKPASS_REQUIRE", "force");
                ssh.env(prompt, password.reveal());
                if std::env::var_os("DISPLAY").is_none() {
                    // Clients before 8.4 ask for a display before they ask the program.
                    ssh.env("DISPLAY", ":0");
                }
            }
        }
        ssh.args(self.arguments()).arg("--").arg(self.host);
        // What it says before it opens its log, and what the commands say that it goes through.
        let stderr = std::fs::File::options().create(true).append(true).open(&log).map_err(nowhere)?;
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).kill_on_drop(true);
        let patience = self.deadlines.accept + self.deadlines.login;
        let status = tokio::time::timeout(patience, ssh.status()).await;
        let cause = match status {
            Ok(Ok(status)) if status.success() => return Ok(Session::new_native_mux(folder)),
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(Failure::local(format!("the program ssh could not be started: {error}"))),
            Err(_) => {
                let what = format!("connection timed out: no login within {} s", patience.as_secs());
                Some(Failure::of(HostErrorKind::Silent, what))
            }
        };
        Err(Lost { cause, log: std::fs::read_to_string(&log).unwrap_or_default() })
    }

    /// `USER@HOST` as ssh writes them when it asks for a password, after `~/.ssh/config` had its say.
    async fn prompt(&self) -> Result<String, HostError> {
        let failed = |why: &str| {
            self.told(&Lost { cause: Some(Failure::local(format!("ssh -G: {why}"))), log: String::new() })
        };
        let output = Command::new("ssh")
            .arg("-G")
            .args(self.arguments())
            .arg("--")
            .arg(self.host)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| failed(&error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let user = value("user").ok_or_else(|| failed("it names no user"))?;
        let host = value("hostkeyalias").or(value("hostname")).unwrap_or(self.host);
        Ok(format!("{user}@{}", host.to_ascii_lowercase()))
    }

    fn told(&self, lost: &Lost) -> HostError {
        let advice = Advice(self);
        let failure = if let Some(cause) = &lost.cause {
            let hint = advice.against(cause.kind, Log(&lost.log));
            Failure { kind: cause.kind, what: cause.what.clone(), hint }
        } else {
            let bastion = self.bastion.and_then(|file| std::fs::read_to_string(file).ok());
            failure::classify(&lost.log, bastion.as_deref(), &advice)
        };
        let user = self.user.map_or_else(String::new, |user| format!("{user}@"));
        let port = self.port.map_or_else(String::new, |port| format!(" port {port}"));
        let message = format!("ssh to {user}{}{port}: {}", self.host, failure.what);
        HostError { hint: failure.hint, ..HostError::new(failure.kind, message) }
    }
}

/// A login that failed, and what ssh wrote meanwhile.
struct Lost {
    /// Why, where that is not for ssh's words to tell.
    cause: Option<Failure>,
    log: String,
}

/// The name of ssh's log beside its control socket.
pub(super) const LOG: &str = "log";

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
