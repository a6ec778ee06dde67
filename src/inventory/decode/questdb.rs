//! `questdb`.

use std::collections::BTreeMap;

use super::{download, hosts};
use crate::catalog;
use crate::inventory::model::{Download, Host, Questdb, QuestdbFlavour};
use crate::inventory::read::{Reading, Section};
use crate::inventory::scalar;
use crate::resource::{Arch, HostName};

/// Reads the section.
pub(super) fn questdb(reading: Reading<'_>, section: Section<'_>, all: &BTreeMap<HostName, Host>) -> Questdb {
    let hint = "one of the hosts, as in `host: questdb`";
    let host = section.required_value("host", |text| hosts::known(text, all), hint);
    let version = section.value_or("version", scalar::line, "6.6.1".to_owned());
    let words = [("rt", Some(QuestdbFlavour::Rt)), ("no-jre", Some(QuestdbFlavour::NoJre))];
    let asked = section.choice("flavour", &words, None);
    let data_dir = section.value_or("data_dir", scalar::directory, "/var/lib/questdb".to_owned());
    let heap = section.value_or("heap", scalar::size, 1 << 30);
    let password = section.secret("password");
    let download = section.section("download").map(|below| download::download(reading, below));
    section.close();
    let flavour = asked.unwrap_or_else(|| flavour_of(&version, download.as_ref()));
    let host = host.unwrap_or_else(|| HostName::new(""));
    Questdb { host, version, flavour, data_dir, heap, password, download }
}

/// The release that the given digest belongs to: rt has no published digest, so a digest that is not
/// no-jre's, from an address that does not say no-jre, is taken for rt's.
fn flavour_of(version: &str, download: Option<&Download>) -> QuestdbFlavour {
    let Some(download) = download else { return QuestdbFlavour::NoJre };
    let says_no_jre = download.url.as_ref().is_some_and(|url| url.contains("no-jre"));
    match download.sha256.get(&Arch::Amd64) {
        Some(digest) if !says_no_jre && Some(digest) != catalog::questdb_no_jre_digest(version).as_ref() => {
            QuestdbFlavour::Rt
        }
        _ => QuestdbFlavour::NoJre,
    }
}
