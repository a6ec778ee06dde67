//! Brings one archive to this machine and vouches for its digest.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::time::{Instant, sleep, timeout};

use super::cache::{Cache, Verdict};
use super::error::{Damage, Error, Failure};
use super::http::Http;
use super::part::{HEAD, Part, text_in};
use crate::event::{Event, EventSink};
use crate::resource::{Artifact, Sha256Digest};

/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Progress is told this often.
const PACE: Duration = Duration::from_millis(100);

/// Fetches an archive into the cache, or verifies the file that `artifact.source` names, and gives the path.
/// The file at that path had the right digest. Any number of callers may ask at once: there is one download.
pub async fn fetch(artifact: &Artifact, cache: &Cache, sink: &dyn EventSink) -> Result<PathBuf, Error> {
    let work = async {
        if artifact.source.contains("://") {
            remote(artifact, cache, sink).await
        } else {
            let path = local(artifact, cache).await?;
            Meter::new(artifact, sink).finish(&path, true);
            Ok(path)
        }
    };
    cache.share(artifact, work).await
}

async fn local(artifact: &Artifact, cache: &Cache) -> Result<PathBuf, Error> {
    let path = PathBuf::from(&artifact.source);
    let unreadable =
        |source| Error::Local { what: artifact.title(), path: path.clone(), source: Arc::new(source) };
    let verdict = cache.verify_local(&path, &artifact.sha256).await.map_err(unreadable)?;
    // A digest that matches is no excuse: it may have been computed from a saved error page.
    if let Some(damage) = text_in(&head(&path).map_err(unreadable)?) {
        return Err(damaged(artifact, damage));
    }
    match verdict {
        Verdict::Same => Ok(path),
        Verdict::Other(got, bytes) => Err(mismatch(artifact, got, bytes)),
    }
}

async fn remote(artifact: &Artifact, cache: &Cache, sink: &dyn EventSink) -> Result<PathBuf, Error> {
    let overall = cache.patience().overall;
    let mut meter = Meter::new(artifact, sink);
    let work = async {
        let _lock = cache.lock(&artifact.sha256, |done| meter.tell(done, None)).await?;
        if let Some(path) = cache.held(&artifact.sha256).await? {
            meter.finish(&path, true);
            return Ok(path);
        }
        let path = download(artifact, cache, &mut meter).await?;
        meter.finish(&path, false);
        Ok(path)
    };
    timeout(overall, work).await.unwrap_or_else(|_| {
        let kept = std::fs::metadata(cache.part_path(&artifact.sha256)).map_or(0, |meta| meta.len());
        Err(failed(artifact, Failure::Timeout { what: "the download", after: overall }, kept))
    })
}

/// Downloads until the file is whole and right. Attempts that bring new bytes are not counted.
async fn download(artifact: &Artifact, cache: &Cache, meter: &mut Meter<'_>) -> Result<PathBuf, Error> {
    let patience = cache.patience();
    let url = address(&artifact.source).map_err(|failure| failed(artifact, failure, 0))?;
    let http = cache.http().map_err(|failure| failed(artifact, failure, 0))?;
    let mut part = Part::open(&cache.part_path(&artifact.sha256)).await?;
    // Whether its bytes may be those of two files: of an earlier run's, or of one that changed on the server meanwhile.
    let mut is_pieced = part.length() > 0;
    let mut most = part.length();
    let mut fruitless = 0;
    loop {
        let failure = match attempt(http, &url, artifact, patience.largest, &mut part, meter).await? {
            Outcome::Whole => {
                if part.digest() == artifact.sha256 {
                    part.sync().await?;
                    return cache.keep(&artifact.sha256);
                }
                // Once more, from the first byte.
                if std::mem::take(&mut is_pieced) {
                    part.clear().await?;
                    continue;
                }
                let error = mismatch(artifact, part.digest(), part.length());
                part.discard()?;
                return Err(error);
            }
            Outcome::Damaged(damage) => {
                part.discard()?;
                return Err(damaged(artifact, damage));
            }
            Outcome::Failed(failure) => failure,
        };
        part.flush().await?;
        is_pieced = part.length() > 0;
        fruitless = if part.length() > most { 1 } else { fruitless + 1 };
        most = most.max(part.length());
        if !failure.is_retryable() || fruitless >= patience.tries {
            return Err(failed(artifact, failure, part.length()));
        }
        let asked = match failure {
            Failure::Status { wait: Some(wait), .. } => wait.min(LONGEST_WAIT),
            _ => Duration::ZERO,
        };
        sleep(asked.max(patience.backoff * 2_u32.saturating_pow(fruitless - 1))).await;
    }
}

