//! Archives: received or fetched, verified, unpacked, thrown away.

use std::fs;
use std::path::Path;

use kuboard_ha::facts::look::Looks;
use kuboard_ha::plan::model::Action;
use kuboard_ha::plan::script::quote;
use kuboard_ha::resource::{Artifact, Sha256Digest};

use super::{Scratch, everywhere};

fn archive(scratch: &Scratch, entries: &[(&str, &str)]) -> Artifact {
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let bytes = builder.into_inner().unwrap().finish().unwrap();
    let sha256 = Sha256Digest::of(&bytes);
    fs::create_dir_all(scratch.state().join("stage")).unwrap();
    fs::write(scratch.state().join(format!("stage/{sha256}.part")), bytes).unwrap();
    Artifact { product: "p".into(), version: "1".into(), source: String::new(), sha256 }
}

#[test]
fn an_archive_is_verified_unpacked_beside_and_recorded() {
    everywhere(|scratch| {
        let artifact = archive(scratch, &[("p-1/tool", "T"), ("p-1/other", "O"), ("p-1/doc/x", "X")]);
        let directory = scratch.path("opt/p/1").to_str().unwrap().to_owned();
        scratch.act(Action::Stage { artifact: artifact.clone() }).unwrap();
        let install = Action::Install {
            artifact: artifact.clone(),
            directory: directory.clone(),
            members: vec!["tool".into(), "doc".into()],
        };
        scratch.act(install).unwrap();
        assert_eq!(fs::read_to_string(format!("{directory}/tool")).unwrap(), "T");
        assert!(
            Path::new(&directory).join("doc/x").exists() && !Path::new(&directory).join("other").exists()
        );
        let stamp = scratch.run(&format!("tree_stamp {}", quote(&directory))).unwrap();
        assert_eq!(
            scratch.manifest()[&format!("install {directory}")],
            format!("{} {}", artifact.sha256, stamp.trim())
        );
        let looks = Looks { installs: [directory.clone()].into(), ..Looks::default() };
        let intact = || scratch.look(&looks).installs[&directory].as_ref().unwrap().intact;
        assert!(intact());
        fs::write(format!("{directory}/tool"), "tampered").unwrap();
        assert_ne!(scratch.run(&format!("tree_stamp {}", quote(&directory))).unwrap(), stamp);
        assert!(!intact());
    });
}

#[test]
fn an_archive_with_another_digest_is_thrown_away() {
    everywhere(|scratch| {
        let artifact = archive(scratch, &[("p-1/tool", "T")]);
        let part = scratch.state().join(format!("stage/{}.part", artifact.sha256));
        fs::write(&part, "something else").unwrap();
        let said = scratch.act(Action::Stage { artifact }).unwrap_err();
        assert!(said.contains("digest of the archive is") && !part.exists(), "{said}");
    });
}

#[test]
fn an_archive_is_on_the_disk_before_it_has_its_name() {
    everywhere(|scratch| {
        let sha256 = archive(scratch, &[("p-1/tool", "T")]).sha256;
        // Whether its last name is there yet when each file is brought to the disk.
        let noting =
            format!("sync() {{ [ -e \"$STATE/stage/{sha256}\" ] || echo \"${{1##*/}}\" >>synced; }}\n");
        scratch.run(&format!("{noting}staged {sha256}")).unwrap();
        let synced = fs::read_to_string(scratch.path("synced")).unwrap_or_default();
        assert_eq!(synced, format!("{sha256}.part\n"));
    });
}

#[test]
fn an_archive_that_a_power_cut_has_damaged_goes_and_comes_again() {
    let (whole, address) = (Sha256Digest::of(b"whole"), quote("https://h/a"));
    everywhere(|scratch| {
        let damaged = scratch.state().join("stage").join(whole.as_str());
        let damage = || {
            fs::create_dir_all(damaged.parent().unwrap()).unwrap();
            fs::write(&damaged, "whol\0").unwrap();
        };
        damage();
        let said = scratch.run(&format!("unpack {whole} \"$PWD/opt\"")).unwrap_err();
        assert!(said.contains("is damaged") && said.contains("the next up brings it again"), "{said}");
        assert!(!damaged.exists() && !scratch.path("opt").exists());
        // Unreadable, or gone: no better.
        let said = scratch.run(&format!("unpack {whole} \"$PWD/opt\"")).unwrap_err();
        assert!(said.contains("the next up brings it again"), "{said}");
        damage();
        let said = scratch.run(&format!("staged {whole}")).unwrap_err();
        assert!(!damaged.exists() && said.contains("digest of the archive is unknown"), "{said}");
        // A host that downloads by itself does so at once.
        damage();
        scratch.run(&format!("{NOTING_CURL}fetch_staged {whole} {address}")).unwrap();
        assert_eq!(fs::read_to_string(&damaged).unwrap(), "whole");
        scratch.run(&format!("{NOTING_CURL}fetch_staged {whole} {address}")).unwrap();
        assert_eq!(fs::read_to_string(scratch.path("calls")).unwrap().lines().count(), 1);
    });
}

#[test]
fn a_digest_is_the_same_with_openssl_and_where_it_is_broken_and_a_missing_file_has_none() {
    let expected = Sha256Digest::of(b"whole");
    let broken = "openssl() { echo 'symbol lookup error' >&2; return 127; }\n";
    for before in ["", broken] {
        everywhere(|scratch| {
            fs::write(scratch.path("f"), "whole").unwrap();
            let said = scratch.run(&format!("{before}digest f; echo \"$digest\"")).unwrap();
            assert_eq!(said.trim(), expected.as_str());
            scratch.run(&format!("{before}digest missing")).unwrap_err();
        });
    }
}

/// A curl that notes how it was called and goes on with what is there, as the real one does.
const NOTING_CURL: &str = r#"mkdir -p bin
printf '%s\n' '#!/bin/sh' 'echo "$*" >>calls' 'cat >>asked' 'while [ "$1" != -o ]; do shift; done' \
    'if [ -s "$2" ]; then { [ ! -e full ] || exit 22; }; printf rest >>"$2"; else printf whole >"$2"; fi' >bin/curl
chmod +x bin/curl
PATH=$PWD/bin:$PATH
"#;

#[test]
fn a_host_that_fetches_by_itself_shows_no_token_and_trusts_no_leftover() {
    let whole = Sha256Digest::of(b"whole");
    let address = "https://h/a?sig=\"poison\\";
    let fetch = format!("{NOTING_CURL}fetch_staged {whole} {}", quote(address));
    for (left, calls) in [(None, 1), (Some("whole"), 0), (Some("other"), 2), (Some(""), 1)] {
        everywhere(|scratch| {
            let stage = scratch.state().join("stage");
            fs::create_dir_all(&stage).unwrap();
            if let Some(left) = left {
                fs::write(stage.join(format!("{whole}.part")), left).unwrap();
            }
            scratch.run(&fetch).unwrap();
            assert_eq!(fs::read_to_string(stage.join(whole.as_str())).unwrap(), "whole");
            let called = fs::read_to_string(scratch.path("calls")).unwrap_or_default();
            assert_eq!(called.lines().count(), calls, "{left:?}: {called}");
            assert!(!called.contains("poison"), "{called}");
            if calls > 0 {
                let asked = fs::read_to_string(scratch.path("asked")).unwrap();
                assert!(asked.starts_with("url = \"https://h/a?sig=\\\"poison\\\\\"\n"), "{asked}");
            }
        });
    }
}
