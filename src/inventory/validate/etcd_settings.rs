//! `etcd.settings`: what etcd 3.5 knows, what kuboard-ha owns, and what each value must look like. etcd itself
//! only warns of a name that it does not know, and the setting has no effect.

use crate::catalog;
use crate::inventory::model::Etcd;
use crate::inventory::problem::Report;
use crate::inventory::read::{closest, key_of, listed};
use crate::inventory::scalar;

/// The form of a value, as etcd's flags parse it.
enum Form {
    Bool,
    Count,
    /// Go's: `1h30m`, `500ms`.
    Duration,
    Words(&'static [&'static str]),
    Text,
}

/// Settings of etcd 3.5.6 that are the user's, without `ETCD_`; from server/etcdmain/config.go.
const KNOWN: &[(&str, Form)] = &[
    ("AUTH_TOKEN", Form::Text),
    ("AUTH_TOKEN_TTL", Form::Count),
    ("AUTO_COMPACTION_MODE", Form::Words(&["periodic", "revision"])),
    ("AUTO_COMPACTION_RETENTION", Form::Text),
    ("BACKEND_BATCH_INTERVAL", Form::Duration),
    ("BACKEND_BATCH_LIMIT", Form::Count),
    ("BACKEND_BBOLT_FREELIST_TYPE", Form::Words(&["array", "map"])),
    ("BCRYPT_COST", Form::Count),
    ("CIPHER_SUITES", Form::Text),
    ("CORS", Form::Text),
    ("ENABLE_PPROF", Form::Bool),
    ("EXPERIMENTAL_BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES", Form::Count),
    ("EXPERIMENTAL_COMPACTION_BATCH_LIMIT", Form::Count),
    ("EXPERIMENTAL_COMPACT_HASH_CHECK_ENABLED", Form::Bool),
    ("EXPERIMENTAL_COMPACT_HASH_CHECK_TIME", Form::Duration),
    ("EXPERIMENTAL_CORRUPT_CHECK_TIME", Form::Duration),
    ("EXPERIMENTAL_DISTRIBUTED_TRACING_ADDRESS", Form::Text),
    ("EXPERIMENTAL_DISTRIBUTED_TRACING_INSTANCE_ID", Form::Text),
    ("EXPERIMENTAL_DISTRIBUTED_TRACING_SERVICE_NAME", Form::Text),
    ("EXPERIMENTAL_DOWNGRADE_CHECK_TIME", Form::Duration),
    ("EXPERIMENTAL_ENABLE_DISTRIBUTED_TRACING", Form::Bool),
    ("EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT", Form::Bool),
    ("EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT_PERSIST", Form::Bool),
    ("EXPERIMENTAL_INITIAL_CORRUPT_CHECK", Form::Bool),
    ("EXPERIMENTAL_MEMORY_MLOCK", Form::Bool),
    ("EXPERIMENTAL_TXN_MODE_WRITE_WITH_SHARED_BUFFER", Form::Bool),
    ("EXPERIMENTAL_WARNING_APPLY_DURATION", Form::Duration),
    ("EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL", Form::Duration),
    ("GRPC_KEEPALIVE_INTERVAL", Form::Duration),
    ("GRPC_KEEPALIVE_MIN_TIME", Form::Duration),
    ("GRPC_KEEPALIVE_TIMEOUT", Form::Duration),
    ("LOG_LEVEL", Form::Words(&["debug", "info", "warn", "error", "panic", "fatal"])),
    ("MAX_CONCURRENT_STREAMS", Form::Count),
    ("MAX_REQUEST_BYTES", Form::Count),
    ("MAX_SNAPSHOTS", Form::Count),
    ("MAX_TXN_OPS", Form::Count),
    ("MAX_WALS", Form::Count),
    ("METRICS", Form::Words(&["basic", "extensive"])),
    ("PRE_VOTE", Form::Bool),
    ("QUOTA_BACKEND_BYTES", Form::Count),
    ("RAFT_READ_TIMEOUT", Form::Duration),
    ("RAFT_WRITE_TIMEOUT", Form::Duration),
    ("SNAPSHOT_COUNT", Form::Count),
    ("SOCKET_REUSE_ADDRESS", Form::Bool),
    ("SOCKET_REUSE_PORT", Form::Bool),
];

