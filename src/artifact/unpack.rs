//! Reads archives without unpacking them: nothing is written, nothing is believed, everything is bounded.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use tar::EntryType;

use super::cache::{file_error, hash_reader};
use super::error::{Error, Problem};
use super::listing::{Draft, Kind, Listing, safe_name};
use crate::resource::Sha256Digest;

/// What an archive may come to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members.
    pub entries: usize,
    /// Bytes unpacked.
    pub bytes: u64,
    /// Bytes unpacked for each byte of the file; archives that unpack to less than 64 MiB are not judged by it.
    pub ratio: u64,
}

impl Default for Limits {
    /// Room for any release of etcd or `QuestDB`, ten times over.
    fn default() -> Self {
        Self { entries: 20_000, bytes: 4 << 30, ratio: 100 }
    }
}

/// Small archives may be compressed as well as they like.
const SMALL: u64 = 64 << 20;
/// What may stand between two members: padding, headers, long names. Bytes.
const BETWEEN: u64 = 1 << 20;
const GZIP_MAGIC: u8 = 0x1f;

/// Lists a `.tar.gz` after reading all of it. Refuses what could do harm when unpacked by root: absolute paths,
/// `..`, links that lead outside, devices, fifos, sparse files, bombs; and what is truncated, damaged or no
/// archive at all.
pub fn inspect(path: impl AsRef<Path>, limits: Limits) -> Result<Listing, Error> {
    let path = path.as_ref();
    let mut draft = Draft::default();
    walk_file(path, limits, false, |member, _| draft.add(&member.name, member.kind))?;
    draft.finish().map_err(|problem| refused(path, problem))
}

/// The digests of some files of a `.tar.gz`, named by their paths below the top folder as [`Listing`] does. The
/// whole archive is judged as by [`inspect`]; a member that is missing or no file is an error.
pub fn digests(path: impl AsRef<Path>, members: &[&str]) -> Result<BTreeMap<String, Sha256Digest>, Error> {
    let path = path.as_ref();
    let mut draft = Draft::default();
    let mut found = BTreeMap::new();
    walk_file(path, Limits::default(), false, |member, content| {
        // Whether there is a top folder is known at the end only.
        let below = member.name.split_once('/').map_or("", |(_, below)| below);
        let wanted = members.contains(&member.name.as_str()) || members.contains(&below);
        if wanted && matches!(member.kind, Kind::File { .. }) {
            let (hash, _) = hash_reader(content).map_err(|error| corrupt(&error))?;
            found.insert(member.name.clone(), Sha256Digest::from_bytes(&sha2::Digest::finalize(hash)));
        }
        draft.add(&member.name, member.kind)
    })?;
    let top = draft.finish().map_err(|problem| refused(path, problem))?.top;
    let full = |member: &str| top.as_ref().map_or(member.to_owned(), |top| format!("{top}/{member}"));
    let mut digests = BTreeMap::new();
    let mut missing = Vec::new();
    for member in members {
        match found.remove(&full(member)) {
            Some(digest) => {
                digests.insert((*member).to_owned(), digest);
            }
            None if digests.contains_key(*member) => {}
            None => missing.push((*member).to_owned()),
        }
    }
    if missing.is_empty() { Ok(digests) } else { Err(refused(path, Problem::Missing { members: missing })) }
}

/// One member, with a name that is relative and plain.
pub(super) struct Member {
    pub name: String,
    pub kind: Kind,
}

/// Shows each member and its content to `visit`, to the end of the file. `plain` admits an uncompressed tar.
pub(super) fn walk_file(
    path: &Path,
    limits: Limits,
    plain: bool,
    visit: impl FnMut(Member, &mut dyn Read) -> Result<(), Problem>,
) -> Result<(), Error> {
    let opened = File::open(path).and_then(|file| {
        let length = file.metadata()?.len();
        let mut file = BufReader::with_capacity(128 * 1024, file);
        let zipped = file.fill_buf()?.starts_with(&[GZIP_MAGIC, 0x8b]);
        Ok((file, length, zipped))
    });
    let (file, length, zipped) = opened.map_err(|source| file_error("read", path, source))?;
    let most = limits.bytes.min(SMALL.max(length.saturating_mul(limits.ratio)));
    let walked = match (zipped, plain) {
        (true, _) => walk(Gunzip { decoder: Some(GzDecoder::new(file)) }, limits.entries, most, visit),
        (false, true) => walk(file, limits.entries, limits.bytes, visit),
        (false, false) => Err(Problem::NotGzip),
    };
    walked.map_err(|problem| refused(path, problem))
}

