//! What went wrong, told from ssh's own words. They are not translated: ssh has no other language, and asks the system's
//! messages in none. They differ between versions and between C libraries (glibc, musl, macOS).

use super::super::HostErrorKind::{
    self, Forwarding, HostKeyChanged, HostKeyUnknown, HungUp, Local, Login, NoSuchName, Protocol, Refused,
    Silent, Unreachable,
};
use super::advice::Advice;

/// A login that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: HostErrorKind,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn of(kind: HostErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), hint: None }
    }

    pub(super) fn local(what: String) -> Self {
        Self::of(Local, what)
    }
}

/// What ssh wrote at LogLevel=DEBUG1, or a part of it.
#[derive(Clone, Copy)]
pub(super) struct Log<'a>(pub(super) &'a str);

impl<'a> Log<'a> {
    fn lines(self) -> impl Iterator<Item = &'a str> {
        self.0.lines().map(str::trim)
    }

    /// What ssh says to everybody.
    fn said(self) -> impl Iterator<Item = &'a str> {
        self.lines().filter(|line| !line.starts_with("debug"))
    }

    /// The first line with these words, and what follows them there.
    fn after(self, words: &str) -> Option<&'a str> {
        self.lines().find_map(|line| line.split_once(words)).map(|(_, rest)| rest)
    }

    fn has(self, words: &str) -> bool {
        self.0.contains(words)
    }

    /// Whether the server would still have taken this method: `Permission denied (publickey,password).`
    pub(super) fn offers(self, method: &str) -> bool {
        self.lines()
            .filter_map(|line| line.split_once("Permission denied (")?.1.split_once(')'))
            .last()
            .is_some_and(|(methods, _)| methods.split(',').any(|offered| offered == method))
    }

    /// As whom, as ssh's configuration has it.
    pub(super) fn user(self) -> Option<&'a str> {
        self.after("Authenticating to ")?.split('\'').nth(1)
    }

    /// The key that the server shows: `ssh-ed25519 SHA256:…`.
    fn host_key(self) -> Option<&'a str> {
        self.after("Server host key: ")
    }

    /// By what name the host's key is kept: `[h]:2222`.
    pub(super) fn known_as(self) -> Option<&'a str> {
        let unknown = || Some(self.after("host key is known for ")?.split_once(" and you")?.0);
        let changed = || Some(self.after("ost key for ")?.split_once(" has changed")?.0);
        unknown().or_else(changed)
    }

    /// Where another key of that host lies: file and line.
    pub(super) fn offending(self) -> Option<(&'a str, &'a str)> {
        self.lines().find(|line| line.contains("Offending "))?.split_once(" in ")?.1.rsplit_once(':')
    }

    /// The keys that were shown to the server: files, or comments of those that only the agent has.
    pub(super) fn offered(self) -> Vec<&'a str> {
        self.lines().filter_map(|line| line.strip_prefix("debug1: Offering ")).filter_map(key).collect()
    }

    /// The last key that the server would have taken.
    pub(super) fn accepted(self) -> Option<&'a str> {
        self.lines().filter_map(|line| line.strip_prefix("debug1: Server accepts key: ")).map(name).last()
    }

    /// Why a bastion, whose log this is, did not let us through to a place.
    fn not_forwarded(self, place: &str) -> Option<&'a str> {
        // channel_connect_stdio_fwd: 10.0.0.5:22 / channel 2: new stdio-forward / channel 2: open failed: WHY
        let mut channel = None;
        let mut why = None;
        let mut is_next = false;
        for line in self.lines() {
            if let Some((_, to)) = line.split_once("channel_connect_stdio_fwd") {
                is_next = to.trim_start_matches([':', ' ']) == place;
            } else if is_next && let Some(number) = line.strip_prefix("debug1: channel ") {
                channel = number.split(':').next();
                is_next = false;
            } else if let Some((number, cause)) = line
                .strip_prefix("channel ")
                .and_then(|line| line.split_once(": open failed: "))
                .filter(|(number, _)| Some(*number) == channel)
            {
                let _ = number;
                why = Some(cause);
                channel = None;
            }
        }
        why
    }
}

/// `public key: /root/.ssh/id ED25519 SHA256:… explicit`, in old versions `RSA public key: /root/.ssh/id`.
fn key(offer: &str) -> Option<&str> {
    Some(name(offer.split_once("public key: ")?.1))
}

fn name(key: &str) -> &str {
    match key.find(" SHA256:") {
        Some(end) => key[..end].rsplit_once(' ').map_or(&key[..end], |(name, _)| name),
        None => key,
    }
}

/// The words, and what they mean; the first that occurs counts, so causes stand before their consequences.
const MEANINGS: &[(&str, HostErrorKind)] = &[
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", HostKeyChanged),
    ("revoked host key", HostKeyChanged),
    ("Host key verification failed", HostKeyUnknown),
    ("Too many authentication failures", Login),
    ("Permission denied", Login),
    ("Bad owner or permissions", Local),
    ("onfiguration option", Local),
    ("Can't open user config file", Local),
    ("too long for Unix domain socket", Local),
    ("Unable to negotiate", Protocol),
    ("administratively prohibited", Forwarding),
    ("Temporary failure in name resolution", Unreachable),
    ("Try again", Unreachable),
    ("Could not resolve hostname", NoSuchName),
    ("hostname contains invalid characters", NoSuchName),
    ("Name or service not known", NoSuchName),
    ("ame does not resolve", NoSuchName),
    ("onnection refused", Refused),
    ("timed out", Silent),
    ("not responding", Silent),
    ("No route to host", Unreachable),
    ("Host is unreachable", Unreachable),
    ("Network is unreachable", Unreachable),
    ("Network unreachable", Unreachable),
    ("Connection closed by", HungUp),
    ("Connection reset by", HungUp),
    ("Connection to UNKNOWN", HungUp),
    ("Session open refused by peer", HungUp),
    ("Broken pipe", HungUp),
];