/// Settings that came between 3.5.6 and 3.5.21.
const NEWER: &[(&str, Form)] = &[
    ("EXPERIMENTAL_COMPACTION_SLEEP_INTERVAL", Form::Duration),
    ("EXPERIMENTAL_DISTRIBUTED_TRACING_SAMPLING_RATE", Form::Count),
    ("EXPERIMENTAL_SNAPSHOT_CATCHUP_ENTRIES", Form::Count),
    ("EXPERIMENTAL_STOP_GRPC_SERVICE_ON_DEFRAG", Form::Bool),
    ("TLS_MAX_VERSION", Form::Words(&["TLS1.2", "TLS1.3"])),
    ("TLS_MIN_VERSION", Form::Words(&["TLS1.2", "TLS1.3"])),
];

/// etcd warns above it; restarts and snapshots grow slow.
const QUOTA_ADVISED: u64 = 8 << 30;

pub(super) fn check(etcd: &Etcd, report: &Report) {
    for (name, value) in &etcd.settings {
        let path = format!("etcd/settings/{name}");
        let key = key_of(&path);
        let Some(setting) = name.strip_prefix("ETCD_") else {
            let hint = match known(name) {
                Some(_) => format!("write `ETCD_{name}`"),
                None => "settings are etcd's environment variables, `ETCD_…`".to_owned(),
            };
            report.problem(key, format!("`{name}` is not a setting of etcd"), hint);
            continue;
        };
        if let Some((why, hint)) = refused(setting) {
            report.problem(key, format!("`{name}` cannot be set here: {why}"), hint);
            continue;
        }
        let Some(form) = known(setting) else {
            let names = KNOWN.iter().chain(NEWER).map(|(name, _)| *name);
            let hint = closest(setting, names).map_or_else(
                || "see `etcd --help` of 3.5; etcd would only warn and go on without it".to_owned(),
                |name| format!("did you mean `ETCD_{name}`?"),
            );
            report.problem(key, format!("etcd 3.5 does not know `{name}`"), hint);
            continue;
        };
        if NEWER.iter().any(|(newer, _)| *newer == setting)
            && catalog::etcd_patch(&etcd.version).is_some_and(|patch| patch <= 6)
        {
            let hint = format!("`version: {}` knows it", catalog::newest_etcd());
            report.problem(key, format!("etcd {} does not know `{name}`", etcd.version), hint);
        } else if value.is_empty() {
            report.problem(
                path,
                format!("{name} is empty: etcd would ignore it"),
                "write a value, or remove the line",
            );
        } else if let Some(expected) = unlike(form, value) {
            report.problem(
                path,
                format!("{name}: `{value}` is not {expected}"),
                "etcd would refuse to start",
            );
        } else if setting == "QUOTA_BACKEND_BYTES"
            && scalar::whole::<u64>(value).is_some_and(|quota| quota > QUOTA_ADVISED)
        {
            let message = format!("a quota of {value} bytes is more than etcd is made for");
            report.advise(path, "etcd.quota", message, "8589934592 (8 GiB) is the most that etcd advises");
        }
    }
}

fn known(setting: &str) -> Option<&'static Form> {
    KNOWN.iter().chain(NEWER).find(|(name, _)| *name == setting).map(|(_, form)| form)
}

