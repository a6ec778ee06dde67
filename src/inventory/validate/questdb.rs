//! QuestDB: where it can serve, and that the audit log has one.

use crate::inventory::model::{Inventory, QuestdbFlavour};
use crate::inventory::problem::Report;
use crate::resource::Arch;

/// Below it the JVM starts and QuestDB does not live long.
const HEAP_MIN: u64 = 128 << 20;

pub(super) fn check(inventory: &Inventory, report: &Report) {
    let Some(questdb) = &inventory.questdb else {
        if inventory.kuboard.audit {
            report.problem(
                "kuboard/audit",
                "the audit log is enabled, and there is no questdb to keep it",
                "add `questdb: { host: … }`, or write `kuboard: { audit: disabled }`: without either, every replica \
                 would keep a part of the log to itself",
            );
        }
        return;
    };
    if !inventory.kuboard.audit {
        report.advise(
            "questdb",
            "questdb.unused",
            "QuestDB is installed, and the audit log that would use it is disabled",
            "leave `questdb` out, or write `audit: enabled`",
        );
    }
    if inventory.address(&questdb.host).is_ipv6() {
        report.problem(
            "questdb/host",
            format!("`{}` has an IPv6 address: QuestDB 6.6.1 listens on IPv4 only", questdb.host),
            "give that host an IPv4 address, or write `kuboard: { audit: disabled }` and leave questdb out",
        );
    }
    if questdb.heap < HEAP_MIN {
        report.problem(
            "questdb/heap",
            "questdb.heap is too small to run in",
            "`128MiB` at the very least, `1GiB` by default",
        );
    }
    let numbers: Vec<&str> = questdb.version.split('.').collect();
    if !(2..=4).contains(&numbers.len())
        || !numbers.iter().all(|n| crate::inventory::scalar::whole::<u32>(n).is_some())
    {
        report.problem(
            "questdb/version",
            format!("`{}` is not a release of QuestDB", questdb.version),
            "numbers with dots, as in `6.6.1`",
        );
    } else if questdb.version != "6.6.1" {
        report.advise(
            "questdb/version",
            "questdb.version-untested",
            format!(
                "QuestDB {} is not the version that Kuboard's manual names and kuboard-ha is tested with",
                questdb.version
            ),
            "6.6.1 is; other versions may refuse settings that are written here",
        );
    }
    let arm64 = questdb.download.as_ref().is_some_and(|download| download.sha256.contains_key(&Arch::Arm64));
    if questdb.flavour == QuestdbFlavour::Rt && arm64 {
        report.problem(
            "questdb/download/sha256/arm64",
            "QuestDB brings its own Java (rt) for amd64 only",
            "on arm64 write `flavour: no-jre`",
        );
    }
}
