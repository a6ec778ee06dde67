//! Whose the data directory is, who wrote its database, and where the audit log was so far. Nothing that somebody else
//! made is started upon, and nothing is begun anew without a word where there was one.

use crate::facts::model::HostFacts;
use crate::inventory::model::Questdb;
use crate::plan::by_hand;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::services::questdb::names::{CLAIMED, FORMATS, OWNER, SERVED, UNIT_FILE};

/// A finding in the making: severity, code, message, hint.
type Said = (Severity, &'static str, String, String);

/// Says what must be said of the data. Returns whether an empty audit log begins where another one was.
pub fn data(draft: &mut Draft<'_>, questdb: &Questdb) -> bool {
    let Some(seen) = draft.seen.host(&questdb.host) else { return false };
    let place = Place { draft, questdb, seen };
    let said = [foreign, owner, version, moved, missing, folder].into_iter().find_map(|look| look(&place));
    let begins = said.is_none().then(|| begins_empty(&place)).flatten();
    let begins_empty = begins.is_some();
    if let Some((severity, code, message, hint)) = said.or(begins) {
        draft.find(Finding::on(&questdb.host, severity, code, message).hint(hint));
    }
    begins_empty
}

/// The data directory on its host.
struct Place<'p, 'd> {
    draft: &'p Draft<'d>,
    questdb: &'p Questdb,
    seen: &'p HostFacts,
}

impl Place<'_, '_> {
    fn dir(&self) -> &str {
        &self.questdb.data_dir
    }

    fn has_data(&self) -> bool {
        self.seen.questdb.as_ref().is_some_and(|facts| facts.has_data)
    }

    fn is_claimed(&self) -> bool {
        self.seen.manifest.contains_key(CLAIMED)
    }

    /// Whose the database is, `user:group`.
    fn owner(&self) -> &str {
        self.seen.questdb.as_ref().and_then(|facts| facts.data_owner.as_deref()).unwrap_or("somebody")
    }

    /// Makes it one that never served.
    fn forget(&self) -> String {
        by_hand::forget(self.draft.inventory, &[SERVED])
    }

    /// Moves everything in the folder to a folder inside it, which also works on a mount point.
    fn aside(&self) -> String {
        let dir = self.dir();
        format!(
            "mkdir -p {dir}/aside-old && find {dir} -mindepth 1 -maxdepth 1 ! -name 'aside-*' -exec mv -t {dir}/aside-old {{}} +"
        )
    }

    /// Puts a database that lies at `from` in the place of the empty one.
    fn bring(&self, from: &str) -> String {
        let dir = self.dir();
        format!(
            "systemctl stop questdb && mv {dir}/db {dir}/aside-empty && {from} && chown -R {OWNER} {dir}/db && systemctl \
             start questdb"
        )
    }
}

fn foreign(at: &Place<'_, '_>) -> Option<Said> {
    if !at.has_data() || at.is_claimed() {
        return None;
    }
    let (dir, format) = (at.dir(), at.seen.questdb.as_ref().and_then(|facts| facts.format.as_deref()));
    let format = format.map(|format| format!(" (format {format})")).unwrap_or_default();
    let message = format!(
        "{dir}/db holds a database of {}{format} that kuboard-ha did not make; QuestDB {} started on it would change it, \
         so it is left as it is.",
        at.owner(),
        at.questdb.version
    );
    let hint = format!(
        "to begin with an empty one, on the host, then run up:\n  {}\nto keep its rows, after that up:\n  {}",
        at.aside(),
        at.bring(&format!("mv {dir}/aside-old/db {dir}/db"))
    );
    Some((Severity::Blocked, "questdb.foreign-data", message, hint))
}

fn owner(at: &Place<'_, '_>) -> Option<Said> {
    if !at.has_data() || at.owner() == OWNER {
        return None;
    }
    let (dir, owner) = (at.dir(), at.owner());
    let message = format!("{dir}/db belongs to {owner}, not to {OWNER}: QuestDB could not write to it.");
    let hint =
        format!("if it is Kuboard's audit log, on the host, then run up:\n  chown -R {OWNER} {dir}/db");
    Some((Severity::Blocked, "questdb.foreign-data", message, hint))
}

/// A database that a later QuestDB has written, or that this one will change for good.
fn version(at: &Place<'_, '_>) -> Option<Said> {
    if !at.has_data() {
        return None;
    }
    let (dir, wanted) = (at.dir(), at.questdb.version.as_str());
    let format = at.seen.questdb.as_ref().and_then(|facts| facts.format.as_deref());
    let known = FORMATS.iter().find(|(version, _)| *version == wanted).map(|(_, format)| *format);
    let served = served_by(at.seen);
    let older = served.is_some_and(|served| numbers(wanted) < numbers(served));
    let by = served.filter(|_| older).map(|served| format!("QuestDB {served}"));
    let too_new = match (format, known) {
        (Some(format), Some(known)) => numbers(format) > numbers(known),
        _ => older,
    };
    if too_new {
        let by = by.unwrap_or_else(|| {
            format!("a later QuestDB (format {}, not {})", format.unwrap_or("?"), known.unwrap_or("?"))
        });
        let message = format!(
            "{dir}/db was written by {by}; QuestDB {wanted} does not read what a later one has written, and may damage it."
        );
        let hint = format!(
            "set questdb.version to the one that wrote it; or, to begin with an empty one, on the host, then run up:\n  \
             systemctl stop questdb\n  {} && {}",
            at.aside(),
            at.forget()
        );
        return Some((Severity::Blocked, "questdb.newer-data", message, hint));
    }
    let served = served.filter(|served| numbers(served) < numbers(wanted))?;
    let message = format!(
        "QuestDB {wanted} may change the format of the audit log that {served} wrote, at its first start and for good; \
         {served} cannot read it then."
    );
    let hint = format!(
        "to be able to go back, copy it first, on the host:\n  systemctl stop questdb && cp -a {dir}/db \
         {dir}/aside-{served} && systemctl start questdb"
    );
    Some((Severity::Warning, "questdb.upgrade", message, hint))
}

fn moved(at: &Place<'_, '_>) -> Option<Said> {
    let dir = at.dir();
    let old = at.seen.manifest.get(SERVED).filter(|old| *old != dir && !at.has_data())?;
    let message = format!("The audit log lies in {old}; in {dir} an empty one would begin.");
    let hint = format!(
        "set questdb.data_dir back to {old}; or move it, on the host, then run up:\n  systemctl stop questdb && mkdir -p \
         {dir} && mv {old}/db {dir}/db"
    );
    Some((Severity::Blocked, "questdb.data-moved", message, hint))
}

fn missing(at: &Place<'_, '_>) -> Option<Said> {
    let dir = at.dir();
    at.seen.manifest.get(SERVED).filter(|_| !at.has_data())?;
    let message = format!("{dir}/db held the audit log and is gone or empty; its disk may not be mounted.");
    let hint = format!(
        "mount it, on the host, then run up:\n  findmnt --verify; mount -a\nif it is lost for good, then run up, which \
         begins an empty one:\n  {}",
        at.forget()
    );
    Some((Severity::Blocked, "questdb.data-missing", message, hint))
}

/// A folder that somebody else uses for something else.
fn folder(at: &Place<'_, '_>) -> Option<Said> {
    let dir = at.dir();
    let found = at.seen.directories.get(dir)?.as_ref()?;
    if found.empty || found.owner == OWNER || at.is_claimed() || at.has_data() {
        return None;
    }
    let message = format!(
        "{dir} belongs to {} and holds files that are no database; as QuestDB's folder it would be closed to others.",
        found.owner
    );
    let hint = format!(
        "set questdb.data_dir to a folder of its own; or, if nobody needs them, on the host, then run up:\n  {}",
        at.aside()
    );
    Some((Severity::Blocked, "questdb.foreign-folder", message, hint))
}

/// There was an audit log, and not here: its host is another one, or its machine was replaced.
fn begins_empty(at: &Place<'_, '_>) -> Option<Said> {
    if at.has_data() || at.is_claimed() {
        return None;
    }
    let (dir, host, inventory) = (at.dir(), &at.questdb.host, at.draft.inventory);
    let others = inventory.hosts.keys().filter(|other| *other != host);
    let before =
        others.clone().find_map(|old| Some((old, at.draft.seen.host(old)?.manifest.get(SERVED)?.clone())));
    let (message, hint) = if let Some((old, old_dir)) = before {
        let copy = format!(
            "ssh {} tar -C {old_dir} -cf - db | ssh {} tar -C {dir} -xf -",
            inventory.address(old),
            inventory.address(host)
        );
        (
            format!("The audit log so far lies on {old}, in {old_dir}/db; on {host} an empty one begins."),
            format!(
                "to take it along, after up; on {old}, on {host}, from here, and on {host}:\n  systemctl disable --now \
                 questdb\n  systemctl stop questdb && mv {dir}/db {dir}/aside-empty\n  {copy}\n  chown -R {OWNER} {dir}/db \
                 && systemctl start questdb"
            ),
        )
    } else if inventory.kuboard.hosts.iter().any(|replica| at.draft.seen.host(replica).is_some_and(logs)) {
        (
            format!(
                "The replicas have an audit log, and {host} holds none: its machine or disk was replaced, or its disk is \
                 not mounted. An empty one begins; what was logged so far is on the old disk, in {dir}/db."
            ),
            format!(
                "if that disk is in this machine, mount it before up:\n  findmnt --verify; mount -a\nto bring the rows of \
                 a copy at /root/db, after up:\n  {}",
                at.bring(&format!("cp -a /root/db {dir}/db"))
            ),
        )
    } else {
        return None;
    };
    Some((Severity::Warning, "questdb.begins-empty", message, hint))
}

/// Whether a replica of ours was set up with an audit log.
fn logs(seen: &HostFacts) -> bool {
    seen.own_text(REPLICA_ENV)
        .is_some_and(|text| text.lines().any(|line| line.starts_with("KUBOARD_QUEST_DB_URI=")))
}

/// What the manual names a replica's environment; the inventory's `audit` is only what is wanted now.
const REPLICA_ENV: &str = "/etc/kuboard.env";

/// The release that the unit of ours names: `6.6.1` of `/opt/kuboard-ha/questdb/6.6.1-rt-0123abcd/bin/java`.
pub fn served_by(seen: &HostFacts) -> Option<&str> {
    let file = seen.files.get(UNIT_FILE)?.known()?.as_ref()?;
    let (_, rest) = file.text.as_deref()?.split_once("/opt/kuboard-ha/questdb/")?;
    rest.split(['-', '/']).next()
}

/// `6.10.1` comes after `6.6`.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_and_formats_are_compared_as_numbers() {
        assert!(numbers("6.10.1") > numbers("6.6.1"));
        assert!(numbers("426.427") > numbers("426"));
        assert!(numbers("425") < numbers("426"));
    }
}