/// Why a setting is not the user's, and what to write instead.
fn refused(setting: &str) -> Option<(&'static str, &'static str)> {
    const OWNED: &str = "kuboard-ha writes it";
    const TLS: &str = "Kuboard v3 speaks plain http to etcd, and so does kuboard-ha";
    const BLIND: &str = "kuboard-ha could no longer see how etcd is";
    const ONE_WAY: &str = "what it does cannot be undone";
    let ends = |ending: &str| setting.ends_with(ending);
    let starts = |start: &str| setting.starts_with(start);
    Some(match setting {
        "NAME" => (OWNED, "a member has the name of its host, in `hosts`"),
        "HEARTBEAT_INTERVAL" => (OWNED, "write `etcd.heartbeat_interval`"),
        "ELECTION_TIMEOUT" => (OWNED, "write `etcd.election_timeout`"),
        "FORCE_NEW_CLUSTER" | "UNSAFE_NO_FSYNC" => {
            (ONE_WAY, "remove it: it can lose data that was acknowledged")
        }
        "ENABLE_V2" | "EXPERIMENTAL_ENABLE_V2V3" | "V2_DEPRECATION" => {
            (ONE_WAY, "remove it: nothing here uses the old store")
        }
        "STRICT_RECONFIG_CHECK" => (OWNED, "remove it: it keeps a change of members from costing the quorum"),
        "ENABLE_GRPC_GATEWAY" | "HOST_WHITELIST" => (BLIND, "remove it; a firewall keeps strangers out"),
        "LOG_OUTPUTS" | "LOGGER" | "ENABLE_LOG_ROTATION" | "LOG_ROTATION_CONFIG_JSON" => {
            (BLIND, "remove it: etcd logs to the journal, which rotates")
        }
        "VERSION" => (OWNED, "write `etcd.version`"),
        _ if ends("DATA_DIR") => (OWNED, "write `etcd.data_dir`"),
        _ if ends("WAL_DIR") => (OWNED, "remove it: the log lies in `etcd.data_dir`"),
        _ if ends("CONFIG_FILE") => (OWNED, "remove it: with a file etcd ignores every other setting"),
        _ if starts("LISTEN_") || starts("ADVERTISE_") => {
            (OWNED, "it follows from `hosts`, `etcd.client_port` and `etcd.peer_port`")
        }
        _ if starts("INITIAL_") => (OWNED, "it follows from `etcd.hosts`"),
        _ if starts("DISCOVERY") || starts("PROXY") => {
            (OWNED, "remove it: the members are those of `etcd.hosts`")
        }
        _ if ends("_FILE") || ends("AUTO_TLS") || ends("CLIENT_CERT_AUTH") || setting.contains("CERT_") => {
            (TLS, "remove it")
        }
        "EXPERIMENTAL_PEER_SKIP_CLIENT_SAN_VERIFICATION" => (TLS, "remove it"),
        _ => return None,
    })
}

/// What the value should be, if it is not.
fn unlike(form: &Form, value: &str) -> Option<String> {
    let (fits, expected) = match form {
        Form::Bool => {
            (["true", "false", "True", "False", "TRUE", "FALSE", "1", "0"].contains(&value), "true or false")
        }
        Form::Count => (scalar::whole::<u64>(value).is_some(), "a whole number"),
        Form::Duration => (is_go_duration(value), "a duration such as `500ms` or `1h`"),
        Form::Text => return None,
        Form::Words(words) => {
            return (!words.contains(&value)).then(|| listed(words));
        }
    };
    (!fits).then(|| expected.to_owned())
}

fn is_go_duration(value: &str) -> bool {
    let mut rest = value;
    if rest == "0" {
        return true;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = ["ns", "us", "ms", "s", "m", "h"].into_iter().find(|unit| {
            after.strip_prefix(unit).is_some_and(|next| !next.starts_with(|c: char| c.is_ascii_alphabetic()))
        });
        let (Ok(_), Some(unit)) = (number.parse::<f64>(), unit) else { return false };
        rest = &after[unit.len()..];
    }
    !value.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_contract_refuses_by_name_is_refused() {
        for name in [
            "NAME",
            "DATA_DIR",
            "WAL_DIR",
            "EXPERIMENTAL_WAL_DIR",
            "CONFIG_FILE",
            "LISTEN_CLIENT_URLS",
            "LISTEN_METRICS_URLS",
            "ADVERTISE_CLIENT_URLS",
            "INITIAL_CLUSTER",
            "INITIAL_CLUSTER_TOKEN",
            "DISCOVERY",
            "DISCOVERY_SRV",
            "FORCE_NEW_CLUSTER",
            "STRICT_RECONFIG_CHECK",
            "CERT_FILE",
            "PEER_TRUSTED_CA_FILE",
            "AUTO_TLS",
            "PEER_AUTO_TLS",
            "CLIENT_CRL_FILE",
        ] {
            assert!(refused(name).is_some(), "{name}");
        }
    }

    #[test]
    fn no_setting_is_both_known_and_refused() {
        for (name, _) in KNOWN.iter().chain(NEWER) {
            assert_eq!(refused(name), None, "{name}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for good in ["0", "1h", "1h30m", "500ms", "1.5s", "10us"] {
            assert!(is_go_duration(good), "{good}");
        }
        for bad in ["", "5", "5 s", "s", "1d", "5sec", "-1s"] {
            assert!(!is_go_duration(bad), "{bad}");
        }
    }
}
