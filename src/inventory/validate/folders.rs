//! Data folders that lie in one another on one host.

use crate::inventory::model::Inventory;
use crate::inventory::problem::Report;
use crate::inventory::read::title;

pub(super) fn check(inventory: &Inventory, report: &Report) {
    let mut folders = vec![
        ("etcd/data_dir", inventory.etcd.data_dir.as_str(), inventory.etcd.hosts.as_slice()),
        ("kuboard/data_dir", &inventory.kuboard.data_dir, &inventory.kuboard.hosts),
    ];
    if let Some(questdb) = &inventory.questdb {
        folders.push(("questdb/data_dir", &questdb.data_dir, std::slice::from_ref(&questdb.host)));
    }
    for (index, (path, folder, hosts)) in folders.iter().enumerate() {
        for (other_path, other, other_hosts) in &folders[..index] {
            let Some(host) = hosts.iter().find(|host| other_hosts.contains(host)) else { continue };
            if within(folder, other) || within(other, folder) {
                let at = if report.holds(path) || !report.holds(other_path) { path } else { other_path };
                let message = format!(
                    "{} and {} lie in one another on `{host}`: {folder}, {other}",
                    title(path),
                    title(other_path)
                );
                report.problem(at, message, "each service keeps a folder of its own");
            }
        }
    }
}

fn within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
