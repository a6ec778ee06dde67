//! The machine and its system.

use crate::facts::model::System;
use crate::resource::Arch;

/// Clock readings that other parsers need.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clock {
    /// Seconds since the epoch, by the host.
    pub now: f64,
    /// Seconds since boot.
    pub uptime: f64,
}

/// Reads `NAME VALUE` lines.
pub fn system(lines: &[&str]) -> (System, Clock) {
    let mut system = System::default();
    let mut clock = Clock::default();
    for line in lines {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim();
        match name {
            "os" => value.clone_into(&mut system.os),
            "version" => value.clone_into(&mut system.os_version),
            "like" => system.os_like = value.split_whitespace().map(str::to_owned).collect(),
            "machine" => {
                value.clone_into(&mut system.machine);
                system.arch = match value {
                    "x86_64" => Some(Arch::Amd64),
                    "aarch64" | "arm64" => Some(Arch::Arm64),
                    _ => None,
                };
            }
            "kernel" => value.clone_into(&mut system.kernel),
            "uid" => system.root = value == "0",
            "systemd" => system.systemd = value.parse().ok(),
            "memory_kib" => system.memory = value.parse::<u64>().unwrap_or(0).saturating_mul(1024),
            "manager" => system.package_manager = Some(value.to_owned()),
            "selinux" => system.selinux = Some(value.to_owned()),
            "tool" => {
                system.tools.insert(value.to_owned());
            }
            "clock" => clock.now = value.parse().unwrap_or(0.0),
            "uptime" => clock.uptime = value.parse().unwrap_or(0.0),
            _ => {}
        }
    }
    (system, clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_debian() {
        let (system, clock) = system(&[
            "os debian",
            "version 12",
            "like ",
            "machine x86_64",
            "uid 0",
            "systemd 252",
            "memory_kib 1024",
            "tool bash",
            "clock 1700000000",
            "uptime 12.50",
            "nonsense",
        ]);
        assert_eq!(
            (system.os.as_str(), system.arch, system.systemd),
            ("debian", Some(Arch::Amd64), Some(252))
        );
        assert!(system.root && system.tools.contains("bash"));
        assert_eq!(system.memory, 1 << 20);
        assert!((clock.now - 1.7e9).abs() < 1.0 && (clock.uptime - 12.5).abs() < 0.01);
    }
}
