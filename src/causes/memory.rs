//! Memory: what the kernel killed, and what could not be had.

use super::Evidence;
use super::port::is_ours;
use crate::event::Cause;

pub(super) fn cause(evidence: &Evidence) -> Option<Cause> {
    let scene = &evidence.scene;
    let killed = evidence.kernel.iter().find(|line| {
        let name = line.split_once("illed process ").and_then(|(_, rest)| rest.split(['(', ')']).nth(1));
        line.to_lowercase().contains("out of memory") && name.is_some_and(|name| is_ours(name, scene.process))
    });
    let by_result = evidence.units.iter().any(|unit| unit.result == "oom-kill");
    let by_kernel = killed.is_some() && evidence.units.iter().any(|unit| unit.killed && unit.status == 9);
    let contained = evidence.container.as_ref().is_some_and(|container| container.out_of_memory);
    let refused = evidence.line(&[
        "insufficient memory for the java runtime",
        "cannot allocate memory",
        "could not reserve enough space",
    ]);
    let how = match (by_result || by_kernel || contained, refused) {
        (true, _) => "the kernel killed it for the memory that it took",
        (false, Some(_)) => "it did not get the memory that it asked for",
        (false, None) => return None,
    };
    let memory = match evidence.seen.system.memory {
        0 => String::new(),
        bytes => format!("; the host has {} in all", super::disk::size(bytes)),
    };
    Some(Cause::new(
        "host.memory",
        format!("{} ran out of memory: {how}{memory}.", scene.title),
        "see who takes it: ps axo rss,comm --sort -rss | head; give the host more memory, this service less \
         in the inventory, or spread the roles over more hosts",
    ))
}
