//! What went wrong, told from ssh's own words. They are not translated: ssh has no other language.

use super::super::{HostError, HostErrorKind};

/// A login that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: HostErrorKind,
    pub(super) what: String,
    log: String,
}

impl Failure {
    pub(super) fn of(kind: HostErrorKind, what: String, log: &str) -> Self {
        Self { kind, what, log: log.to_owned() }
    }

    pub(super) fn local(what: String) -> Self {
        Self::of(HostErrorKind::Local, what, "")
    }

    /// Whether the server would still have taken this method: `Permission denied (publickey,password).`
    pub(super) fn offers(&self, method: &str) -> bool {
        self.log
            .lines()
            .rev()
            .find_map(|line| line.split_once("Permission denied (")?.1.split_once(')'))
            .is_some_and(|(methods, _)| methods.split(',').any(|offered| offered == method))
    }
}

/// The words, what they mean; the first that occurs counts, so causes stand before their consequences.
const MEANINGS: &[(&str, HostErrorKind, &str)] = &[
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", HostErrorKind::HostKeyChanged, "the host key changed"),
    ("revoked host key", HostErrorKind::HostKeyChanged, "the host key was revoked"),
    ("Host key verification failed", HostErrorKind::HostKeyUnknown, "the host key is not known here"),
    ("Too many authentication failures", HostErrorKind::Login, ""),
    ("Permission denied", HostErrorKind::Login, ""),
    ("Bad owner or permissions", HostErrorKind::Local, ""),
    ("onfiguration option", HostErrorKind::Local, ""),
    ("Can't open user config file", HostErrorKind::Local, ""),
    ("too long for Unix domain socket", HostErrorKind::Local, ""),
    ("Unable to negotiate", HostErrorKind::Protocol, ""),
    ("Could not resolve hostname", HostErrorKind::Unreachable, ""),
    ("Connection refused", HostErrorKind::Unreachable, ""),
    ("timed out", HostErrorKind::Unreachable, ""),
    ("No route to host", HostErrorKind::Unreachable, ""),
    ("Network is unreachable", HostErrorKind::Unreachable, ""),
    ("Connection closed by", HostErrorKind::Unreachable, ""),
    ("Connection reset by", HostErrorKind::Unreachable, ""),
];

/// Reads ssh's log of a login that failed.
pub(super) fn classify(log: &str) -> Failure {
    for (words, kind, meaning) in MEANINGS {
        if let Some(line) = log.lines().find(|line| line.contains(words)) {
            let what = if meaning.is_empty() { plain(line) } else { (*meaning).to_owned() };
            return Failure::of(*kind, with_key_trouble(what, log), log);
        }
    }
    let last = log.lines().map(plain).rfind(|line| !line.is_empty() && !line.starts_with("Warning:"));
    Failure::of(HostErrorKind::Unreachable, last.unwrap_or_else(|| "it ended without a word".to_owned()), log)
}

/// A key that could not be read explains why none was accepted.
fn with_key_trouble(what: String, log: &str) -> String {
    let trouble = log.lines().find(|line| {
        line.contains("not accessible") || line.contains("bad permissions") || line.contains("invalid format")
    });
    match trouble {
        Some(line) => format!("{what} ({})", plain(line)),
        None => what,
    }
}

fn plain(line: &str) -> String {
    let line = line.trim().trim_end_matches('.');
    line.strip_prefix("ssh: ").or(line.strip_prefix("Warning: ")).unwrap_or(line).to_owned()
}

/// An error on the way to a host.
pub(super) fn at_bastion(jump: &str, error: &HostError) -> HostError {
    HostError::new(error.kind, format!("bastion {jump}: {}", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_ssh_are_understood() {
        use HostErrorKind::{HostKeyChanged, HostKeyUnknown, Local, Login, Protocol, Unreachable};
        for (log, kind) in [
            ("ssh: connect to host 10.0.0.1 port 22: Connection refused\r\n", Unreachable),
            ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", Unreachable),
            ("ssh: connect to host 10.0.0.1 port 22: No route to host", Unreachable),
            ("ssh: Could not resolve hostname etcd1: Name or service not known", Unreachable),
            ("kex_exchange_identification: read: Connection reset by peer", Unreachable),
            ("Connection closed by UNKNOWN port 65535", Unreachable),
            (
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
                HostKeyUnknown,
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                HostKeyChanged,
            ),
            (
                "Warning: Permanently added 'h' (ED25519) to the list of known hosts.\nops@h: Permission denied (publickey).",
                Login,
            ),
            ("Received disconnect from h port 22:2: Too many authentication failures", Login),
            (
                "/home/u/.ssh/config: line 3: Bad configuration option: hots\n/home/u/.ssh/config: terminating, 1 bad configuration options",
                Local,
            ),
            ("Unable to negotiate with h port 22: no matching host key type found.", Protocol),
        ] {
            assert_eq!(classify(log).kind, kind, "{log}");
        }
        let log = "Warning: Identity file /k not accessible: No such file or directory.\no@h: Permission denied (publickey,keyboard-interactive).";
        let failure = classify(log);
        assert_eq!(
            failure.what,
            "o@h: Permission denied (publickey,keyboard-interactive) (Identity file /k not accessible: No such file or directory)"
        );
        assert!(failure.offers("keyboard-interactive") && !failure.offers("password"));
    }
}
