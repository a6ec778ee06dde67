//! Many hosts behind one bastion share one connection to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use openssh::Session;
use tokio::sync::Mutex;

use super::super::{Deadlines, HostError, HostErrorKind};
use super::master::{LOG, Login};
use crate::inventory::model;
use crate::plan::script::quote;

/// The bastions in use, each with its connection. Copies share them.
#[derive(Clone, Default)]
pub struct Bastions(Arc<Mutex<BTreeMap<Vec<OsString>, Slot>>>);

/// One bastion: the last attempt to connect to it, when it ended and with what.
type Slot = Arc<Mutex<Option<(Instant, Result<Session, HostError>)>>>;

/// The way through a bastion.
pub(super) struct Way {
    /// A command that reaches `%h:%p`.
    pub(super) command: String,
    /// What the bastion's connection writes down: why it could not, among other things.
    pub(super) log: PathBuf,
}

impl Bastions {
    /// The way through a bastion, connected to first where it is not yet. The keys that the host's settings name serve
    /// for the bastion too.
    pub(super) async fn way(
        &self,
        jump: &str,
        settings: &model::Ssh,
        deadlines: &Deadlines,
    ) -> Result<Way, HostError> {
        let (before, last) = match jump.rsplit_once(',') {
            Some((before, last)) => (Some(before), last),
            None => (None, jump),
        };
        let (user, host, port) = parts(last);
        let login = Login {
            host,
            user,
            port,
            identity_file: settings.identity_file.as_deref(),
            host_keys: settings.host_keys,
            config_file: settings.config_file.as_deref(),
            password: None,
            proxy: None,
            jump: before,
            bastion: None,
            deadlines,
        };
        let mut arguments = login.arguments();
        arguments.extend(["--".into(), host.into()]);
        let slot = Arc::clone(self.0.lock().await.entry(arguments.clone()).or_default());
        let asked = Instant::now();
        let mut slot = slot.lock().await;
        let usable = match &*slot {
            // Those who waited while one tried share what became of it: a dead bastion is tried once, not per host.
            Some((ended, Err(error))) if *ended >= asked => return Err(error.clone()),
            Some((_, Ok(session))) => {
                tokio::time::timeout(deadlines.answer, session.check()).await.is_ok_and(|alive| alive.is_ok())
            }
            _ => false,
        };
        if !usable {
            let attempt = login.connect().await.map_err(|error| at_bastion(last, &error));
            *slot = Some((Instant::now(), attempt));
        }
        match &*slot {
            Some((_, Ok(session))) => {
                let socket = session.control_socket();
                Ok(Way {
                    command: command(&socket.to_string_lossy(), &arguments),
                    log: socket.with_file_name(LOG),
                })
            }
            Some((_, Err(error))) => Err(error.clone()),
            None => Err(HostError::new(HostErrorKind::Local, format!("bastion {last}: it was never tried"))),
        }
    }
}

/// An error on the way to a host.
fn at_bastion(jump: &str, error: &HostError) -> HostError {
    HostError { message: format!("bastion {jump}: {}", error.message), ..error.clone() }
}

/// Should the shared connection be gone when it is used, ssh makes one of its own.
fn command(socket: &str, arguments: &[OsString]) -> String {
    let words: Vec<_> =
        arguments.iter().map(|word| quote(&word.to_string_lossy()).replace('%', "%%")).collect();
    let socket = quote(socket).replace('%', "%%");
    format!("ssh -S {socket} -o ControlMaster=no -o BatchMode=yes -W '[%h]:%p' {}", words.join(" "))
}

/// `[USER@]HOST[:PORT]`, an IPv6 address with a port in brackets, `ssh://` before it or not.
fn parts(jump: &str) -> (Option<&str>, &str, Option<u16>) {
    let jump = jump.strip_prefix("ssh://").unwrap_or(jump).trim_end_matches('/');
    let (user, rest) = match jump.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, jump),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (rest, None),
        },
        _ => (rest, None),
    };
    (user, host.trim_start_matches('[').trim_end_matches(']'), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bastion_is_read_as_ssh_reads_it() {
        assert_eq!(parts("b.example"), (None, "b.example", None));
        assert_eq!(parts("ops@b.example:2222"), (Some("ops"), "b.example", Some(2222)));
        assert_eq!(parts("[fd00::1]:22"), (None, "fd00::1", Some(22)));
        assert_eq!(parts("fd00::1"), (None, "fd00::1", None));
        assert_eq!(parts("ssh://a@b:1"), (Some("a"), "b", Some(1)));
    }

    #[test]
    fn what_the_user_names_is_neither_shell_nor_token() {
        let text = command("/tmp/k", &["-i".into(), "/home/a b/%h'key".into()]);
        assert!(text.ends_with(r"'-i' '/home/a b/%%h'\''key'"), "{text}");
    }
}
