//! Addresses and listening sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

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

/// Reads `listen ADDRESS:PORT [PID COMMAND]` lines, the place as `/proc/net/tcp` writes it.
pub fn listeners(lines: &[&str]) -> Vec<Listener> {
    lines
        .iter()
        .filter_map(|line| {
            let mut words = line.strip_prefix("listen ")?.splitn(3, ' ');
            let (address, port) = words.next()?.split_once(':')?;
            let pid = words.next();
            let process = pid.zip(words.next()).map(|(pid, command)| format!("{command} ({pid})"));
            Some(Listener { ip: kernel_ip(address)?, port: u16::from_str_radix(port, 16).ok()?, process })
        })
        .collect()
}

/// Reads `caller PORT ADDRESS` lines, both as `/proc/net/tcp` writes them: who is connected.
pub fn callers(lines: &[&str]) -> BTreeMap<u16, BTreeSet<IpAddr>> {
    let mut found: BTreeMap<u16, BTreeSet<IpAddr>> = BTreeMap::new();
    let callers = lines.iter().filter_map(|line| line.strip_prefix("caller ")?.split_once(' '));
    for (port, address) in callers {
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
            "caller 094B 0900000A",
            "caller 094B 0100007F",
            "caller 094B 0000000000000000FFFF00000900000A",
            "caller 226C 000000FD000000000000000009000000",
            "caller 226C 00000000000000000000000001000000",
            "x",
            "listen 0900000A:094B 7 etcd",
            "caller 094B 09é0000",
        ]);
        let of = |port: u16| found[&port].iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((of(2379), of(8812)), (vec!["10.0.0.9".to_owned()], vec!["fd00::9".to_owned()]));
    }

    #[test]
    fn reads_who_listens() {
        let found = listeners(&[
            "listen 00000000:0016 45 sshd",
            "listen 3500007F:0035",
            "listen 00000000000000000000000000000000:232B 7 java -jar",
            "listen 0000000000000000FFFF00001080630A:0016 45",
            "caller 094B 0900000A",
            "listen é:0016",
        ]);
        assert_eq!(found.len(), 4);
        assert_eq!((found[0].port, found[0].process.as_deref()), (22, Some("sshd (45)")));
        assert_eq!((found[1].ip.to_string(), &found[1].process), ("127.0.0.53".to_owned(), &None));
        assert!(found[2].ip.is_ipv6() && found[2].ip.is_unspecified());
        assert_eq!(found[2].process.as_deref(), Some("java -jar (7)"));
        assert_eq!(found[3].ip.to_string(), "10.99.128.16");
    }
}
