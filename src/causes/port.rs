//! A port that somebody else has, and an address that is not here.

use std::net::{IpAddr, Ipv4Addr};

use super::Evidence;
use crate::event::Cause;

/// Somebody else listens where `title` shall.
pub fn taken(port: u16, at: &str, by: &str, title: &str) -> Cause {
    Cause::new(
        "port.taken",
        format!("Port {port} on {at} is taken by {by}; {title} listens there."),
        format!(
            "stop that service, or choose another port in the inventory; see who it is: ss -ltnp 'sport = :{port}'"
        ),
    )
}

/// What Docker says of a port that it has given away itself.
const ALLOCATED: &str = "port is already allocated";
/// Who has a port, as people read it.
pub const UNSEEN: &str = "a process that could not be seen";

pub(super) fn cause(evidence: &Evidence) -> Option<Cause> {
    let in_use_of = ["address already in use", ALLOCATED, "could not bind socket"];
    if let Some(line) = evidence.line_outside(&in_use_of) {
        return in_use(evidence, line);
    }
    let line = evidence.line_outside(&["cannot assign requested address"])?;
    let address = places(line).last().map(|(address, _)| address.to_owned()).unwrap_or_default();
    Some(Cause::new(
        "host.address-missing",
        format!(
            "No interface of this host has the address {address}, which {} listens on.",
            evidence.scene.title
        ),
        "see what it has: ip -o addr; then correct the address in the inventory, or bring the interface up",
    ))
}

fn in_use(evidence: &Evidence, line: &str) -> Option<Cause> {
    let scene = &evidence.scene;
    let foreign = |port: u16| {
        evidence.seen.listeners.iter().find(|listener| {
            listener.port == port
                && !listener.process.as_deref().is_some_and(|name| is_ours(name, scene.process))
        })
    };
    let named = places(line);
    let port = named
        .iter()
        .map(|(_, port)| *port)
        .find(|port| scene.ports.contains(port))
        .or_else(|| named.first().map(|(_, port)| *port))
        .or_else(|| scene.ports.iter().copied().find(|port| foreign(*port).is_some()))?;
    let holder = foreign(port);
    let by = holder.and_then(|listener| listener.process.as_deref()).unwrap_or(UNSEEN);
    let at = match named.iter().find(|(_, other)| *other == port) {
        Some((address, _)) => address.clone(),
        None => holder.map(|listener| listener.ip.to_string()).unwrap_or_default(),
    };
    if holder.is_none() && line.contains(ALLOCATED) {
        return Some(allocated(port, &at));
    }
    Some(taken(port, &at, by, scene.title))
}

/// Docker has the port, and gives it to nobody else.
fn allocated(port: u16, at: &str) -> Cause {
    Cause::new(
        "port.taken",
        format!(
            "Docker has given port {port} on {at} to another container, or still holds it for one that is gone."
        ),
        format!(
            "see to which: docker ps --filter publish={port}\nwhere that shows none, a loss of power has cut a start off; Docker \
             lets go when it begins anew, and all its containers with it:\n  systemctl restart docker"
        ),
    )
}

/// Whether a process, as `nginx (812)`, has that name.
pub(super) fn is_ours(process: &str, name: &str) -> bool {
    process.split(' ').next() == Some(name)
}

/// Each `ADDRESS:PORT` in a line.
fn places(line: &str) -> Vec<(String, u16)> {
    line.split(|letter: char| letter.is_whitespace() || "\"'=,;()".contains(letter))
        .flat_map(|word| {
            let found = bracketed(word);
            if found.is_empty() { pairs(word) } else { found }
        })
        .collect()
}

/// Those that stand in brackets, or have their address there: `[fd00::1]:80`, Docker's `[fd00::1]:80:[fd00:17::2]:80/tcp`, HAProxy's `[fd00::1:80]` and
/// `[10.0.0.1:80]`.
fn bracketed(word: &str) -> Vec<(String, u16)> {
    let mut all = Vec::new();
    let mut rest = word;
    while let Some((inside, after)) = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
        let port = after.strip_prefix(':').and_then(leading_number);
        let (address, port) = match (port, inside.rsplit_once(':')) {
            (None, Some((address, port))) => (address, port.parse().ok()),
            (port, _) => (inside, port),
        };
        if let (Ok(address), Some(port)) = (address.parse::<IpAddr>(), port) {
            all.push((address.to_string(), port));
        }
        rest = after;
    }
    all
}

/// Those of IPv4 in any other word: Docker writes `10.0.0.1:80:172.17.0.2:80/tcp`.
fn pairs(word: &str) -> Vec<(String, u16)> {
    let parts: Vec<&str> = word.trim_matches(['[', ']', '.', ':']).split(':').collect();
    let place = |pair: &[&str]| {
        pair[0].parse::<Ipv4Addr>().ok().zip(leading_number(pair[1])).map(|(ip, port)| (ip.to_string(), port))
    };
    parts.windows(2).filter_map(place).collect()
}

fn leading_number(text: &str) -> Option<u16> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).map_or(text, |end| &text[..end]);
    digits.parse().ok()
}
