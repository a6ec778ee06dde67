//! Addresses and listening sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::model::{Address, Listener};

/// Reads `ip -o addr show`; loopback and link-local addresses are left out.
pub fn addresses(lines: &[&str]) -> Vec<Address> {
    lines
        .iter()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let interface = words.next()?;
            let family = words.next()?;
            let (ip, prefix) = words.next()?.split_once('/')?;
            let ip: IpAddr = ip.parse().ok()?;
            let link_local = matches!(ip, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80);
            (family.starts_with("inet") && !ip.is_loopback() && !link_local).then_some(())?;
            Some(Address { interface: interface.to_owned(), ip, prefix: prefix.parse().ok()? })
        })
        .collect()
}

/// Reads `ss -Hltnp`.
pub fn listeners(lines: &[&str]) -> Vec<Listener> {
    lines
        .iter()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = words.get(3)?.rsplit_once(':')?;
            let process = words.get(5..).map(|rest| rest.join(" ")).and_then(|rest| process(&rest));
            Some(Listener { ip: ip(address)?, port: port.parse().ok()?, process })
        })
        .collect()
}

/// Reads `PORT ADDRESS` lines, both as `/proc/net/tcp` writes them: who is connected.
pub fn callers(lines: &[&str]) -> BTreeMap<u16, BTreeSet<IpAddr>> {
    let mut found: BTreeMap<u16, BTreeSet<IpAddr>> = BTreeMap::new();
    for (port, address) in lines.iter().filter_map(|line| line.split_once(' ')) {
        if let (Ok(port), Some(ip)) = (u16::from_str_radix(port, 16), kernel_ip(address))
            && !ip.is_loopback()
        {
            found.entry(port).or_default().insert(ip);
        }
    }
    found
}

/// `0B10630A`, and four of that for IPv6: each word as the machine that runs the host has it in memory, which is little end
/// first on all that there are releases for.
fn kernel_ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_le_bytes());
    match text.len() {
        8 => Some(IpAddr::V4(word(0)?.into())),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
        }
        _ => None,
    }
}

/// `0.0.0.0`, `*`, `[::]`, `127.0.0.1%lo`.
fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').split([']', '%']).next()?;
    match bare {
        "*" | "::" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        "0.0.0.0" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        other => match other.parse().ok()? {
            IpAddr::V6(v6) => Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)),
            v4 @ IpAddr::V4(_) => Some(v4),
        },
    }
}

/// `users:(("sshd",pid=12,fd=3))` as `sshd (12)`.
fn process(text: &str) -> Option<String> {
    let name = text.split('"').nth(1)?;
    let pid: String = text.split("pid=").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{name} ({pid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ip_addr() {
        let found = addresses(&[
            "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever",
            "2: eth0    inet 10.99.16.11/24 brd 10.99.16.255 scope global eth0\\       valid_lft forever",
            "2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever",
            "broken",
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].interface.as_str(), found[0].prefix), ("eth0", 24));
    }

    #[test]
    fn reads_who_is_connected() {
        let found = callers(&[
            "094B 0900000A",
            "094B 0100007F",
            "094B 0000000000000000FFFF00000900000A",
            "226C 000000FD000000000000000009000000",
            "226C 00000000000000000000000001000000",
            "x",
            "094B 09é0000",
        ]);
        let of = |port: u16| found[&port].iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((of(2379), of(8812)), (vec!["10.0.0.9".to_owned()], vec!["fd00::9".to_owned()]));
    }

    #[test]
    fn reads_ss() {
        let found = listeners(&[
            "LISTEN 0      128          0.0.0.0:22         0.0.0.0:*    users:((\"sshd\",pid=45,fd=3))",
            "LISTEN 0      4096    127.0.0.53%lo:53        0.0.0.0:*",
            "LISTEN 0      4096               *:9003             *:*    users:((\"java\",pid=7,fd=1))",
            "LISTEN 0      128             [::]:22            [::]:*    users:((\"sshd\",pid=45,fd=4))",
        ]);
        assert_eq!(found.len(), 4);
        assert_eq!((found[0].port, found[0].process.as_deref()), (22, Some("sshd (45)")));
        assert_eq!(found[1].ip.to_string(), "127.0.0.53");
        assert!(found[2].ip.is_unspecified() && found[1].process.is_none());
    }
}
