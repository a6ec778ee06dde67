//! The secrets that users supply, read on this machine. An error names the key and the place, never a value.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::inventory::model::SecretSource;
use crate::inventory::{Inventory, refuse_published};
use crate::plan::model::{Finding, Severity};
use crate::resource::HostName;
use crate::secret::{Fingerprint, Secret, SecretId};

/// What a secret may have: variables of a process and lines of an environment file take no more. Bytes.
const LARGEST: usize = 32 * 1024;

/// Where secrets are read: the environment and the files of this machine.
pub trait Vault {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<Vec<u8>>;
    /// A file.
    fn file(&self, path: &Path) -> std::io::Result<Vec<u8>>;
}

/// This process's environment and this machine's files.
pub struct ThisMachine;

impl Vault for ThisMachine {
    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes)
    }

    fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        files::read(path, LARGEST)
    }
}

/// All secrets that the inventory names.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Those that go to hosts.
    pub supplied: BTreeMap<SecretId, Secret<String>>,
    /// What is needed to get in.
    pub logins: BTreeMap<HostName, Login>,
}

/// The passwords for one host.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// ssh's.
    pub password: Option<Secret<String>>,
    /// sudo's.
    pub sudo_password: Option<Secret<String>>,
}

impl Secrets {
    /// Reads them all. The error tells every one that is wrong.
    pub fn read(inventory: &Inventory, vault: &dyn Vault) -> Result<Self, CliError> {
        let mut secrets = Self::default();
        let mut wrong = Vec::new();
        for (id, source) in inventory.supplied_secrets() {
            let value = read(vault, source, Shape::of(&id))
                .and_then(|value| refuse_published(&id, &value).map(|()| value));
            match value {
                Ok(value) => {
                    secrets.supplied.insert(id, value);
                }
                Err(why) => wrong.push(format!("{}: {why}", key(&id))),
            }
        }
        let mut login = |name: &HostName, key: &str, source: &Option<SecretSource>| match source {
            None => None,
            Some(source) => match read(vault, source, Shape::Line) {
                Ok(value) => Some(value),
                Err(why) => {
                    wrong.push(format!("ssh.{key} of {name}: {why}"));
                    None
                }
            },
        };
        for (name, host) in &inventory.hosts {
            let password = login(name, "password", &host.ssh.password);
            let sudo_password = login(name, "sudo_password", &host.ssh.sudo_password);
            secrets.logins.insert(name.clone(), Login { password, sudo_password });
        }
        if wrong.is_empty() { Ok(secrets) } else { Err(refusal(&wrong)) }
    }

    /// What planning may know of those that go to hosts.
    pub fn fingerprints(&self, cluster: &str) -> BTreeMap<SecretId, Fingerprint> {
        let print = |(id, value): (&SecretId, _)| (id.clone(), Fingerprint::of(cluster, id, value));
        self.supplied.iter().map(print).collect()
    }
}

fn refusal(wrong: &[String]) -> CliError {
    let mut report = String::new();
    for line in wrong {
        let _ = writeln!(report, "  {line}");
    }
    let error = match wrong.len() {
        1 => "a secret that the inventory names cannot be used".to_owned(),
        several => format!("{several} secrets that the inventory names cannot be used"),
    };
    CliError::new(Exit::Inventory, error)
        .report(report)
        .findings(wrong.iter().map(|line| Finding::cluster(Severity::Blocked, "inventory.secret", line)))
        .hint("a secret is one line of text in the named variable or file of this machine")
}

/// What a secret has to look like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One line of text.
    Line,
    /// One line of ASCII: QuestDB compares a password's UTF-8 bytes with its UTF-16 characters.
    AsciiLine,
    /// A private key in PEM.
    Key,
}

impl Shape {
    fn of(id: &SecretId) -> Self {
        match id.as_str() {
            SecretId::TLS_KEY => Self::Key,
            SecretId::QUESTDB_PASSWORD => Self::AsciiLine,
            _ => Self::Line,
        }
    }
}

fn read(vault: &dyn Vault, source: &SecretSource, shape: Shape) -> Result<Secret<String>, String> {
    let (bytes, place) = match source {
        SecretSource::Env(name) => {
            let place = format!("the environment variable {name}");
            (vault.variable(name).ok_or_else(|| format!("{place} is not set"))?, place)
        }
        SecretSource::File(path) => {
            let place = format!("the file {}", path.display());
            (vault.file(path).map_err(|error| format!("{place} cannot be read: {error}"))?, place)
        }
    };
    let mut text = String::from_utf8(bytes).map_err(|_| format!("{place} is not UTF-8 text"))?;
    if matches!(source, SecretSource::File(_)) && shape != Shape::Key && text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.len() > LARGEST {
        return Err(format!("{place} holds more than {LARGEST} bytes"));
    }
    match fault(&text, shape) {
        Some(fault) => Err(format!("{place} {fault}")),
        None => Ok(Secret::new(text)),
    }
}

