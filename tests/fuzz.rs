//! A bounded run of the fuzz targets (`fuzz/src/lib.rs`) on what real hosts, files and archives look like, damaged at
//! random. The seed is printed; `KUBOARD_HA_SEED=N` makes the same inputs again, `KUBOARD_HA_FUZZ=N` more of them.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking and tells its seed")]

#[path = "../fuzz/src/lib.rs"]
#[expect(clippy::expect_used, reason = "a target's own helpers must work")]
mod targets;
mod world;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Inputs of each target in one run.
const INPUTS: usize = 400;

/// No input, whatever it is, may take longer: far above what one takes, for this machine may be busy.
const LONGEST: Duration = Duration::from_secs(10);

/// Words that parsers look for, numbers at their edges, what ends a value and what begins another.
const WORDS: [&str; 48] = [
    "\n",
    "\r\n",
    "\0",
    "\u{1}",
    " ",
    "\t",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "%",
    "$(id)",
    "`id`",
    "{{ x }}",
    "../",
    "/",
    "= files\n",
    "= end\n",
    "= probe evidence.units\n",
    "\n unit etcd.service\n",
    "bind: address already in use",
    "no space left on device",
    " ",
    "0",
    "-1",
    "255",
    "65536",
    "4294967296",
    "18446744073709551615",
    "9223372036854775808",
    "1e400",
    "NaN",
    "null",
    "\u{feff}",
    "\u{202e}",
    "ä",
    "|",
    "\nend 0 0 yes\n",
    "\nbusy r1 job/2 17 60\n",
];

#[test]
fn an_inventory_in_any_state_is_read_or_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    run("inventory", &files(&[&root.join("inventories"), &root.join("tests/inventory_cases")], "yaml"));
}

#[test]
fn whatever_a_look_prints_is_read() {
    run("look", &kept("look"));
}

#[test]
fn whatever_a_failing_service_shows_is_explained_or_told() {
    run("evidence", &kept("evidence"));
}

#[test]
fn saved_facts_in_any_state_are_read_or_refused() {
    let inventory = world::inventory(Path::new("inventories/two-balancers.yaml"));
    let seeds = [world::bare(&inventory), world::running(&inventory)];
    run("facts", &seeds.map(|facts| serde_json::to_vec(&facts).unwrap()));
}

#[test]
fn an_archive_in_any_state_is_listed_or_refused() {
    run("archive", &archives());
}

#[test]
fn whatever_a_host_says_ends_every_request() {
    run("frames", &kept("frames"));
}

/// Feeds a target the seeds as they are, then damaged ones.
fn run(name: &str, seeds: &[Vec<u8>]) {
    let target = targets::TARGETS.iter().find(|(known, _)| *known == name).unwrap().1;
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
    let fresh = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), name);
    let seed = number("KUBOARD_HA_SEED").unwrap_or_else(fresh);
    let inputs = number("KUBOARD_HA_FUZZ").map_or(INPUTS, |inputs| usize::try_from(inputs).unwrap());
    eprintln!("fuzz {name}: KUBOARD_HA_SEED={seed}, {} seeds, {inputs} inputs", seeds.len());
    assert!(!seeds.is_empty(), "there is nothing to begin with");
    let mut chance = Chance(seed);
    let mut slowest = Duration::ZERO;
    for index in 0..seeds.len() + inputs {
        let input = seeds.get(index).cloned().unwrap_or_else(|| damaged(seeds, &mut chance));
        let begun = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| target(&input)));
        slowest = slowest.max(begun.elapsed());
        if ended.is_err() || begun.elapsed() > LONGEST {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{index}"));
            std::fs::write(&path, &input).unwrap();
            panic!(
                "{name}: input {index} of KUBOARD_HA_SEED={seed} {} after {:.1} s; it is kept in {}",
                if ended.is_err() { "failed" } else { "ended too late" },
                begun.elapsed().as_secs_f64(),
                path.display()
            );
        }
    }
    eprintln!("fuzz {name}: the slowest input took {:.3} s", slowest.as_secs_f64());
}

/// Numbers by chance, the same for the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// A piece of something so long: mostly a short one.
    fn piece(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 32 };
        start..(start + self.below(most + 1)).min(length)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// One of the seeds after one to eight accidents.
fn damaged(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = chance.of(seeds).clone();
    for _ in 0..=chance.below(8) {
        let at = chance.piece(bytes.len());
        match chance.below(8) {
            0 => drop(bytes.drain(at)),
            1 => bytes.truncate(at.start),
            2 => {
                let piece = bytes[at.clone()].to_vec();
                let times = 1 + chance.below(64);
                bytes.splice(at.start..at.start, piece.repeat(times));
            }
            3 => {
                let other = chance.of(seeds);
                let piece = other[chance.piece(other.len())].to_vec();
                bytes.splice(at, piece);
            }
            4 => {
                let word = chance.of(&WORDS);
                bytes.splice(at.start..at.start, word.bytes());
            }
            5 => {
                let word = chance.of(&WORDS);
                bytes.splice(at, word.bytes());
            }
            _ => {
                for byte in &mut bytes[at] {
                    if chance.below(4) == 0 {
                        *byte = u8::try_from(chance.below(256)).unwrap();
                    }
                }
            }
        }
        bytes.truncate(256 * 1024);
    }
    bytes
}

/// The seeds that are kept for a target, where cargo-fuzz finds them too.
fn kept(name: &str) -> Vec<Vec<u8>> {
    files(&[&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)], "txt")
}

fn files(folders: &[&Path], ending: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    // The same order everywhere, or a seed would mean nothing.
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A release as etcd's and an image as `docker save` writes it, zipped and not: damage to zipped bytes seldom gets past
/// their checksum.
fn archives() -> Vec<Vec<u8>> {
    let mut release = tar::Builder::new(Vec::new());
    let long = format!("etcd-v3/{}", "long/".repeat(40));
    for (name, content) in
        [("etcd-v3/etcd", &b"\x7fELF etcd"[..]), ("etcd-v3/doc/README", b"read"), (&long, b"")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        release.append_data(&mut header, name, content).unwrap();
    }
    let pax = [("path", &b"etcd-v3/other"[..]), ("size", b"4"), ("mtime", b"1.5")];
    release.append_pax_extensions(pax).unwrap();
    for (kind, target) in [(tar::EntryType::Symlink, "doc/README"), (tar::EntryType::Link, "etcd-v3/etcd")] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        release.append_link(&mut header, format!("etcd-v3/{kind:?}"), target).unwrap();
    }
    let release = release.into_inner().unwrap();
    let mut image = tar::Builder::new(Vec::new());
    let manifest =
        br#"[{"Config":"c.json","RepoTags":["eipwork/kuboard:v3.5.2.9"],"Layers":["l/layer.tar"]}]"#;
    for (name, content) in [("l/layer.tar", &[0; 600][..]), ("manifest.json", manifest)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        image.append_data(&mut header, name, content).unwrap();
    }
    let image = image.into_inner().unwrap();
    vec![
        gzip(&release),
        stored(&release),
        image.clone(),
        gzip(&image),
        [stored(&release), gzip(&image)].concat(),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    zipped(bytes, flate2::Compression::default())
}

/// Zipped without compression: damage reaches the archive within. Its checksum is at the end, and is not reached where
/// something before it is refused.
fn stored(bytes: &[u8]) -> Vec<u8> {
    zipped(bytes, flate2::Compression::none())
}

fn zipped(bytes: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
