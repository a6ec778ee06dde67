//! The vocabulary: the things that a host has or should have, their names, and the digests that tell
//! two states of one thing apart.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::secret::{Fingerprint, SecretId};

/// The name of a host in the inventory: `[a-z0-9]([a-z0-9.-]*[a-z0-9])?`, at most 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// Names a host; the caller has validated the text.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A processor architecture that releases are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// `uname -m` says `x86_64`.
    Amd64,
    /// `uname -m` says `aarch64`.
    Arm64,
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// A SHA-256 digest, 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest(String);

impl TryFrom<String> for Sha256Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("not a SHA-256 digest: {text:?}"))
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.0
    }
}

impl Sha256Digest {
    /// Reads 64 hexadecimal digits of either case; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| Self(text.to_ascii_lowercase()))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_bytes(&Sha256::digest(bytes))
    }

    /// A digest already computed, 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        use fmt::Write as _;
        Self(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, as they stand in names of directories.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a secret is written inside a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretForm {
    /// As it is. For `docker --env-file`, key files.
    Raw,
    /// Percent-encoded but for `[A-Za-z0-9._~-]`. For a URL.
    Url,
    /// Between double quotes, with `\` before `\`, `"`, `` ` `` and `$`. For a systemd `EnvironmentFile`.
    SystemdEnv,
}

/// A piece of a file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Literal text.
    Text(String),
    /// A secret, put in on the host, where it lies.
    Secret {
        /// Which secret.
        id: SecretId,
        /// How it is written there.
        form: SecretForm,
    },
}

/// What a file shall hold; secrets are named, never present.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Content(pub Vec<Part>);

impl Content {
    /// Content without secrets.
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    /// The secrets named in it, in order of first appearance.
    pub fn secrets(&self) -> Vec<&SecretId> {
        let mut ids = Vec::new();
        for part in &self.0 {
            if let Part::Secret { id, .. } = part
                && !ids.contains(&id)
            {
                ids.push(id);
            }
        }
        ids
    }

    /// The text with `***` in place of each secret.
    pub fn masked(&self) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Secret { .. } => "***",
            })
            .collect()
    }

    /// The digest of everything but the secrets' values: text, ids, forms. 64 digits.
    pub fn skeleton(&self) -> Sha256Digest {
        let mut hash = Sha256::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => hash.update(text),
                Part::Secret { id, form } => hash.update(format!("\0{id}\0{form:?}\0")),
            }
        }
        Sha256Digest::from_bytes(&hash.finalize())
    }

    /// The key of this content where the secrets have these fingerprints.
    pub fn key(&self, fingerprints: &BTreeMap<SecretId, Fingerprint>) -> ContentKey {
        let prints = self.secrets().into_iter().map(|id| fingerprints.get(id));
        ContentKey::new(&self.skeleton(), prints)
    }
}

/// Tells two contents of one thing apart without holding either: 32 digits of the skeleton's digest, then
/// `.FINGERPRINT` for each secret in order of appearance. Hosts build the same text when they write a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentKey(String);

impl ContentKey {
    fn new<'a>(skeleton: &Sha256Digest, fingerprints: impl Iterator<Item = Option<&'a Fingerprint>>) -> Self {
        let mut key = skeleton.as_str()[..32].to_owned();
        for print in fingerprints {
            key.push('.');
            key.push_str(print.map_or("absent", Fingerprint::as_str));
        }
        Self(key)
    }

    /// The key of plain text.
    pub fn of_text(text: &str) -> Self {
        Self(Sha256Digest::of(text.as_bytes()).as_str()[..32].to_owned())
    }

    /// A key as a host reported it.
    pub fn observed(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Names one thing on one host, as people and programs read it: `file:/etc/etcd.env`, `unit:etcd.service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(String);

impl ResourceId {
    /// `KIND:NAME`. Kinds: artifact, directory, file, link, user, package, sysctl, unit, image, container,
    /// secret, manifest, data, and the services' own (`etcd:cluster`, `vip:10.99.16.20`).
    pub fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self(format!("{kind}:{name}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A release archive for one architecture: where it comes from and what it must hash to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Artifact {
    /// `etcd`, `questdb`, `kuboard-image`.
    pub product: String,
    /// The version, as in `3.5.6`.
    pub version: String,
    /// An `http(s)://` address or a path on this machine, nothing left to substitute.
    pub source: String,
    /// What the archive must hash to.
    pub sha256: Sha256Digest,
}

