//! One value of the file: text to what it means, or why not.

use std::net::IpAddr;
use std::time::Duration;

use super::problem::Wrong;
use crate::resource::Sha256Digest;

type Parsed<T> = Result<T, Wrong>;

/// Docker reads lines of at most 64 KiB from an environment file, the kernel takes 128 KiB in a variable. Bytes.
const LONGEST: usize = 32 * 1024;

/// Any text of one line without control characters: it must survive a unit file and an env file.
pub(crate) fn line(text: &str) -> Parsed<String> {
    if text.len() > LONGEST {
        return Err(Wrong::new(
            format!("the value has {} bytes", text.len()),
            "environment files and processes take no more than 32768",
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new(
            "the value holds a line break or a control character",
            "write it on one line",
        ));
    }
    Ok(text.to_owned())
}

/// 1 to 65535.
pub(crate) fn port(text: &str) -> Parsed<u16> {
    whole::<u16>(text)
        .filter(|port| *port > 0)
        .ok_or_else(|| Wrong::new(format!("`{text}` is not a port"), "a port is a number from 1 to 65535"))
}

/// 1 to 255, a VRRP router id.
pub(crate) fn router_id(text: &str) -> Parsed<u8> {
    whole::<u8>(text).filter(|id| *id > 0).ok_or_else(|| {
        Wrong::new(format!("`{text}` is not a virtual router id"), "it is a number from 1 to 255")
    })
}

/// `250ms`, `5s`, `2m`.
pub(crate) fn duration(text: &str) -> Parsed<Duration> {
    let (number, unit) = split_unit(text);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    whole::<u64>(number)
        .zip(millis)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .map(Duration::from_millis)
        .ok_or_else(|| {
            let message = if unit.is_empty() && whole::<u64>(number).is_some() {
                format!("`{text}` does not say its unit")
            } else {
                format!("`{text}` is not a duration")
            };
            Wrong::new(message, "write whole ms, s or m: `250ms`, `5s`, `1m`")
        })
}

/// `512MiB`, `1GiB`; bytes.
pub(crate) fn size(text: &str) -> Parsed<u64> {
    let (number, unit) = split_unit(text);
    let bytes = match unit {
        "KiB" => Some(1_u64 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    whole::<u64>(number).zip(bytes).and_then(|(number, unit)| number.checked_mul(unit)).ok_or_else(|| {
        let message = if unit.is_empty() && whole::<u64>(number).is_some() {
            format!("`{text}` does not say its unit")
        } else {
            format!("`{text}` is not a size")
        };
        Wrong::new(message, "write whole KiB, MiB or GiB: `512MiB`, `1GiB`")
    })
}

/// An address that a service can listen on and others reach.
pub(crate) fn address(text: &str) -> Parsed<IpAddr> {
    let Ok(address) = text.parse::<IpAddr>() else {
        return Err(Wrong::new(format!("`{text}` is not an IP address"), address_hint(text)));
    };
    match unreachable(address) {
        Some(why) => Err(Wrong::new(
            format!("`{text}` is {why}: other hosts cannot reach it"),
            "write the address of the host's own interface, as `ip address` shows it there",
        )),
        None => Ok(address),
    }
}

/// Why no other host can reach an address; `None` if it can be reached.
pub(crate) fn unreachable(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("unspecified"),
        IpAddr::V4(v4) if v4.is_loopback() => Some("a loopback address"),
        IpAddr::V4(v4) if v4.is_multicast() => Some("a multicast address"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
        IpAddr::V4(v4) if v4.is_link_local() => Some("a link-local address"),
        IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some("a reserved address"),
        IpAddr::V6(v6) if v6.is_unspecified() => Some("unspecified"),
        IpAddr::V6(v6) if v6.is_loopback() => Some("a loopback address"),
        IpAddr::V6(v6) if v6.is_multicast() => Some("a multicast address"),
        IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80 => Some("a link-local address"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("an IPv4 address in disguise"),
        _ => None,
    }
}

/// A name or an address that `ssh` and agents can use.
pub(crate) fn endpoint(text: &str) -> Parsed<String> {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    let (bare, zone) = text.split_once('%').unwrap_or((text, ""));
    let literal = bare.parse::<IpAddr>().is_ok() && plain(zone);
    let named = (1..=253).contains(&text.len()) && !text.starts_with('-') && plain(text);
    if literal || named {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("`{text}` is neither a host name nor an IP address"),
        "names hold letters, digits, `.`, `_` and `-`; users and ports have keys of their own",
    ))
}

/// A path on this machine.
pub(crate) fn path(text: &str) -> Parsed<&str> {
    if text.is_empty() {
        return Err(Wrong::new(
            "an empty path names no file",
            "relative paths start at the inventory's folder",
        ));
    }
    Ok(text)
}

/// `[user@]host[:port]`, several with commas, as `ssh -J` takes them.
pub(crate) fn jump(text: &str) -> Parsed<String> {
    let sane = |hop: &str| {
        !hop.is_empty()
            && !hop.starts_with('-')
            && hop.bytes().all(|b| b.is_ascii_alphanumeric() || b"@._-:[]%".contains(&b))
    };
    if text.split(',').all(sane) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("`{text}` is not a bastion"),
        "write `[user@]host[:port]`, several with commas between",
    ))
}

/// A login.
pub(crate) fn user(text: &str) -> Parsed<String> {
    let sane = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b));
    sane.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(format!("`{text}` is not a user name"), "it starts with a letter and holds no blanks")
    })
}

