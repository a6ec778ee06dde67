//! Archives that mean harm, and some that only look like it.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use kuboard_ha::artifact::{Error, Kind, Limits, Listing, Problem, digests, image_names, inspect};
use kuboard_ha::resource::Sha256Digest;
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// Puts a member in as it is, without the checks of `Header::set_path`.
fn put(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &[u8], target: &[u8], content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

fn tar_of(members: &[(EntryType, &str, &str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (kind, name, target, content) in members {
        put(&mut tar, *kind, name.as_bytes(), target.as_bytes(), content);
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A release as etcd's.
fn release() -> Vec<u8> {
    let (file, folder) = (EntryType::Regular, EntryType::Directory);
    tar_of(&[
        (folder, "etcd-v3/", "", b""),
        (file, "etcd-v3/etcd", "", b"\x7fELF etcd"),
        (folder, "etcd-v3/doc/", "", b""),
        (EntryType::Symlink, "etcd-v3/doc/etcd", "../etcd", b""),
        (EntryType::Link, "etcd-v3/etcdctl", "etcd-v3/etcd", b""),
    ])
}

struct Saved(TempDir);

impl Saved {
    fn new(bytes: &[u8]) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("archive"), bytes).unwrap();
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("archive")
    }
}

fn look(bytes: &[u8]) -> Result<Listing, Problem> {
    look_within(bytes, Limits::default())
}

#[track_caller]
fn look_within(bytes: &[u8], limits: Limits) -> Result<Listing, Problem> {
    inspect(Saved::new(bytes).path(), limits).map_err(problem)
}

#[track_caller]
fn problem(error: Error) -> Problem {
    match error {
        Error::Archive { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

/// What `inspect` says about one member beside a file.
fn refusal(kind: EntryType, name: &str, target: &str) -> Problem {
    look(&gzip(&tar_of(&[(EntryType::Regular, "t/a", "", b"a"), (kind, name, target, b"")]))).unwrap_err()
}

#[test]
fn a_release_is_listed_with_sizes_below_its_top_folder() {
    let listing = look(&gzip(&release())).unwrap();
    assert_eq!(listing.top.as_deref(), Some("etcd-v3"));
    let members: Vec<_> = listing.members.iter().map(|(name, kind)| (name.as_str(), kind.clone())).collect();
    assert_eq!(
        members,
        [
            ("doc", Kind::Folder),
            ("doc/etcd", Kind::Symlink { target: "../etcd".into() }),
            ("etcd", Kind::File { bytes: 9 }),
            ("etcdctl", Kind::HardLink { target: "etcd-v3/etcd".into() }),
        ]
    );
}

#[test]
fn digests_are_those_of_the_members_asked_for() {
    let saved = Saved::new(&gzip(&release()));
    let found = digests(saved.path(), &["etcd", "etcd"]).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("etcd".into(), Sha256Digest::of(b"\x7fELF etcd"))]);
    let missing = problem(digests(saved.path(), &["etcd", "etcdutl", "doc", "etcd-v3/etcd"]).unwrap_err());
    assert_eq!(
        missing,
        Problem::Missing { members: ["etcdutl", "doc", "etcd-v3/etcd"].map(Into::into).into() }
    );
}

#[test]
fn digests_of_an_archive_without_a_top_folder_take_full_names() {
    let file = EntryType::Regular;
    let saved = Saved::new(&gzip(&tar_of(&[(file, "a/x", "", b"1"), (file, "b/x", "", b"2")])));
    assert_eq!(digests(saved.path(), &["b/x"]).unwrap()["b/x"], Sha256Digest::of(b"2"));
    assert!(digests(saved.path(), &["x"]).is_err());
}

#[test]
fn digests_come_from_no_archive_that_inspect_refuses() {
    let saved = Saved::new(&gzip(&tar_of(&[
        (EntryType::Regular, "t/etcd", "", b"etcd"),
        (EntryType::Symlink, "t/out", "/etc", b""),
    ])));
    assert!(matches!(problem(digests(saved.path(), &["etcd"]).unwrap_err()), Problem::Link { .. }));
}

#[test]
fn names_that_lead_outside_are_refused() {
    for name in ["/etc/passwd", "../x", "t/../../x", "t/./x", "t//x", "t/a\nb", "t/folder/"] {
        let problem = refusal(EntryType::Regular, name, "");
        assert!(matches!(problem, Problem::Name { .. }), "{name:?}: {problem:?}");
    }
}

#[test]
fn links_that_lead_outside_are_refused() {
    for (name, target) in [("t/l", "/etc"), ("t/l", "../../x"), ("t/l", "a/../../x"), ("t/l", "")] {
        assert!(matches!(refusal(EntryType::Symlink, name, target), Problem::Link { .. }), "{target}");
    }
    for target in ["/etc/shadow", "../x", "t/later", "t"] {
        assert!(matches!(refusal(EntryType::Link, "t/l", target), Problem::Link { .. }), "{target}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let archive = tar_of(&[
        (EntryType::Symlink, "t/l", "a", b""),
        (EntryType::Directory, "t/a/", "", b""),
        (EntryType::Regular, "t/l/x", "", b"x"),
    ]);
    assert!(matches!(look(&gzip(&archive)).unwrap_err(), Problem::Name { .. }));
}

#[test]
fn a_member_that_comes_twice_is_refused() {
    assert!(matches!(refusal(EntryType::Regular, "t/a", ""), Problem::Name { why: "comes twice", .. }));
}

#[test]
fn devices_and_their_like_are_refused() {
    for kind in
        [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::Continuous, EntryType::new(b'V')]
    {
        assert_eq!(refusal(kind, "t/d", ""), Problem::Special { member: "t/d".into() });
    }
}

#[test]
fn a_sparse_file_is_refused_before_its_holes_are_read() {
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_path("t/sparse").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    // 32 GiB of hole.
    gnu.realsize.copy_from_slice(b"377777777770");
    gnu.sparse[0].offset.copy_from_slice(b"377777777770");
    gnu.sparse[0].numbytes.copy_from_slice(b"000000000000");
    header.set_cksum();
    tar.append(&header, &b""[..]).unwrap();
    let refused = look(&gzip(&tar.into_inner().unwrap())).unwrap_err();
    assert!(
        matches!(refused, Problem::Special { .. } | Problem::TooBig { .. } | Problem::Corrupt { .. }),
        "{refused:?}"
    );
}

#[test]
fn a_bomb_is_refused_by_ratio_size_and_count() {
    let zeros = vec![0; 65 << 20];
    let bomb = gzip(&tar_of(&[(EntryType::Regular, "t/zeros", "", &zeros)]));
    assert!(bomb.len() < 100_000);
    assert_eq!(look(&bomb).unwrap_err(), Problem::TooBig { limit: 64 << 20 });
    let generous = Limits { ratio: 2000, ..Limits::default() };
    assert!(look_within(&bomb, generous).is_ok());
    let tight = Limits { bytes: 1000, ..generous };
    assert_eq!(look_within(&bomb, tight).unwrap_err(), Problem::TooBig { limit: 1000 });
    let few = Limits { entries: 4, ..generous };
    assert_eq!(look_within(&gzip(&release()), few).unwrap_err(), Problem::TooMany { limit: 4 });
}

#[test]
fn members_without_end_are_refused_before_they_are_all_read() {
    let mut tar = Builder::new(Vec::new());
    for number in 0..20_001 {
        put(&mut tar, EntryType::Regular, format!("t/{number}").as_bytes(), b"", b"");
    }
    let bytes = gzip(&tar.into_inner().unwrap());
    assert_eq!(look(&bytes).unwrap_err(), Problem::TooMany { limit: 20_000 });
}

/// A member with extended headers before it, its own or those of all that follow.
fn with_headers(kind: EntryType, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut records = String::new();
    for (key, value) in headers {
        let length = (1..99_usize).find(|n| n.to_string().len() + key.len() + value.len() + 3 == *n).unwrap();
        records.push_str(&[length.to_string().as_str(), " ", key, "=", value, "\n"].concat());
    }
    let mut tar = Builder::new(Vec::new());
    put(&mut tar, kind, b"pax", b"", records.as_bytes());
    put(&mut tar, EntryType::Regular, b"t/a", b"", b"a");
    gzip(&tar.into_inner().unwrap())
}

#[test]
fn headers_that_not_every_program_reads_alike_are_refused() {
    let own = EntryType::XHeader;
    let all = EntryType::XGlobalHeader;
    for (kind, headers) in [
        // To GNU tar this is a file of 8 EiB with another name, to the tar crate a plain one.
        (own, &[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "../x")][..]),
        (own, &[("GNU.sparse.realsize", "9223372036854775807")]),
        (own, &[("hdrcharset", "BINARY")]),
        (all, &[("path", "../x")]),
        (all, &[("size", "0")]),
    ] {
        let refused = look(&with_headers(kind, headers)).unwrap_err();
        assert!(matches!(refused, Problem::Header { .. }), "{headers:?}: {refused:?}");
    }
    assert!(matches!(look(&with_headers(own, &[("path", "../x")])).unwrap_err(), Problem::Name { .. }));
    for (kind, headers) in [
        (all, &[("comment", "0123456789abcdef")][..]),
        (own, &[("mtime", "1.5"), ("SCHILY.xattr.user.x", "y"), ("path", "t/longer")]),
    ] {
        assert_eq!(look(&with_headers(kind, headers)).unwrap().members.len(), 1, "{headers:?}");
    }
}

#[test]
fn an_endless_long_name_is_refused_before_it_fills_the_memory() {
    let mut tar = Builder::new(Vec::new());
    put(&mut tar, EntryType::GNULongName, b"././@LongLink", b"", &vec![b'a'; 8 << 20]);
    put(&mut tar, EntryType::Regular, b"t/a", b"", b"a");
    let bytes = gzip(&tar.into_inner().unwrap());
    assert!(matches!(look(&bytes).unwrap_err(), Problem::TooBig { .. }));
}

#[test]
fn a_long_name_that_is_long_only_is_fine() {
    let mut tar = Builder::new(Vec::new());
    let name = format!("t/{}/x", "folder/".repeat(30).trim_end_matches('/'));
    let mut header = Header::new_gnu();
    header.set_size(1);
    tar.append_data(&mut header, &name, &b"x"[..]).unwrap();
    let listing = look(&gzip(&tar.into_inner().unwrap())).unwrap();
    assert_eq!(listing.members[&name[2..]], Kind::File { bytes: 1 });
}

#[test]
fn a_truncated_archive_is_told_from_a_damaged_one() {
    let whole = gzip(&release());
    for length in [11, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        assert_eq!(look(&whole[..length]).unwrap_err(), Problem::Truncated, "{length} bytes");
    }
    // Whole as gzip, but the tar within ends in a file.
    assert_eq!(look(&gzip(&release()[..1024 + 4])).unwrap_err(), Problem::Truncated);
    let mut checksum = whole.clone();
    let end = checksum.len() - 6;
    checksum[end] ^= 1;
    assert!(matches!(look(&checksum).unwrap_err(), Problem::Corrupt { .. }));
}

#[test]
fn what_follows_the_end_is_refused() {
    let mut outside = gzip(&release());
    outside.extend(b"#!/bin/sh");
    assert_eq!(look(&outside).unwrap_err(), Problem::TrailingGarbage);
    let mut inside = release();
    inside.extend(b"#!/bin/sh");
    assert_eq!(look(&gzip(&inside)).unwrap_err(), Problem::TrailingGarbage);
}

#[test]
fn padding_and_parallel_gzip_are_no_garbage() {
    let mut padded = release();
    padded.resize(padded.len() + 10_240, 0);
    assert!(look(&gzip(&padded)).is_ok());
    let (first, second) = padded.split_at(700);
    assert!(look(&[gzip(first), gzip(second)].concat()).is_ok());
}

#[test]
fn what_is_no_archive_is_refused() {
    for bytes in [&b""[..], b"<html>", &release(), b"PK\x03\x04"] {
        assert_eq!(look(bytes).unwrap_err(), Problem::NotGzip);
    }
    for inner in [&b""[..], b"just text", &[0; 1024]] {
        assert!(matches!(look(&gzip(inner)).unwrap_err(), Problem::Corrupt { .. }), "{inner:?}");
    }
}

#[test]
fn an_image_archive_gives_its_names_compressed_or_not() {
    let manifest =
        br#"[{"Config":"c.json","RepoTags":["eipwork/kuboard:v3.5.2.9"],"Layers":["l/layer.tar"]}]"#;
    let saved = tar_of(&[
        (EntryType::Directory, "l/", "", b""),
        (EntryType::Regular, "l/layer.tar", "", &[0; 4096]),
        // `docker save` links equal layers so.
        (EntryType::Symlink, "m/layer.tar", "../l/layer.tar", b""),
        (EntryType::Regular, "manifest.json", "", manifest),
    ]);
    for bytes in [gzip(&saved), saved] {
        assert_eq!(image_names(Saved::new(&bytes).path()).unwrap(), ["eipwork/kuboard:v3.5.2.9"]);
    }
}

#[test]
fn another_archive_is_no_image() {
    let long = vec![b' '; 2 << 20];
    for manifest in [&b"{}"[..], b"", &long] {
        let bytes = gzip(&tar_of(&[(EntryType::Regular, "manifest.json", "", manifest)]));
        let refused = problem(image_names(Saved::new(&bytes).path()).unwrap_err());
        assert!(matches!(refused, Problem::NotImage { .. }), "{refused:?}");
    }
    let refused = problem(image_names(Saved::new(&gzip(&release())).path()).unwrap_err());
    assert!(matches!(refused, Problem::NotImage { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(look(&bytes).is_err());
        prop_assert!(look(&gzip(&bytes)).is_err());
        prop_assert!(image_names(Saved::new(&bytes).path()).is_err());
    }

    /// Whatever a few flipped bytes turn a release into, a listing of it stays inside.
    #[test]
    fn a_release_with_flipped_bytes_stays_inside(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut tar = release();
        for (at, byte) in flips {
            let at = at.index(tar.len());
            tar[at] = byte;
            // Right again, or every flip in a header would end at its checksum.
            let start = at / 512 * 512;
            let header = Header::from_byte_slice(&tar[start..start + 512]).clone();
            if header.as_ustar().is_some() || header.as_gnu().is_some() {
                let mut header = header;
                header.set_cksum();
                tar[start..start + 512].copy_from_slice(header.as_bytes());
            }
        }
        if let Ok(listing) = look(&gzip(&tar)) {
            for name in listing.members.keys() {
                prop_assert!(!name.starts_with('/') && name.split('/').all(|part| part != ".."));
            }
        }
    }
}