impl Artifact {
    /// `etcd 3.5.6`, as shown to people.
    pub fn title(&self) -> String {
        format!("{} {}", self.product, self.version)
    }

    /// The source as shown to people.
    pub fn shown_source(&self) -> String {
        shown_address(&self.source)
    }
}

/// An address as shown to people: without user, password and query, which may hold a token. A path is shown as it is.
pub fn shown_address(source: &str) -> String {
    let Some((scheme, rest)) = source.split_once("://") else {
        return source.to_owned();
    };
    let (rest, query) = match rest.find(['?', '#']) {
        Some(end) => (&rest[..end], if rest[end..].starts_with('?') { "?***" } else { "" }),
        None => (rest, ""),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, host) = match authority.rsplit_once('@') {
        Some((_, host)) => ("***@", host),
        None => ("", authority),
    };
    // `user:pa/ss@host` does not parse as an address: what looks like a port there is half a password.
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    if !host.ends_with(']') && !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{scheme}://***");
    }
    format!("{scheme}://{login}{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(value: &str) -> Content {
        Content(vec![
            Part::Text(format!("A={value}\nB=")),
            Part::Secret { id: SecretId::new("s"), form: SecretForm::Raw },
            Part::Text("\n".into()),
        ])
    }

    #[test]
    fn a_key_changes_with_text_and_with_the_secret() {
        let one = BTreeMap::from([(SecretId::new("s"), Fingerprint::observed("aa"))]);
        let two = BTreeMap::from([(SecretId::new("s"), Fingerprint::observed("bb"))]);
        assert_eq!(content("1").key(&one), content("1").key(&one));
        assert_ne!(content("1").key(&one), content("2").key(&one));
        assert_ne!(content("1").key(&one), content("1").key(&two));
        assert!(content("1").key(&BTreeMap::new()).as_str().ends_with(".absent"));
    }

    #[test]
    fn a_saved_digest_is_one() {
        let digest = Sha256Digest::of(b"x");
        let saved = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Sha256Digest>(&saved).unwrap(), digest);
        assert!(serde_json::from_str::<Sha256Digest>("\"abc\"").is_err());
    }

    #[test]
    fn plain_content_and_plain_text_have_one_key() {
        assert_eq!(Content::text("x").key(&BTreeMap::new()), ContentKey::of_text("x"));
    }

    #[test]
    fn a_shown_source_holds_no_login_and_no_token() {
        let shown = |source: &str| {
            let (product, version) = ("etcd".into(), "3.5.6".into());
            Artifact { product, version, source: source.into(), sha256: Sha256Digest::of(b"") }.shown_source()
        };
        assert_eq!(shown("https://host:8443/@scope/a.tar.gz"), "https://host:8443/@scope/a.tar.gz");
        assert_eq!(shown("https://user:poison@host/a?sig=poison#x"), "https://***@host/a?***");
        assert_eq!(shown("http://user:poi@son@[fd00::1]:80/a"), "http://***@[fd00::1]:80/a");
        assert_eq!(shown("http://[fd00::1]/a"), "http://[fd00::1]/a");
        assert_eq!(shown("http://user:poi/son@host/a"), "http://***");
        assert_eq!(shown("/srv/etcd.tar.gz"), "/srv/etcd.tar.gz");
    }

    #[test]
    fn masked_content_shows_no_secret() {
        assert_eq!(content("1").masked(), "A=1\nB=***\n");
    }
}
