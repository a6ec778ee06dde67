//! The cache: a folder of files named by their digest. A file that bears its digest as its name was verified
//! before it got that name; it is verified again at use unless a record says that nobody touched it since.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::error::{Error, Failure};
use super::http::Http;
use crate::resource::{Artifact, Sha256Digest};

/// How long a download may take and how often it is begun again.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// For everything, retries and waiting for another run's download included.
    pub overall: Duration,
    /// Attempts in a row that bring nothing new.
    pub tries: u32,
    /// Before the second attempt; doubled for each further one.
    pub backoff: Duration,
    /// Bytes of one archive: a server that sends without end must not fill the disk.
    pub largest: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            read: Duration::from_secs(30),
            overall: Duration::from_hours(1),
            tries: 5,
            backoff: Duration::from_millis(500),
            // No release archive is bigger.
            largest: 16 << 30,
        }
    }
}

/// Verified archives on this machine, shared by all runs of one user.
pub struct Cache {
    dir: PathBuf,
    patience: Patience,
    http: OnceLock<Http>,
    underway: Mutex<BTreeMap<(Sha256Digest, String), Weak<Turn>>>,
}

type Turn = tokio::sync::Mutex<Option<Result<PathBuf, Error>>>;

impl Cache {
    /// A cache in `dir`, which is made at first use.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::with_patience(dir, Patience::default())
    }

    /// A cache with other deadlines.
    pub fn with_patience(dir: impl Into<PathBuf>, patience: Patience) -> Self {
        Self { dir: dir.into(), patience, http: OnceLock::new(), underway: Mutex::default() }
    }

    /// Where an archive lies once it was fetched. Nothing lies there before it was verified.
    pub fn path(&self, digest: &Sha256Digest) -> PathBuf {
        self.dir.join(digest.as_str())
    }

    /// Where an unfinished download lies.
    pub fn part_path(&self, digest: &Sha256Digest) -> PathBuf {
        self.beside(digest, "part")
    }

    /// The archive, if it is here and whole; a damaged one is removed.
    pub async fn held(&self, digest: &Sha256Digest) -> Result<Option<PathBuf>, Error> {
        let path = self.path(digest);
        match verify(path.clone(), self.beside(digest, "seen"), digest.clone()).await {
            Ok(Verdict::Same) => Ok(Some(path)),
            Ok(Verdict::Other(..)) => {
                fs::remove_file(&path).map_err(|source| file_error("remove", &path, source))?;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error("read", &path, error)),
        }
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// The client for all downloads, made at the first: a run with everything in the cache needs no TLS.
    pub(super) fn http(&self) -> Result<&Http, Failure> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let http = Http::new(&self.patience)?;
        Ok(self.http.get_or_init(|| http))
    }

    /// Takes the lock of one digest, which every run on this machine honours. The holder keeps the file open.
    /// Calls `meanwhile` with the size of the holder's unfinished file while it waits.
    pub(super) async fn lock(
        &self,
        digest: &Sha256Digest,
        mut meanwhile: impl FnMut(u64),
    ) -> Result<File, Error> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(|source| file_error("create", &self.dir, source))?;
        close(&self.dir).map_err(|source| file_error("keep others out of", &self.dir, source))?;
        let path = self.beside(digest, "lock");
        let file = plain(&path)
            .and_then(|()| File::create(&path))
            .map_err(|source| file_error("lock", &path, source))?;
        loop {
            // Asked again and again: a thread that blocks in flock would outlive a cancelled run.
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => {
                    meanwhile(fs::metadata(self.part_path(digest)).map_or(0, |meta| meta.len()));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(fs::TryLockError::Error(source)) => return Err(file_error("lock", &path, source)),
            }
        }
    }

    /// Gives the finished download its name.
    pub(super) fn keep(&self, digest: &Sha256Digest) -> Result<PathBuf, Error> {
        let path = self.path(digest);
        fs::rename(self.part_path(digest), &path).map_err(|source| file_error("write", &path, source))?;
        // After the rename, which changes ctime. Without the record the file is hashed again: no harm.
        let _ = Stamp::of(&path).and_then(|stamp| stamp.write(&self.beside(digest, "seen")));
        Ok(path)
    }

    /// Compares a file of the user's with its digest, remembering the answer in the cache.
    pub(super) async fn verify_local(&self, path: &Path, digest: &Sha256Digest) -> io::Result<Verdict> {
        verify(path.to_owned(), self.beside(digest, "local"), digest.clone()).await
    }

    /// Runs `work` unless the same work is under way in this process: then waits for that one's outcome.
    pub(super) async fn share(
        &self,
        artifact: &Artifact,
        work: impl Future<Output = Result<PathBuf, Error>>,
    ) -> Result<PathBuf, Error> {
        let key = (artifact.sha256.clone(), artifact.source.clone());
        let turn = {
            let mut underway = self.underway.lock().unwrap_or_else(PoisonError::into_inner);
            underway.retain(|_, turn| turn.strong_count() > 0);
            underway.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
                let turn = Arc::new(Turn::default());
                underway.insert(key, Arc::downgrade(&turn));
                turn
            })
        };
        let mut outcome = turn.lock().await;
        if let Some(outcome) = &*outcome {
            return outcome.clone();
        }
        let done = work.await;
        *outcome = Some(done.clone());
        done
    }

    fn beside(&self, digest: &Sha256Digest, ending: &str) -> PathBuf {
        self.dir.join(format!("{digest}.{ending}"))
    }
}

