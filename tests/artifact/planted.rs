//! What lies in the way in the cache's own folder, and disks that take no more.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::server::{Bench, Server, artifact, payload};

#[tokio::test]
async fn nothing_is_written_through_what_somebody_planted() {
    let body = payload();
    let server = Server::of(&body).await;
    let wanted = server.artifact(&body);
    for ending in ["part", "lock", "seen", "local"] {
        for hard in [false, true] {
            let bench = Bench::new();
            let victim = bench.dir.path().join("victim");
            std::fs::write(&victim, "precious").unwrap();
            bench.leave_part(&wanted, b"");
            std::fs::remove_file(bench.cache.part_path(&wanted.sha256)).unwrap();
            let planted = bench.cache.part_path(&wanted.sha256).with_extension(ending);
            if hard { std::fs::hard_link(&victim, &planted) } else { symlink(&victim, &planted) }.unwrap();
            assert_eq!(bench.fetch(&wanted).await.unwrap(), body);
            let local = bench.dir.path().join("etcd.tar.gz");
            std::fs::write(&local, &body).unwrap();
            assert_eq!(bench.fetch(&artifact(local.to_str().unwrap(), &body)).await.unwrap(), body);
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious", "{ending}");
        }
    }
}

#[tokio::test]
async fn a_folder_that_others_could_write_to_is_closed() {
    let (bench, body) = (Bench::new(), payload());
    let folder = bench.dir.path().join("artifacts");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let server = Server::of(&body).await;
    bench.fetch(&server.artifact(&body)).await.unwrap();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

const SOURCE: &str = "KUBOARD_HA_TEST_DISK";

/// The child's half of the next test: the cache lies where the temporary files do. Does nothing in the run that a
/// person starts.
#[tokio::test]
async fn child_fetches_to_a_disk_of_its_own() {
    if std::env::var_os(SOURCE).is_none() {
        return;
    }
    let body = payload();
    let server = Server::of(&body).await;
    let cache = kuboard_ha::artifact::Cache::new(std::env::temp_dir());
    let error =
        kuboard_ha::artifact::fetch(&server.artifact(&body), &cache, &kuboard_ha::event::Silent).await;
    let error = error.unwrap_err();
    println!("outcome: {}: {error}: {}", error.kind(), error.hint());
}

/// What a fetch says where its folder is a disk mounted with these options.
fn on_a_disk(options: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o \"$1\" none \"$2\" && TMPDIR=$2 exec \"$3\" --exact \
                  planted::child_fetches_to_a_disk_of_its_own --nocapture";
    let output = Command::new("unshare")
        .args(["-r", "-m", "sh", "-c", script, "sh", options])
        .args([folder.path(), &std::env::current_exe().unwrap()] as [&Path; 2])
        .env(SOURCE, "here")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.split_once("outcome: ") {
        Some((_, rest)) => rest.lines().next().unwrap().to_owned(),
        None => panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn a_full_disk_and_one_that_takes_nothing_are_told_as_such() {
    let full = on_a_disk("size=100k");
    assert!(full.starts_with("file: cannot write ") && full.contains("make room"), "{full}");
    let shut = on_a_disk("ro");
    assert!(shut.starts_with("file: ") && shut.contains("see its owner and mode"), "{shut}");
}
