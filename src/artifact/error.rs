//! What can go wrong with an archive, in the words of the one who has to mend it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::resource::Sha256Digest;

/// Why an archive is not at hand. Addresses in it are masked: no user, password or query.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The source did not give it. What came so far is kept, and the next attempt goes on from there.
    #[error("{what} could not be fetched from {url}: {failure}{}", told(*kept))]
    Fetch {
        /// The archive's title.
        what: String,
        /// The masked address.
        url: String,
        /// What happened.
        failure: Failure,
        /// Bytes kept for the next attempt.
        kept: u64,
    },
    /// Something came, but not what was asked for. A download is removed; a file of the user's is left alone.
    #[error("{what} from {origin} is not what was asked for: {damage}")]
    Damaged {
        /// The archive's title.
        what: String,
        /// The masked address, or the path on this machine.
        origin: String,
        /// What it is instead.
        damage: Damage,
    },
    /// A path on this machine that was named as the source cannot be read.
    #[error("{what} cannot be read from {}", path.display())]
    Local {
        /// The archive's title.
        what: String,
        /// The path as written in the inventory.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// A file of the cache, or one to be hashed or looked into, cannot be used.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// `read`, `write`, `lock`, …
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The archive's contents are refused.
    #[error("{} is refused: {problem}", path.display())]
    Archive {
        /// Which file.
        path: PathBuf,
        /// Why.
        problem: Problem,
    },
}

/// Why a source did not give what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 404 or 410.
    #[error("the server has no such file (404)")]
    NotFound,
    /// Another answer that is no success.
    #[error("the server answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait.
        wait: Option<Duration>,
    },
    /// No connection, or it broke before an answer.
    #[error("no connection: {why}")]
    Connect {
        /// The root cause.
        why: String,
    },
    /// The proxy named by the environment refused.
    #[error("the proxy refused: {why}")]
    Proxy {
        /// The root cause.
        why: String,
    },
    /// The server could not be trusted, or does not speak TLS.
    #[error("no trusted TLS connection: {why}")]
    Tls {
        /// The root cause.
        why: String,
    },
    /// A deadline passed.
    #[error("timed out: {what} took longer than {} s", after.as_secs_f32())]
    Timeout {
        /// What had to come in that time.
        what: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The body ended before its announced length.
    #[error("the transfer broke off after {got} {}", of_bytes(*expected))]
    Truncated {
        /// Bytes that are there.
        got: u64,
        /// Bytes in all, where the server said so.
        expected: Option<u64>,
    },
    /// More than ten redirects, or one that leads nowhere.
    #[error("redirected without end")]
    Redirects,
    /// Not an address that this program can fetch from.
    #[error("not an http:// or https:// address ({why})")]
    Address {
        /// What is wrong with it.
        why: String,
    },
}

impl Failure {
    /// Whether asking again may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Truncated { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            _ => false,
        }
    }
}

/// What came instead of the archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Another file, or a damaged one.
    #[error("its sha256 is {got} ({bytes} bytes), expected {expected}")]
    Digest {
        /// What the inventory or the catalog says.
        expected: Sha256Digest,
        /// What it is.
        got: Sha256Digest,
        /// Its size.
        bytes: u64,
    },
    /// A web page: an error page, a login page, a proxy's notice.
    #[error("it is a web page, it begins with {start:?}")]
    Html {
        /// Its first characters.
        start: String,
    },
    /// More came than any release archive has.
    #[error("it is bigger than {limit} bytes")]
    TooBig {
        /// Bytes allowed.
        limit: u64,
    },
    /// Plain text.
    #[error("it is text, it begins with {start:?}")]
    Text {
        /// Its first characters.
        start: String,
    },
}

