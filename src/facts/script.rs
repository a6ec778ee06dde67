//! What to look at, as one shell text for one host.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::facts::look::{FileLook, Looks, Request};
use crate::plan::script::{procedure, quote, without_comments};

const FUNCTIONS: &str = include_str!("look.sh");
const FIREWALL: &str = include_str!("probe/firewall.sh");

/// The text; it needs the functions of `plan/steps.sh` before it. Probes that take time run beside each other.
pub fn script(looks: &Looks) -> String {
    let mut text = without_comments(FUNCTIONS);
    if !looks.units.is_empty() {
        // First: the probes know then how the units stand.
        let _ = writeln!(text, "look_units{}", words(looks.units.keys()));
    }
    for (index, probe) in looks.probes.iter().enumerate() {
        let limit = probe.limit.as_secs().max(1);
        let _ = writeln!(
            text,
            "probe_{index}() {{\nhttp_limit={limit}\n{}\n}}\nbeside {} probe_{index}",
            procedure(&probe.procedure),
            probe.procedure.name
        );
    }
    if !looks.requests.is_empty() {
        let _ = write!(text, "ask_all {}", Request::LIMIT.as_secs());
        for Request { name, host, port, path, body, next } in &looks.requests {
            let (next_name, next) =
                next.as_ref().map(|next| (next.name, procedure(next))).unwrap_or_default();
            let _ = write!(text, " {name} {} {port} {} {}", quote(host), quote(path), quote(body));
            let _ = write!(text, " '{next_name}' {}", quote(&without_comments(&next)));
        }
        text.push('\n');
    }
    if let Some(docker) = &looks.docker {
        let _ = writeln!(
            text,
            "beside docker look_docker {} {}",
            quote(&joined(&docker.containers)),
            quote(&joined(&docker.images))
        );
    }
    let _ = writeln!(text, "look_firewall() {{\n{FIREWALL}\n}}\nbeside firewall look_firewall");
    let ports: BTreeSet<String> = looks.ports.iter().map(|port| format!("{port:04X}")).collect();
    let _ = writeln!(text, "look_system\nlook_network{}\nlook_state", words(&ports));
    // Where no path is named too: a host without a role may hold secrets, from one that it had.
    let _ = writeln!(text, "look_paths{}", words(&looks.named()));
    for (function, names) in [
        ("look_mounts", &looks.paths),
        ("look_packages", &looks.packages),
        ("look_directories", &looks.directories),
        ("look_installs", &looks.installs),
        ("look_users", &looks.users),
        ("look_sysctls", &looks.sysctls),
    ] {
        if !names.is_empty() {
            let _ = writeln!(text, "{function}{}", words(names));
        }
    }
    for (path, look) in &looks.files {
        let (function, names) = match look {
            FileLook::Shown => ("look_text", &[][..]),
            FileLook::Masked(names) => ("look_text", names.as_slice()),
            FileLook::Only(names) => ("look_clear_text", names.as_slice()),
            FileLook::Hidden => continue,
        };
        let _ = writeln!(text, "{function} {}{}", quote(path), words(names));
    }
    text.push_str("look_texts\n");
    text.push_str("together\n");
    text
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn words<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!(" {}", quote(name))).collect()
}