/// The name of a network interface, as Linux takes it.
pub(crate) fn interface(text: &str) -> Parsed<String> {
    let sane = (1..=15).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b));
    sane.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(
            format!("`{text}` is not a network interface"),
            "as `ip link` shows it, up to 15 characters",
        )
    })
}

/// The cluster's name: it becomes a folder on the hosts.
pub(crate) fn cluster(text: &str) -> Parsed<String> {
    let sane = (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    sane.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(
            format!("`{text}` cannot name a cluster"),
            "lower-case letters, digits and `-` between them, at most 63",
        )
    })
}

/// A host's name: it becomes a member's name and part of paths and unit files.
pub(crate) fn host_name(text: &str) -> Parsed<String> {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    let sane = (1..=63).contains(&bytes.len())
        && edge(bytes.first())
        && edge(bytes.last())
        && !text.contains("..")
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(b));
    sane.then(|| text.to_owned()).ok_or_else(|| {
        let hint = "lower-case letters, digits, and `.` or `-` between them, at most 63";
        Wrong::new(format!("`{text}` cannot name a host"), hint)
    })
}

/// The name of an environment variable.
pub(crate) fn env_name(text: &str) -> Parsed<String> {
    let sane = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    sane.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(
            format!("`{text}` cannot name an environment variable"),
            "letters, digits and `_`, no digit first",
        )
    })
}

/// A folder on the hosts.
pub(crate) fn directory(text: &str) -> Parsed<String> {
    let refuse = |why: &str, hint: &str| Err(Wrong::new(format!("`{text}` {why}"), hint));
    if !text.starts_with('/') {
        return refuse("is not an absolute path", "it is a folder on the hosts: write it from `/` on");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b)) {
        return refuse("would not survive a unit file", "letters, digits, `.`, `_`, `-` and `/` only");
    }
    if text.split('/').skip(1).any(|part| part.is_empty() || part == "." || part == "..") {
        return refuse("is not in its plain form", "no `//`, `/./`, `/../`, and no `/` at the end");
    }
    let under = |top: &str| text == top || text.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    if ["/tmp", "/run", "/var/run", "/var/tmp", "/dev", "/proc", "/sys"].into_iter().any(under) {
        return refuse("does not outlive a reboot, or is cleaned up", "as in `/var/lib/NAME`");
    }
    if ["/root", "/home", "/etc", "/usr", "/boot", "/bin", "/sbin", "/lib", "/lib64"].into_iter().any(under) {
        return refuse("belongs to the system or to its users", "as in `/var/lib/NAME` or `/data/NAME`");
    }
    if ["/var/lib/kuboard-ha", "/opt/kuboard-ha", "/var/lib/docker"].into_iter().any(under) {
        return refuse("is taken: kuboard-ha or Docker keeps its own things there", "as in `/var/lib/NAME`");
    }
    if ["/var", "/var/lib", "/var/log", "/var/cache", "/opt", "/srv"].contains(&text) {
        return refuse("holds other things", "name a folder of its own in it");
    }
    Ok(text.to_owned())
}

