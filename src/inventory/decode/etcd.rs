//! `etcd`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{download, hosts};
use crate::inventory::model::{Etcd, Host};
use crate::inventory::read::{Reading, Section, scalar_at};
use crate::inventory::scalar;
use crate::resource::HostName;

/// Reads the section. The defaults are the manual's.
pub(super) fn etcd(reading: Reading<'_>, section: Section<'_>, all: &BTreeMap<HostName, Host>) -> Etcd {
    let etcd = Etcd {
        hosts: hosts::names(reading, &section, "hosts", all),
        version: section.value_or("version", scalar::line, "3.5.6".to_owned()),
        data_dir: section.value_or("data_dir", scalar::directory, "/var/lib/etcd".to_owned()),
        client_port: section.value_or("client_port", scalar::port, 2379),
        peer_port: section.value_or("peer_port", scalar::port, 2380),
        heartbeat_interval: section.value_or(
            "heartbeat_interval",
            scalar::duration,
            Duration::from_millis(250),
        ),
        election_timeout: section.value_or("election_timeout", scalar::duration, Duration::from_secs(5)),
        settings: section.section("settings").map(|below| settings(reading, &below)).unwrap_or_default(),
        download: section.section("download").map(|below| download::download(reading, below)),
    };
    section.close();
    etcd
}

fn settings(reading: Reading<'_>, section: &Section<'_>) -> BTreeMap<String, String> {
    section
        .all()
        .filter_map(|(entry, path)| {
            let value = scalar_at(reading, &entry.value, &path, scalar::line)?;
            Some((entry.key.clone(), value))
        })
        .collect()
}
