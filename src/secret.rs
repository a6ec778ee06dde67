//! Secret values, kept out of every output: `Debug`, `Display` and `Serialize` print `***`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::resource::Sha256Digest;

/// A value that must not be shown. Only [`Secret::reveal`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself; call it only where the value goes to its consumer.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// The name of a secret, also its file name under `/var/lib/kuboard-ha/CLUSTER/secrets/`: `[a-zA-Z0-9_.-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretId(String);

impl SecretId {
    /// The random token of the etcd cluster; lies on etcd hosts only.
    pub const ETCD_TOKEN: &'static str = "etcd-token";
    /// The password of QuestDB's user `admin`.
    pub const QUESTDB_PASSWORD: &'static str = "questdb-password";
    /// `KUBOARD_SSO_CLIENT_SECRET`, equal on all replicas.
    pub const SSO_SECRET: &'static str = "sso-secret";
    /// What agents of imported clusters present; equal on all replicas.
    pub const AGENT_KEY: &'static str = "agent-key";
    /// The first password of Kuboard's `admin`; acts on an empty etcd only.
    pub const ADMIN_PASSWORD: &'static str = "admin-password";
    /// The password for the image registry.
    pub const REGISTRY_PASSWORD: &'static str = "registry-password";
    /// The private key of the balancer's certificate.
    pub const TLS_KEY: &'static str = "tls-key";

    /// Names a secret. `name` comes from the constants above or from [`SecretId::env`].
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The secret behind `kuboard.env.NAME`.
    pub fn env(name: &str) -> Self {
        Self(format!("env.{name}"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells two values of one secret apart without showing either: the first 16 hexadecimal digits of
/// `sha256("kuboard-ha CLUSTER ID " + hex(sha256(value)))`. Hosts compute the same with `sha256sum`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of `value`.
    pub fn of(cluster: &str, id: &SecretId, value: &Secret<String>) -> Self {
        Self::of_digest(cluster, id, &Sha256Digest::of(value.reveal().as_bytes()))
    }

    /// The fingerprint of the value with this digest.
    pub fn of_digest(cluster: &str, id: &SecretId, digest: &Sha256Digest) -> Self {
        let digest = Sha256Digest::of(format!("kuboard-ha {cluster} {id} {digest}").as_bytes());
        Self(digest.as_str()[..16].to_owned())
    }

    /// A fingerprint as text.
    pub fn observed(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Stands for the value that the plan itself mints: unknown until then, equal to itself.
    pub fn minted() -> Self {
        Self("minted".to_owned())
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_value() {
        let secret = Secret::new("poison".to_owned());
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }

    #[test]
    fn a_fingerprint_is_what_sha256sum_gives_on_a_host() {
        // printf 'kuboard-ha c sso-secret %s' "$(printf value | sha256sum | cut -c1-64)" | sha256sum | cut -c1-16
        let print = Fingerprint::of("c", &SecretId::new("sso-secret"), &Secret::new("value".into()));
        assert_eq!(print.as_str(), "a41c41bb4ac4d69d");
        assert_ne!(print, Fingerprint::of("d", &SecretId::new("sso-secret"), &Secret::new("value".into())));
    }
}