fn walk(
    reader: impl Read,
    most_entries: usize,
    most_bytes: u64,
    mut visit: impl FnMut(Member, &mut dyn Read) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let budget =
        Rc::new(Budget { bytes: Cell::new(most_bytes), next: Cell::new(BETWEEN), spent: Cell::new(false) });
    let explain = |error: &io::Error| {
        if budget.spent.get() { Problem::TooBig { limit: most_bytes } } else { corrupt(error) }
    };
    let mut archive = tar::Archive::new(Bounded { reader, budget: Rc::clone(&budget) });
    let mut count = 0;
    for entry in archive.entries().map_err(|error| explain(&error))? {
        let mut entry = entry.map_err(|error| explain(&error))?;
        count += 1;
        if count > most_entries {
            return Err(Problem::TooMany { limit: most_entries });
        }
        let size = entry.size();
        if size > budget.bytes.get() {
            return Err(Problem::TooBig { limit: most_bytes });
        }
        budget.next.set(size + BETWEEN);
        let is_global = entry.header().entry_type() == EntryType::XGlobalHeader;
        if is_global && size > BETWEEN {
            return Err(Problem::TooBig { limit: BETWEEN });
        }
        check_headers(&mut entry, is_global)?;
        if is_global {
            continue;
        }
        let mut content = Counted { reader: &mut entry, count: 0 };
        if let Some(member) = member(content.reader)? {
            // A reader that fails is told by its own error, not by what `visit` made of it.
            visit(member, &mut content).map_err(|problem| {
                if budget.spent.get() { Problem::TooBig { limit: most_bytes } } else { problem }
            })?;
        }
        io::copy(&mut content, &mut io::sink()).map_err(|error| explain(&error))?;
        if content.count != size {
            return Err(Problem::Truncated);
        }
        budget.next.set(BETWEEN);
    }
    // The rest is padding, up to the end of the file, where gzip's own checksum is compared.
    budget.next.set(BETWEEN);
    let mut rest = archive.into_inner();
    let mut buffer = [0; 4096];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if buffer[..count].iter().all(|byte| *byte == 0) => {}
            Ok(_) => return Err(Problem::TrailingGarbage),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if budget.spent.get() => return Err(Problem::TrailingGarbage),
            Err(error) => return Err(corrupt(&error)),
        }
    }
    if count == 0 { Err(Problem::Corrupt { why: "it holds nothing".into() }) } else { Ok(()) }
}

/// Headers that every program reads alike, or that none obeys which is not asked to.
const HEADERS: [&str; 11] =
    ["path", "linkpath", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"];
const UNASKED: [&str; 3] = ["SCHILY.xattr.", "LIBARCHIVE.", "RHT.security."];

/// Refuses extended headers that turn a plain member into a sparse one or rename it behind our back (GNU tar knows
/// some that the tar crate does not). One for all members may hold a comment only: `git archive` writes the commit's id
/// so.
fn check_headers(entry: &mut tar::Entry<'_, impl Read>, is_global: bool) -> Result<(), Problem> {
    let member = entry.path_bytes().escape_ascii().to_string().chars().take(200).collect::<String>();
    let Some(headers) = entry.pax_extensions().map_err(|error| corrupt(&error))? else { return Ok(()) };
    for header in headers {
        let header = header.map_err(|error| corrupt(&error))?;
        let key = String::from_utf8_lossy(header.key_bytes()).into_owned();
        let known = HEADERS.contains(&key.as_str()) || UNASKED.iter().any(|start| key.starts_with(start));
        if (is_global && key != "comment") || !known {
            return Err(Problem::Header { member, key: key.escape_debug().take(80).collect() });
        }
    }
    Ok(())
}

/// What an entry is; `None` for what says nothing about a file.
fn member(entry: &tar::Entry<'_, impl Read>) -> Result<Option<Member>, Problem> {
    let bytes = entry.path_bytes();
    let special =
        || Problem::Special { member: bytes.escape_ascii().to_string().chars().take(200).collect() };
    let target = || {
        let bytes = entry.link_name_bytes().unwrap_or_default();
        String::from_utf8(bytes.to_vec()).map_err(|_| special())
    };
    let kind = match entry.header().entry_type() {
        EntryType::Regular => Kind::File { bytes: entry.size() },
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Symlink { target: target()? },
        EntryType::Link => Kind::HardLink {
            target: target().map(|name| name.strip_prefix("./").map_or(name.clone(), ToOwned::to_owned))?,
        },
        _ => return Err(special()),
    };
    let name = safe_name(&bytes, kind == Kind::Folder)?;
    Ok((!name.is_empty()).then_some(Member { name, kind }))
}

pub(super) fn refused(path: &Path, problem: Problem) -> Error {
    Error::Archive { path: path.to_owned(), problem }
}

fn corrupt(error: &io::Error) -> Problem {
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Garbage>) {
        return Problem::TrailingGarbage;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Problem::Truncated,
        _ => Problem::Corrupt { why: error.to_string() },
    }
}

/// What may still be read.
struct Budget {
    /// Of the whole archive.
    bytes: Cell<u64>,
    /// Until the next member: a long name is read into memory by the tar crate, however long it says it is.
    next: Cell<u64>,
    /// Whether it was asked for more.
    spent: Cell<bool>,
}

struct Bounded<R> {
    reader: R,
    budget: Rc<Budget>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget = &self.budget;
        let left = budget.bytes.get().min(budget.next.get());
        if left == 0 {
            budget.spent.set(true);
            return Err(io::Error::other("too big"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.reader.read(&mut buffer[..most])?;
        budget.bytes.set(budget.bytes.get() - count as u64);
        budget.next.set(budget.next.get() - count as u64);
        Ok(count)
    }
}

struct Counted<R> {
    reader: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// gzip files may be several, one after the other; anything else after the first is garbage, which flate2's own
/// reader cannot tell from a truncated next one.
struct Gunzip<R> {
    /// Absent only while one is replaced by the next.
    decoder: Option<GzDecoder<R>>,
}

#[derive(Debug, thiserror::Error)]
#[error("garbage after the end")]
struct Garbage;

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match decoder.get_mut().fill_buf()?.first() {
                None => return Ok(0),
                Some(&GZIP_MAGIC) => {}
                Some(_) => return Err(io::Error::other(Garbage)),
            }
            self.decoder = self.decoder.take().map(|done| GzDecoder::new(done.into_inner()));
        }
        Ok(0)
    }
}