/// Why an archive's contents are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not compressed with gzip.
    #[error("not a gzip file")]
    NotGzip,
    /// It ends too early.
    #[error("truncated: it ends in the middle")]
    Truncated,
    /// The compression or the headers are broken.
    #[error("damaged: {why}")]
    Corrupt {
        /// What the decoder says.
        why: String,
    },
    /// Something follows the end of the archive.
    #[error("something follows the end of the archive")]
    TrailingGarbage,
    /// A member's name is no relative path below one folder.
    #[error("member {member:?} {why}")]
    Name {
        /// The name, escaped.
        member: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A link leads outside of the archive.
    #[error("link {member:?} leads outside, to {target:?}")]
    Link {
        /// The link.
        member: String,
        /// Where it leads.
        target: String,
    },
    /// A device, a fifo, a sparse file or something unheard of.
    #[error("member {member:?} is neither file, folder nor link")]
    Special {
        /// Its name.
        member: String,
    },
    /// A header that one program obeys and another passes over: they would not unpack the same.
    #[error("member {member:?} has a header {key:?}, which not every program reads alike")]
    Header {
        /// Its name.
        member: String,
        /// The header.
        key: String,
    },
    /// More members than allowed.
    #[error("more than {limit} members")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// It unpacks to more than allowed.
    #[error("it unpacks to more than {limit} bytes")]
    TooBig {
        /// The limit in bytes.
        limit: u64,
    },
    /// Members that were asked for are not there.
    #[error("it has no member {}", members.join(", "))]
    Missing {
        /// Which.
        members: Vec<String>,
    },
    /// No `manifest.json` of `docker save`, or one that makes no sense.
    #[error("not an image archive of `docker save`: {why}")]
    NotImage {
        /// What is wrong.
        why: String,
    },
}

impl Error {
    /// A word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fetch { failure, .. } => match failure {
                Failure::NotFound => "not-found",
                Failure::Status { .. } => "status",
                Failure::Connect { .. } => "connect",
                Failure::Proxy { .. } => "proxy",
                Failure::Tls { .. } => "tls",
                Failure::Timeout { .. } => "timeout",
                Failure::Truncated { .. } => "truncated",
                Failure::Redirects => "redirects",
                Failure::Address { .. } => "address",
            },
            Self::Damaged { damage: Damage::Digest { .. }, .. } => "digest",
            Self::Damaged { damage: Damage::Html { .. }, .. } => "html",
            Self::Damaged { damage: Damage::Text { .. }, .. } => "text",
            Self::Damaged { damage: Damage::TooBig { .. }, .. } => "too-big",
            Self::Local { .. } => "local-file",
            Self::File { .. } => "file",
            Self::Archive { .. } => "archive",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Fetch { failure, url, .. } => failure.hint(url),
            Self::Damaged { damage: Damage::Digest { .. }, origin, .. } => format!(
                "compare with the publisher's digest; if the new one is right, write it to `download.sha256`; compute \
                 it:\n  {}",
                if origin.contains("://") {
                    format!("curl -fL '{origin}' | sha256sum")
                } else {
                    format!("sha256sum '{origin}'")
                }
            ),
            Self::Damaged { origin, .. } => format!(
                "open {origin} in a browser: the address may be wrong, or want a login; the digest of such a \
                 page is not the digest of the release"
            ),
            Self::Local { path, .. } => format!("see whether it is there:\n  ls -l '{}'", path.display()),
            Self::File { source, path, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    format!(
                        "make room (df -h '{}'), or set XDG_CACHE_HOME to a disk with space",
                        path.display()
                    )
                }
                _ => format!("see its owner and mode:\n  ls -ld '{}'", path.display()),
            },
            Self::Archive { .. } => {
                "it is no archive that the publisher would make: check where `download.url` leads".to_owned()
            }
        }
    }
}

impl Failure {
    fn hint(&self, url: &str) -> String {
        match self {
            Self::NotFound => {
                "check version and architecture in `download.url`; the placeholders are {version} and {arch}"
                    .into()
            }
            Self::Status { status: 401 | 403, .. } => {
                "the server wants a login, and none stands in an inventory: fetch the file yourself and give its path"
                    .into()
            }
            Self::Proxy { .. } | Self::Status { status: 407, .. } => {
                "check https_proxy, http_proxy and no_proxy in the environment".into()
            }
            Self::Connect { .. } | Self::Timeout { .. } | Self::Redirects => format!(
                "behind a proxy set https_proxy; without internet set `download.url` to a mirror or to a path on \
                 this machine; try it here:\n  curl -fLO '{url}'"
            ),
            Self::Tls { .. } => "for a private authority set SSL_CERT_FILE to a PEM file that holds its \
                 certificate; on a machine without certificates install ca-certificates"
                .into(),
            Self::Status { .. } | Self::Truncated { .. } => {
                "run the same command again: it continues where the transfer stopped".into()
            }
            Self::Address { .. } => "check `download.url`".into(),
        }
    }
}

fn told(kept: u64) -> String {
    if kept == 0 {
        String::new()
    } else {
        format!(" ({kept} bytes are kept, the next attempt continues there)")
    }
}

fn of_bytes(expected: Option<u64>) -> String {
    expected.map_or_else(|| "bytes".into(), |all| format!("of {all} bytes"))
}
