//! The machine: its processor, its C library, what SELinux forbids.

use super::Evidence;
use crate::event::Cause;

/// A processor that there are no releases for.
pub fn architecture(what: impl Into<String>) -> Cause {
    Cause::new("host.architecture", what, "use a host with one of these: uname -m")
}

/// A program for another processor.
pub(super) fn other_architecture(program: &str, built: &str, machine: &str) -> Cause {
    Cause::new(
        "host.architecture",
        format!("{program} is built for {built}, and this host's processor is {machine}."),
        "give the archive (or image) of the right architecture in the inventory: download.url and its sha256; see: uname -m",
    )
}

/// A C library that is missing or too old.
pub(super) fn libc(what: String) -> Cause {
    Cause::new(
        "host.glibc",
        what,
        "use a system with glibc 2.17 or later (Debian 11, Ubuntu 20.04, RHEL 8 and later; musl will not do); see: ldd --version",
    )
}

pub(super) fn denied(evidence: &Evidence) -> Option<Cause> {
    let process = evidence.scene.process;
    let line = evidence.kernel.iter().rev().find(|line| {
        let comm =
            line.split_once("comm=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
        line.contains("avc:") && comm.trim_matches(['(', ')']).starts_with(process) && !process.is_empty()
    })?;
    let word = |name: &str| {
        let rest = line.split_once(name).map(|(_, rest)| rest)?;
        Some(rest.split([' ', '"']).find(|word| !word.is_empty())?.to_owned())
    };
    let what = line.split_once('{').and_then(|(_, rest)| rest.split('}').next()).unwrap_or_default().trim();
    let on = word(" path=").or_else(|| word(" name=")).unwrap_or_else(|| "something".to_owned());
    let hint = match evidence.programs.iter().find(|program| program.path.ends_with(&on)) {
        Some(program) => {
            format!("give its files the labels of their places:\n  restorecon -Rv {}", program.path)
        }
        None => "give files the labels of their places:\n  restorecon -Rv PATH".to_owned(),
    };
    Some(Cause::new(
        "selinux.denied",
        format!("SELinux denies {} to {what} {on}.", evidence.scene.title),
        format!("{hint}\nsee all of it: ausearch -m avc -ts recent"),
    ))
}

/// `x86_64` for what stands in an ELF header.
pub(super) fn elf_machine(bytes: &str) -> &'static str {
    match bytes {
        "3e00" => "x86_64",
        "b700" => "aarch64",
        "0300" => "i386",
        "2800" => "32-bit arm",
        "f300" => "riscv",
        "1500" => "ppc64le",
        "0016" => "s390x",
        _ => "another processor",
    }
}
