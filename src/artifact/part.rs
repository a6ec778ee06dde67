//! The unfinished download: bytes on disk, their running digest, and a look at the first of them.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::cache::{file_error, hash_reader, plain};
use super::error::{Damage, Error};
use crate::resource::Sha256Digest;

/// How many bytes tell text from an archive.
pub(super) const HEAD: usize = 512;

/// A `.part` file, open for more.
pub(super) struct Part {
    path: PathBuf,
    file: tokio::fs::File,
    hash: Sha256,
    head: Vec<u8>,
    length: u64,
}

impl Part {
    /// Opens what an earlier attempt left, or an empty file.
    pub(super) async fn open(path: &Path) -> Result<Self, Error> {
        let owned = path.to_owned();
        let read = tokio::task::spawn_blocking(move || read_part(&owned)).await;
        let (file, hash, head, length) = read
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(|e| file_error("open", path, e))?;
        Ok(Self { path: path.to_owned(), file: tokio::fs::File::from_std(file), hash, head, length })
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The digest of the bytes so far.
    pub(super) fn digest(&self) -> Sha256Digest {
        Sha256Digest::from_bytes(&self.hash.clone().finalize())
    }

    /// What the first bytes give away, once there are enough of them or `complete` says that no more will come.
    pub(super) fn damage(&self, complete: bool) -> Option<Damage> {
        if complete || self.head.len() == HEAD { text_in(&self.head) } else { None }
    }

    /// Adds bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).await.map_err(|source| file_error("write", &self.path, source))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        let missing = (HEAD - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        Ok(())
    }

    /// Begins anew.
    pub(super) async fn clear(&mut self) -> Result<(), Error> {
        self.hash = Sha256::new();
        self.head.clear();
        self.length = 0;
        let emptied = async {
            self.file.set_len(0).await?;
            self.file.rewind().await
        };
        emptied.await.map(|_| ()).map_err(|source| file_error("write", &self.path, source))
    }

    /// Hands every byte to the operating system: a broken transfer continues after the last.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        self.file.flush().await.map_err(|source| file_error("write", &self.path, source))
    }

    /// Waits until the bytes are on the disk: the name that says "verified" must not outlive them in a power cut.
    pub(super) async fn sync(&mut self) -> Result<(), Error> {
        self.flush().await?;
        self.file.sync_all().await.map_err(|source| file_error("write", &self.path, source))
    }

    /// Removes the file.
    pub(super) fn discard(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(|source| file_error("remove", &self.path, source))
    }
}

/// Says whether `head`, the first bytes of a file, is a web page or other text. Tar and gzip both have bytes
/// within their first block that no text has.
pub(super) fn text_in(head: &[u8]) -> Option<Damage> {
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) if error.error_len().is_none() => str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let start = text.lines().next().unwrap_or_default().chars().take(80).collect();
    let lower = text.to_ascii_lowercase();
    let page = ["<!doctype", "<html", "<head", "<body", "<?xml", "<title"];
    Some(if page.iter().any(|tag| lower.starts_with(tag)) {
        Damage::Html { start }
    } else {
        Damage::Text { start }
    })
}

fn read_part(path: &Path) -> io::Result<(File, Sha256, Vec<u8>, u64)> {
    plain(path)?;
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let (hash, length) = hash_reader(&mut file)?;
    file.rewind()?;
    let mut head = Vec::with_capacity(HEAD);
    (&mut file).take(HEAD as u64).read_to_end(&mut head)?;
    file.seek(io::SeekFrom::Start(length))?;
    Ok((file, hash, head, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_text_are_told_from_archives() {
        assert!(matches!(text_in(b"\n<!DOCTYPE html><title>404"), Some(Damage::Html { .. })));
        assert!(matches!(text_in(b"Not Found\n"), Some(Damage::Text { start }) if start == "Not Found"));
        assert!(matches!(text_in("\u{feff}{\"error\": \"été\"}".as_bytes()), Some(Damage::Text { .. })));
        assert_eq!(text_in(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), None);
        let mut tar = b"etcd/etcd".to_vec();
        tar.resize(HEAD, 0);
        assert_eq!(text_in(&tar), None);
        assert_eq!(text_in(b""), None);
    }

    #[test]
    fn a_character_cut_in_two_is_still_text() {
        assert!(text_in(&"文件不存在".as_bytes()[..8]).is_some());
    }
}
