//! Programs that cannot be started at all.

use super::evidence::ProgramSeen;
use super::machine::{elf_machine, libc, other_architecture};
use super::{Evidence, disk};
use crate::event::Cause;

/// The status that systemd gives where a program could not be executed.
const NOT_EXECUTED: i32 = 203;

pub(super) fn cause(evidence: &Evidence) -> Option<Cause> {
    let title = evidence.scene.title;
    let program = evidence.programs.first();
    let path = program.map_or(title, |program| program.path.as_str());
    if evidence.says(&["exec format error"]) {
        let built = program.map_or("another processor", |program| elf_machine(&program.machine));
        return Some(other_architecture(path, built, &evidence.seen.system.machine));
    }
    if let Some(line) =
        evidence.line(&["no matching manifest for", "does not match the detected host platform"])
    {
        let what = format!("The image has no version for this host's processor ({}).", super::plain(line));
        return Some(Cause { message: what, ..other_architecture("the image", "", "") });
    }
    if let Some(line) = evidence.line(&["version `GLIBC", "version `GLIBCXX", "version 'GLIBC"]) {
        let wanted = line.split(['`', '\'']).nth(1).unwrap_or("a later one");
        return Some(libc(format!("The C library of this host is too old for {title}: it lacks {wanted}.")));
    }
    if let Some(line) = evidence.line(&["error while loading shared libraries"]) {
        let library =
            line.split("libraries: ").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or("one");
        return Some(Cause::new(
            "host.library",
            format!("{title} needs the library {library}, and it is not there."),
            format!(
                "install the package that brings it: apt-file search {library}, or dnf provides '*/{library}'"
            ),
        ));
    }
    let failed = evidence.units.iter().any(|unit| !unit.killed && unit.status == NOT_EXECUTED);
    let program = program.filter(|_| failed)?;
    not_executed(program, title)
}

fn not_executed(program: &ProgramSeen, title: &str) -> Option<Cause> {
    let ProgramSeen { path, loader, point, options, .. } = program;
    match program.state.as_str() {
        "missing" => Some(Cause::new(
            "program.missing",
            format!("{path} is not there, or is a link that leads nowhere."),
            format!("`kuboard-ha up` puts it back; see where it leads:\n  readlink -m {path}"),
        )),
        "no-loader" => {
            Some(libc(format!("{path} needs the loader {loader} of the GNU C library, and it is not there.")))
        }
        _ if options.split(',').any(|option| option == "noexec") => Some(disk::noexec(path, point, title)),
        "not-executable" => Some(Cause::new(
            "program.not-executable",
            format!("{path} may not be executed."),
            format!("see its mode and those of its folders:\n  namei -l {path}"),
        )),
        _ => None,
    }
}