/// Reads ssh's log of a login that failed; `bastion` is the log of the connection that was to carry it.
pub(super) fn classify(log: &str, bastion: Option<&str>, advice: &Advice<'_>) -> Failure {
    let log = Log(log);
    let refused = bastion.zip(through(log)).and_then(|(bastion, place)| Log(bastion).not_forwarded(&place));
    let mut failure = match refused {
        Some(why) => {
            let kind = meaning(std::iter::once(why)).map_or(Unreachable, |(kind, _)| kind);
            Failure::of(kind, format!("the bastion says: {}", why.to_lowercase()))
        }
        None => told(log),
    };
    failure.hint = failure.hint.or_else(|| advice.against(failure.kind, log));
    failure
}

/// Where the proxy command was to lead: `-W '[10.0.0.5]:22'`.
fn through(log: Log<'_>) -> Option<String> {
    let place = log.after("Executing proxy command: ")?.split_once("-W '[")?.1.split('\'').next()?;
    Some(place.replacen("]:", ":", 1))
}

fn meaning<'a>(mut lines: impl Iterator<Item = &'a str> + Clone) -> Option<(HostErrorKind, &'a str)> {
    MEANINGS.iter().find_map(|(words, kind)| {
        let mut lines = lines.by_ref().clone();
        lines.find(|line| line.contains(words)).map(|line| (*kind, line))
    })
}

fn told(log: Log<'_>) -> Failure {
    let Some((kind, line)) = meaning(log.said().collect::<Vec<_>>().into_iter()) else {
        let last =
            log.said().map(plain).filter(|line| !line.is_empty() && !line.starts_with("Warning:")).last();
        return Failure::of(Unreachable, last.unwrap_or_else(|| "ssh ended without a word".to_owned()));
    };
    let key = log.host_key().map_or_else(String::new, |key| format!(": {key}"));
    let what = match kind {
        HostKeyChanged if line.contains("revoked") => format!("the host key was revoked{key}"),
        HostKeyChanged => format!("the host key changed; it now shows{key}").replace("shows:", "shows"),
        HostKeyUnknown => format!("the host key is not known here{key}"),
        Login => return login(log, line),
        Refused => "connection refused".to_owned(),
        NoSuchName => "its name does not resolve".to_owned(),
        Silent if log.has("Connection established.") || log.has("banner exchange") => {
            "connection timed out: it was accepted, and then nothing was said".to_owned()
        }
        Silent => "connection timed out".to_owned(),
        HungUp if log.has("MaxStartups") || log.has("Not allowed at this time") => {
            "the server turned us away before the login: too many at once".to_owned()
        }
        HungUp => format!("the server hung up before the login ({})", plain(line)),
        // The host and its port were said already.
        Unreachable => lower(plain(line).rsplit(": ").next().unwrap_or_default()),
        _ => lower(&plain(line)),
    };
    Failure::of(kind, what)
}

/// Why nobody let us in.
fn login(log: Log<'_>, line: &str) -> Failure {
    let said = plain(line);
    let methods = said.find("Permission denied").map_or(said.as_str(), |at| &said[at..]);
    let user = log.user().map_or_else(|| "the user".to_owned(), |user| format!("user {user}"));
    let offered = log.offered();
    let password = log.lines().any(|line| {
        line.ends_with("Next authentication method: password")
            || line.ends_with("Next authentication method: keyboard-interactive")
    });
    let what = if line.contains("Too many") {
        format!("too many authentication failures: {} keys were offered before the right one", offered.len())
    } else if let Some(trouble) = log.said().find(|line| is_key_trouble(line)) {
        format!("{methods} ({})", plain(trouble))
    } else if let Some(key) = log.accepted() {
        format!("{methods}: the key {key} would do, but it is locked with a passphrase and no agent holds it")
    } else if password {
        format!("{methods}: the password was not accepted for {user}")
    } else if offered.is_empty() {
        format!("{methods}: there was no key to offer for {user}")
    } else {
        format!("{methods}: no key was accepted for {user}; offered: {}", offered.join(", "))
    };
    Failure::of(Login, what)
}

/// A key that could not be read, or not be used, explains why none was accepted.
fn is_key_trouble(line: &str) -> bool {
    [
        "not accessible",
        "bad permissions",
        "invalid format",
        "error in libcrypto",
        "signing failed",
        "no such identity",
    ]
    .iter()
    .any(|words| line.contains(words))
}

fn plain(line: &str) -> String {
    let line = line.trim().trim_end_matches('.');
    line.strip_prefix("ssh: ").or(line.strip_prefix("Warning: ")).unwrap_or(line).to_owned()
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // Not a name in capitals.
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
