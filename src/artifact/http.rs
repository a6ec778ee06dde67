//! One request: what is asked, and what each answer and each error means.

use std::error::Error as _;
use std::time::Duration;
use std::{env, fs, io};

use reqwest::header::{CONTENT_RANGE, HeaderMap, RANGE, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Response, StatusCode, Url};

use super::cache::Patience;
use super::error::Failure;

/// The client for all downloads. Proxies come from the environment, as reqwest reads it.
pub(super) struct Http {
    client: Client,
    read: Duration,
    /// Why no https address can be trusted.
    untrusting: Option<String>,
}

/// The beginning of a body.
pub(super) struct Answer {
    response: Response,
    read: Duration,
    /// Where in the file the body begins.
    pub start: u64,
    /// The size of the whole file, where the server says so.
    pub total: Option<u64>,
}

impl Http {
    pub(super) fn new(patience: &Patience) -> Result<Self, Failure> {
        let builder = || {
            Client::builder()
                .user_agent(concat!("kuboard-ha/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(patience.connect)
                .read_timeout(patience.read)
        };
        let (client, untrusting) = match trusting(builder()) {
            Ok(client) => (client, None),
            // A machine without any certificate store still fetches from http:// mirrors.
            Err(why) => (without_store(builder())?, Some(why)),
        };
        Ok(Self { client, read: patience.read, untrusting })
    }

    /// Asks for `url` from byte `from` on. The answer may begin at 0 all the same.
    pub(super) async fn get(&self, url: &Url, from: u64) -> Result<Answer, Failure> {
        if let (Some(why), "https") = (&self.untrusting, url.scheme()) {
            return Err(Failure::Tls { why: why.clone() });
        }
        let mut request = self.client.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.send().await.map_err(|error| self.failure(&error))?;
        let status = response.status();
        let (start, total) = match status {
            StatusCode::OK => (0, response.content_length()),
            StatusCode::PARTIAL_CONTENT => content_range(response.headers())
                .filter(|(start, _)| *start == from)
                .ok_or(Failure::Status { status: 206, wait: None })?,
            _ => return Err(refusal(status, response.headers())),
        };
        Ok(Answer { response, read: self.read, start, total })
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        classify(error, self.read)
    }
}

impl Answer {
    /// The next bytes; `None` at the end of the body. `got` is how much of the file is there, for the error.
    pub(super) async fn chunk(&mut self, got: u64) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        self.response.chunk().await.map_err(|error| match classify(&error, self.read) {
            timeout @ Failure::Timeout { .. } => timeout,
            _ => Failure::Truncated { got, expected: self.total },
        })
    }
}

/// `SSL_CERT_FILE` stands in for the machine's store, as with curl. The TLS stack reads it too, but passes
/// over one that it cannot read: then this says why.
fn trusting(builder: ClientBuilder) -> Result<Client, String> {
    let Some(path) = env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) else {
        return builder.build().map_err(|error| root_cause(&error));
    };
    let refuse = |why: String| format!("SSL_CERT_FILE={}: {why}", path.display());
    let pem = fs::read(&path).map_err(|error| refuse(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| refuse(root_cause(&error)))?;
    if certificates.is_empty() {
        return Err(refuse("no certificate in it".into()));
    }
    builder.tls_certs_merge(certificates).build().map_err(|error| refuse(root_cause(&error)))
}

fn without_store(builder: ClientBuilder) -> Result<Client, Failure> {
    builder.tls_certs_only([]).build().map_err(|error| Failure::Tls { why: root_cause(&error) })
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> Failure {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Failure::NotFound,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Failure::Proxy { why: "it wants a login (407)".into() },
        _ => {
            let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Failure::Status { status: status.as_u16(), wait: seconds.map(Duration::from_secs) }
        }
    }
}

/// `bytes START-END/TOTAL`, where TOTAL may be `*`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

fn classify(error: &reqwest::Error, read: Duration) -> Failure {
    let why = root_cause(error);
    if error.is_timeout() {
        let what = if error.is_connect() { "the connection" } else { "the next piece of the answer" };
        return if error.is_connect() {
            Failure::Connect { why: format!("{what} timed out") }
        } else {
            Failure::Timeout { what, after: read }
        };
    }
    if error.is_redirect() {
        return Failure::Redirects;
    }
    if error.is_builder() {
        return Failure::Address { why };
    }
    if chain(error).any(|cause| cause.to_string().starts_with("tunnel error")) {
        return Failure::Proxy { why };
    }
    // rustls reports all that is wrong with certificates and records as invalid data.
    let invalid = |cause: Cause<'_>| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
    };
    if error.is_connect() && chain(error).any(invalid) {
        return Failure::Tls { why };
    }
    Failure::Connect { why }
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

/// All causes, outermost first. `io::Error::source` passes over what the error wraps, which is the one sought.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(error.source(), |&cause| {
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as Cause<'_>).or_else(|| cause.source())
    })
}

/// The innermost cause. The outer layers repeat themselves, and the outermost holds the address unmasked.
fn root_cause(error: &reqwest::Error) -> String {
    chain(error).last().map_or_else(|| "the request could not be made".into(), ToString::to_string)
}
