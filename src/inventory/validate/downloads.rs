//! Nothing is installed whose digest is not known beforehand.

use crate::catalog::{self, NoDigest};
use crate::inventory::model::{Download, Inventory, QuestdbFlavour, Transfer};
use crate::inventory::problem::Report;
use crate::inventory::read::title;
use crate::resource::{Arch, Artifact};

const ARCHES: [Arch; 2] = [Arch::Amd64, Arch::Arm64];

pub(super) fn check(inventory: &Inventory, report: &Report) {
    let etcd = &inventory.etcd;
    known("etcd", |arch| catalog::etcd_artifact(etcd, arch), Some(catalog::newest_etcd()), report);
    if let Some(download) = &etcd.download {
        download_of("etcd/download", download, inventory.transfer, report);
        own_build(inventory, download, report);
    }
    if let Some(questdb) = &inventory.questdb {
        known("questdb", |arch| catalog::questdb_artifact(questdb, arch), None, report);
        if let Some(download) = &questdb.download {
            // Without Java one archive serves both architectures.
            if questdb.flavour == QuestdbFlavour::Rt {
                one_file_one_digest("questdb/download", download, report);
            }
            local("questdb/download", download, inventory.transfer, report);
        }
    }
    if let Some(archive) = &inventory.kuboard.image_archive {
        let path = "kuboard/image_archive";
        if archive.url.is_none() {
            report.problem(
                format!("{path}/url"),
                "kuboard.image_archive.url is missing",
                "where the archive lies",
            );
        }
        known_archive(inventory, report);
        download_of(path, archive, inventory.transfer, report);
    }
}

fn download_of(path: &str, download: &Download, transfer: Transfer, report: &Report) {
    one_file_one_digest(path, download, report);
    local(path, download, transfer, report);
}

/// Hosts of one architecture may be all there are: one digest is enough here, and planning, which knows
/// the hosts, asks for the other.
fn known(
    section: &str,
    artifact: impl Fn(Arch) -> Result<Artifact, NoDigest>,
    other: Option<String>,
    report: &Report,
) {
    let mut refusals = ARCHES.into_iter().map(artifact).filter_map(Result::err);
    if let (Some(first), Some(_)) = (refusals.next(), refusals.next()) {
        let path = format!("{section}/version");
        let path = if report.holds(&path) { path } else { format!("{section}/download") };
        let hint = match other {
            Some(other) => format!("{}; or take {other}, whose digests are built in", first.hint),
            None => first.hint.clone(),
        };
        report.problem(path, first.to_string(), hint);
    }
}

fn known_archive(inventory: &Inventory, report: &Report) {
    let digests = inventory.kuboard.image_archive.as_ref().map_or(0, |archive| archive.sha256.len());
    if digests == 0
        && let Some(Err(refusal)) = catalog::image_artifact(&inventory.kuboard, Arch::Amd64)
    {
        report.problem("kuboard/image_archive/sha256", refusal.to_string(), refusal.hint);
    }
}

fn one_file_one_digest(path: &str, download: &Download, report: &Report) {
    let Some(url) = &download.url else { return };
    let mut digests = download.sha256.values();
    if !url.contains("{arch}")
        && let (Some(one), Some(other)) = (digests.next(), digests.next())
        && one != other
    {
        let message = format!("{}.url is one file, and its two digests differ", title(path));
        report.problem(
            format!("{path}/url"),
            message,
            "put `{arch}` into the address where it says amd64 or arm64",
        );
    }
}

fn local(path: &str, download: &Download, transfer: Transfer, report: &Report) {
    let Some(url) = &download.url else { return };
    if transfer == Transfer::Pull && !url.starts_with("http://") && !url.starts_with("https://") {
        let message =
            "with `transfer: pull` hosts download by themselves, and this file lies on this machine";
        report.problem(
            format!("{path}/url"),
            message,
            "write `transfer: push`, or an address that the hosts reach",
        );
    }
}

fn own_build(inventory: &Inventory, download: &Download, report: &Report) {
    for (arch, digest) in &download.sha256 {
        if catalog::etcd_digest(&inventory.etcd.version, *arch).is_some_and(|upstream| upstream != *digest) {
            let version = &inventory.etcd.version;
            report.advise(
                format!("etcd/download/sha256/{arch}"),
                "etcd.own-build",
                format!("this digest is not that of upstream's etcd {version} for {arch}"),
                "right for a build of your own; leave `sha256` out for upstream's",
            );
        }
    }
}