/// The digest of a file. Blocks.
pub fn digest_file(path: impl AsRef<Path>) -> Result<Sha256Digest, Error> {
    let path = path.as_ref();
    let (hash, _) =
        File::open(path).and_then(hash_reader).map_err(|source| file_error("read", path, source))?;
    Ok(Sha256Digest::from_bytes(&hash.finalize()))
}

/// Keeps others from writing to a folder: what they plant there would be overwritten, or believed.
fn close(dir: &Path) -> io::Result<()> {
    if fs::metadata(dir)?.mode() & 0o022 == 0 {
        return Ok(());
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

/// Takes away what stands where a file of the cache will be written and is none: a link, or another name of a file.
pub(super) fn plain(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() && meta.nlink() == 1 => Ok(()),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Hashes to the end; gives the state, to go on with, and the number of bytes.
pub(super) fn hash_reader(mut reader: impl Read) -> io::Result<(Sha256, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut length = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hash, length)),
            Ok(count) => {
                hash.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn file_error(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { doing, path: path.to_owned(), source: Arc::new(source) }
}

/// Whether a file has the digest that it should have.
pub(super) enum Verdict {
    Same,
    /// Its digest and its size.
    Other(Sha256Digest, u64),
}

async fn verify(path: PathBuf, record: PathBuf, digest: Sha256Digest) -> io::Result<Verdict> {
    let verdict = tokio::task::spawn_blocking(move || {
        let stamp = Stamp::of(&path)?;
        if Stamp::read(&record).is_some_and(|seen| seen == stamp) {
            return Ok(Verdict::Same);
        }
        let (hash, length) = hash_reader(File::open(&path)?)?;
        let got = Sha256Digest::from_bytes(&hash.finalize());
        if got != digest {
            return Ok(Verdict::Other(got, length));
        }
        // Taken before the hashing: a change in between makes the record void, not the file trusted.
        let _ = stamp.write(&record);
        Ok(Verdict::Same)
    });
    verdict.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// What changes when anybody touches a file; ctime cannot be set back.
#[derive(PartialEq)]
struct Stamp(String);

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Self(format!(
            "{} {} {} {}.{:09} {}.{:09}\n",
            meta.dev(),
            meta.ino(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        )))
    }

    fn read(record: &Path) -> Option<Self> {
        fs::read_to_string(record).ok().map(Self)
    }

    fn write(&self, record: &Path) -> io::Result<()> {
        plain(record)?;
        fs::write(record, &self.0)
    }
}