enum Outcome {
    /// Every byte that there is has come.
    Whole,
    Damaged(Damage),
    Failed(Failure),
}

/// One request, from where the part ends.
async fn attempt(
    http: &Http,
    url: &Url,
    artifact: &Artifact,
    largest: u64,
    part: &mut Part,
    meter: &mut Meter<'_>,
) -> Result<Outcome, Error> {
    // A run that ended between the last byte and the renaming left it whole.
    if part.length() > 0 && part.digest() == artifact.sha256 {
        return Ok(Outcome::Whole);
    }
    let mut answer = match http.get(url, part.length()).await {
        Ok(answer) => answer,
        // Not the range that was asked for, or none that exists: the next attempt asks for the whole.
        Err(Failure::Status { status: 206 | 416, .. }) if part.length() > 0 => {
            part.clear().await?;
            match http.get(url, 0).await {
                Ok(answer) => answer,
                Err(failure) => return Ok(Outcome::Failed(failure)),
            }
        }
        Err(failure) => return Ok(Outcome::Failed(failure)),
    };
    if answer.start != part.length() {
        part.clear().await?;
    }
    loop {
        match answer.chunk(part.length()).await {
            Ok(Some(bytes)) => part.write(bytes.as_ref()).await?,
            Ok(None) => break,
            Err(failure) => return Ok(Outcome::Failed(failure)),
        }
        if let Some(damage) = part.damage(false) {
            return Ok(Outcome::Damaged(damage));
        }
        if part.length() > largest {
            return Ok(Outcome::Damaged(Damage::TooBig { limit: largest }));
        }
        meter.tell(part.length(), answer.total);
    }
    Ok(part.damage(true).map_or(Outcome::Whole, Outcome::Damaged))
}

/// Tells of the progress, not too often.
struct Meter<'a> {
    title: String,
    sink: &'a dyn EventSink,
    told: Option<Instant>,
}

impl<'a> Meter<'a> {
    fn new(artifact: &Artifact, sink: &'a dyn EventSink) -> Self {
        Self { title: artifact.title(), sink, told: None }
    }

    fn tell(&mut self, done: u64, total: Option<u64>) {
        if self.told.is_none_or(|told| told.elapsed() >= PACE) {
            self.told = Some(Instant::now());
            self.sink.emit(Event::DownloadProgressed { artifact: self.title.clone(), done, total });
        }
    }

    fn finish(&self, path: &Path, cached: bool) {
        let bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
        self.sink.emit(Event::DownloadFinished { artifact: self.title.clone(), bytes, cached });
    }
}

fn address(source: &str) -> Result<Url, Failure> {
    let url = Url::parse(source).map_err(|error| Failure::Address { why: error.to_string() })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(Failure::Address { why: format!("{other}:// is not known") }),
    }
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn failed(artifact: &Artifact, failure: Failure, kept: u64) -> Error {
    Error::Fetch { what: artifact.title(), url: artifact.shown_source(), failure, kept }
}

fn damaged(artifact: &Artifact, damage: Damage) -> Error {
    Error::Damaged { what: artifact.title(), origin: artifact.shown_source(), damage }
}

fn mismatch(artifact: &Artifact, got: Sha256Digest, bytes: u64) -> Error {
    damaged(artifact, Damage::Digest { expected: artifact.sha256.clone(), got, bytes })
}