fn fault(text: &str, shape: Shape) -> Option<&'static str> {
    if text.trim().is_empty() {
        return Some("is empty");
    }
    if shape == Shape::Key {
        return (!text.contains("PRIVATE KEY-----")).then_some("holds no private key in PEM");
    }
    if text.contains(['\n', '\r']) {
        return Some("holds more than one line");
    }
    if text.chars().any(char::is_control) {
        return Some("holds a control character");
    }
    if shape == Shape::AsciiLine && !text.is_ascii() {
        return Some("holds a character outside ASCII: QuestDB would take no login with it");
    }
    None
}

/// Where the inventory names that secret.
fn key(id: &SecretId) -> String {
    match id.as_str() {
        SecretId::QUESTDB_PASSWORD => "questdb.password".to_owned(),
        SecretId::ADMIN_PASSWORD => "kuboard.admin_password".to_owned(),
        SecretId::REGISTRY_PASSWORD => "kuboard.registry.password".to_owned(),
        SecretId::TLS_KEY => "load_balancer.tls.key".to_owned(),
        name => match name.strip_prefix("env.") {
            Some(variable) => format!("kuboard.env.{variable}"),
            None => name.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample::{host, single};

    /// Variables and files by name.
    struct Made(BTreeMap<&'static str, &'static [u8]>);

    impl Vault for Made {
        fn variable(&self, name: &str) -> Option<Vec<u8>> {
            self.0.get(name).map(|value| value.to_vec())
        }

        fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
            self.0.get(path.to_str().unwrap()).map(|v| v.to_vec()).ok_or(std::io::ErrorKind::NotFound.into())
        }
    }

    fn inventory() -> Inventory {
        let mut inventory = single();
        inventory.kuboard.admin_password = Some(SecretSource::Env("ADMIN".into()));
        inventory.questdb.as_mut().unwrap().password = Some(SecretSource::File("/quest".into()));
        inventory.hosts.get_mut(&host("box")).unwrap().ssh.sudo_password =
            Some(SecretSource::Env("SUDO".into()));
        inventory
    }

    #[test]
    fn values_are_read_and_one_line_end_is_dropped() {
        let vault = Made(BTreeMap::from([("ADMIN", &b"one"[..]), ("/quest", b"two \n"), ("SUDO", b"three")]));
        let secrets = Secrets::read(&inventory(), &vault).unwrap();
        assert_eq!(secrets.supplied[&SecretId::new("questdb-password")].reveal(), "two ");
        assert_eq!(secrets.supplied[&SecretId::new("admin-password")].reveal(), "one");
        let login = &secrets.logins[&host("box")];
        assert_eq!(login.sudo_password.as_ref().unwrap().reveal(), "three");
        assert!(login.password.is_none());
        assert!(!format!("{secrets:?}").contains("three"));
    }

    #[test]
    fn every_fault_is_told_with_its_key_and_never_its_value() {
        let vault = Made(BTreeMap::from([("ADMIN", &b"poison\npoison"[..]), ("SUDO", b"poison\x07")]));
        let error = Secrets::read(&inventory(), &vault).unwrap_err();
        assert_eq!(error.kind, Exit::Inventory);
        insta::assert_snapshot!(error.report, @r#"
        kuboard.admin_password: the environment variable ADMIN holds more than one line
        questdb.password: the file /quest cannot be read: entity not found
        ssh.sudo_password of box: the environment variable SUDO holds a control character
        "#);
        assert_eq!(error.findings.len(), 3);
        assert_eq!((&*error.findings[0].code, error.findings[2].host.is_none()), ("inventory.secret", true));
        assert!(!format!("{error:?}").contains("poison"));
    }

    #[test]
    fn empty_and_published_values_are_refused() {
        assert_eq!(fault(" ", Shape::Line), Some("is empty"));
        let vault = Made(BTreeMap::from([("ADMIN", &b"Kuboard123"[..]), ("/quest", b"x"), ("SUDO", b"x")]));
        assert!(Secrets::read(&inventory(), &vault).unwrap_err().report.contains("kuboard.admin_password"));
        assert!(fault("x", Shape::Key).is_some());
        let far = Made(BTreeMap::from([
            ("ADMIN", "pässword".as_bytes()),
            ("/quest", "é".as_bytes()),
            ("SUDO", b"x"),
        ]));
        let report = Secrets::read(&inventory(), &far).unwrap_err().report;
        assert!(report.contains("questdb.password") && report.contains("ASCII"), "{report}");
        assert!(!report.contains("admin_password"), "{report}");
        assert_eq!(fault("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", Shape::Key), None);
    }
}
