//! What Kuboard's login types need together. Its entrypoint checks the root user alone and then loops
//! without ever serving.

use std::collections::BTreeMap;

use crate::inventory::model::EnvValue;
use crate::inventory::problem::Report;
use crate::inventory::read::{closest, listed};

/// Login types, each with the names it needs; alternatives stand together. The type of `oidc` reads its
/// issuer as `UPSTREAM_OIDC_ISSUER`; older texts leave the prefix out.
const TYPES: &[(&str, &[&[&str]])] = &[
    ("default", &[]),
    ("gitlab", &[&["GITLAB_BASE_URL"], &["GITLAB_APPLICATION_ID"], &["GITLAB_CLIENT_SECRET"]]),
    ("github", &[&["GITHUB_CLIENT_ID"], &["GITHUB_CLIENT_SECRET"]]),
    (
        "oidc",
        &[
            &["UPSTREAM_OIDC_ISSUER", "OIDC_ISSUER"],
            &["UPSTREAM_OIDC_CLIENT_ID", "OIDC_CLIENT_ID"],
            &["UPSTREAM_OIDC_CLIENT_SECRET", "OIDC_CLIENT_SECRET"],
        ],
    ),
    ("ldap", &[&["LDAP_HOST"], &["LDAP_BASE_DN"]]),
];

/// Names that make sense only together.
const PAIRS: &[(&str, &str)] =
    &[("LDAP_BIND_DN", "LDAP_BIND_PASSWORD"), ("LDAP_BIND_PASSWORD", "LDAP_BIND_DN")];

pub(super) fn check(env: &BTreeMap<String, EnvValue>, report: &Report) {
    let path = "kuboard/env/KUBOARD_LOGIN_TYPE";
    let kind = match env.get("KUBOARD_LOGIN_TYPE") {
        Some(EnvValue::Text(kind)) => kind.as_str(),
        Some(EnvValue::Secret(_)) => {
            let hint = "write it here: what it needs is checked with it";
            report.problem(path, "KUBOARD_LOGIN_TYPE is not a secret", hint);
            return;
        }
        None => "default",
    };
    let Some((_, needs)) = TYPES.iter().find(|(known, _)| *known == kind) else {
        let kinds: Vec<&str> = TYPES.iter().map(|(kind, _)| *kind).collect();
        let hint = closest(kind, kinds.iter().copied())
            .map_or_else(|| format!("one of {}", listed(&kinds)), |kind| format!("did you mean `{kind}`?"));
        report.problem(path, format!("Kuboard has no login type `{kind}`"), hint);
        return;
    };
    let mut missing: Vec<&str> = needs
        .iter()
        .filter(|names| !names.iter().any(|name| env.contains_key(*name)))
        .filter_map(|names| names.first().copied())
        .collect();
    if kind != "default" && !env.contains_key("KUBOARD_ROOT_USER") {
        missing.insert(0, "KUBOARD_ROOT_USER");
    }
    missing.extend(
        PAIRS
            .iter()
            .filter(|(has, needs)| env.contains_key(*has) && !env.contains_key(*needs))
            .map(|(_, needs)| *needs),
    );
    if !missing.is_empty() {
        report.problem(
            path,
            format!("login type {kind} needs {} too", listed(&missing).replace(" or ", " and ")),
            "add them to `kuboard.env`; KUBOARD_ROOT_USER is the user who administers Kuboard, secrets are `{ env: NAME }`",
        );
    }
}