/// 64 hexadecimal digits.
pub(crate) fn sha256(text: &str) -> Parsed<Sha256Digest> {
    Sha256Digest::parse(text).ok_or_else(|| {
        let message = format!("`{text}` is not a SHA-256 digest");
        Wrong::new(message, "64 hexadecimal digits, as `sha256sum FILE` prints them")
    })
}

/// A whole number written plainly: no sign, no `_`, no leading zero.
pub(crate) fn whole<N: std::str::FromStr>(text: &str) -> Option<N> {
    let plain = text == "0" || (!text.starts_with('0') && !text.is_empty());
    (plain && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn address_hint(text: &str) -> String {
    let bare = text.trim_start_matches('[').split([']', '%', '/']).next().unwrap_or("");
    if let Ok(address) = bare.parse::<IpAddr>() {
        return format!("write it bare: `{address}`");
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && host.parse::<IpAddr>().is_ok()
        && whole::<u16>(port).is_some()
    {
        return format!("without the port: `{host}`; ports have keys of their own");
    }
    "an IPv4 or IPv6 address, no name: etcd listens on addresses only; a name to reach it by ssh goes to `ssh.host`"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_say_their_units() {
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(duration("2m").unwrap(), Duration::from_mins(2));
        assert_eq!(duration("250").unwrap_err().message, "`250` does not say its unit");
        for bad in ["", "s", "1.5s", "-1s", "1h", "1 s", "99999999999999999999s", "18446744073709551615m"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(size("1GiB").unwrap(), 1 << 30);
        for bad in ["1", "1G", "1gib", "-1MiB", "99999999999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_are_plain_numbers() {
        assert_eq!(port("65535").unwrap(), 65535);
        for bad in ["0", "65536", "080", "0x50", "+80", "8_0", "eighty", ""] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_nobody_else_reaches_are_refused() {
        for good in ["10.0.0.1", "fd00::1", "2001:db8::7", "192.168.255.255"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.18",
            "255.255.255.255",
            "169.254.1.1",
            "240.0.0.1",
            "::",
            "::1",
            "ff02::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "etcd1",
            "10.0.0.1/24",
            "10.0.0.01",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert_eq!(
            address("10.0.0.1:80").unwrap_err().hint.unwrap(),
            "without the port: `10.0.0.1`; ports have keys of their own"
        );
        assert_eq!(address("[fd00::1]").unwrap_err().hint.unwrap(), "write it bare: `fd00::1`");
    }

    #[test]
    fn directories_survive_a_unit_file_and_a_reboot() {
        for good in ["/var/lib/etcd", "/data/etcd", "/data", "/srv/kuboard.d"] {
            assert!(directory(good).is_ok(), "{good}");
        }
        for bad in [
            "etcd",
            "/",
            "/var/lib/../etc",
            "/data/",
            "/data//x",
            "/da ta",
            "/data/$x",
            "/tmp/x",
            "/root/kuboard-data",
            "/var/lib",
            "/var/lib/kuboard-ha/x",
            "/etc/etcd",
            "~/etcd",
            "/data/é",
            "/data/%h",
        ] {
            assert!(directory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_survive_a_shell() {
        for bad in ["", "Etcd1", "-a", "a-", "a b", "a;b", "a/b", "a..b", "ä", "a_b", &"a".repeat(64)] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        assert!(host_name("lb-1.rack2").is_ok());
        for bad in
            ["-oProxyCommand=x", "a b", "$(x)", "a;b", "", "user@host", "host:22", "10.0.0.1:22", "a%b"]
        {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        assert!(["fd00::1", "fe80::1%eth0", "bastion_1.lan"].into_iter().all(|good| endpoint(good).is_ok()));
        for bad in ["-J", "a b", "a,,b", "$x", ""] {
            assert!(jump(bad).is_err(), "{bad}");
        }
        assert!(jump("ops@bastion.example:2222,[fd00::1]:22").is_ok());
    }
}
