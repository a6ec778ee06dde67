//! What about QuestDB's host forbids its plan, or deserves a word.

use crate::inventory::model::{Questdb, QuestdbFlavour};
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::render::RenderError;
use crate::resource::{Artifact, HostName};
use crate::services::questdb::names::{CLAIMED, JAVA_NEEDED, JAVA_PACKAGE, OWNER, SERVED, UNIT, release};

/// The release for its host and the directory it goes to; without one, a finding (an architecture that has none is
/// told before any service plans).
pub fn release_for(draft: &mut Draft<'_>, questdb: &Questdb) -> Option<(Artifact, String)> {
    let host = &questdb.host;
    let arch = draft.seen.host(host)?.system.arch?;
    match release(questdb, arch) {
        Ok(found) => Some(found),
        Err(error) => {
            let message = format!("{error}; what cannot be verified is not installed.");
            let finding = Finding::on(host, Severity::Blocked, "questdb.no-digest", message);
            draft.find(finding.hint(error.hint));
            None
        }
    }
}

/// Whose the data directory's database is. Nothing that somebody else made is started upon, nothing is begun anew
/// beside a database that was there.
pub fn data(draft: &mut Draft<'_>, questdb: &Questdb) {
    let (host, dir) = (&questdb.host, &questdb.data_dir);
    let Some(seen) = draft.seen.host(host) else { return };
    let Some(facts) = seen.questdb.as_ref() else { return };
    let claimed = seen.manifest.contains_key(CLAIMED);
    let owner = facts.data_owner.as_deref().unwrap_or("somebody");
    let served = seen.manifest.get(SERVED);
    let (code, message, hint) = if facts.has_data && !claimed {
        (
            "questdb.foreign-data",
            format!(
                "{dir}/db holds a database of {owner} that kuboard-ha did not make; it is left as it is."
            ),
            format!(
                "to begin with an empty one: mkdir {dir}/aside && mv {dir}/db {dir}/aside/ ; then run up. To keep its \
                 rows, after that up: systemctl stop questdb && mv {dir}/db {dir}/aside/empty && mv {dir}/aside/db \
                 {dir}/db && chown -R {OWNER} {dir}/db && systemctl start questdb"
            ),
        )
    } else if facts.has_data && owner != OWNER {
        (
            "questdb.foreign-data",
            format!("{dir}/db belongs to {owner}, not to {OWNER}: QuestDB could not write to it."),
            format!("if it is Kuboard's audit log: chown -R {OWNER} {dir}/db ; then run up"),
        )
    } else if let Some(old) = served.filter(|old| !facts.has_data && *old != dir) {
        (
            "questdb.data-moved",
            format!("The audit log lies in {old}; in {dir} an empty one would begin."),
            format!(
                "move it, then run up: systemctl stop questdb && mkdir -p {dir} && mv {old}/db {dir}/db ; \
                 or set questdb.data_dir back to {old}"
            ),
        )
    } else if served.is_some() && !facts.has_data {
        (
            "questdb.data-missing",
            format!("{dir}/db held the audit log and is gone or empty; its disk may not be mounted."),
            format!(
                "mount it (findmnt --verify; mount -a) and run up. If it is lost for good: sed -i '/^{SERVED} /d' \
                 /var/lib/kuboard-ha/{}/manifest ; then run up, which begins an empty one",
                draft.inventory.cluster
            ),
        )
    } else {
        return;
    };
    draft.find(Finding::on(host, Severity::Blocked, code, message).hint(hint));
}

/// A distribution's Java that is too old and that no package of ours would replace.
pub fn java(draft: &mut Draft<'_>, questdb: &Questdb) {
    let host = &questdb.host;
    let Some(seen) = draft.seen.host(host) else { return };
    let java = seen.questdb.as_ref().and_then(|questdb| questdb.java);
    let installed = matches!(seen.packages.get(JAVA_PACKAGE), Some(Some(_)));
    let Some(java) = java.filter(|java| *java < JAVA_NEEDED && installed) else { return };
    if questdb.flavour != QuestdbFlavour::NoJre {
        return;
    }
    let message = format!("/usr/bin/java is Java {java}; QuestDB needs {JAVA_NEEDED} or later.");
    let hint = "choose another with: update-alternatives --config java ; or set questdb.flavour to rt";
    draft.find(Finding::on(host, Severity::Blocked, "questdb.java-too-old", message).hint(hint));
}

/// An instance of ours on a host that is not QuestDB's any more. It is left to the user: it holds data.
pub fn left_over(draft: &mut Draft<'_>) {
    let current = draft.inventory.questdb.as_ref().map(|questdb| &questdb.host);
    let old: Vec<(HostName, String)> = draft
        .inventory
        .hosts
        .keys()
        .filter(|host| Some(*host) != current)
        .filter_map(|host| Some((host.clone(), draft.seen.host(host)?.manifest.get(SERVED)?.clone())))
        .collect();
    for (host, data_dir) in old {
        let message =
            format!("QuestDB was installed here and is no longer asked for; its rows lie in {data_dir}.");
        let hint = format!("when nobody needs them any more: systemctl disable --now {UNIT}");
        draft.find(Finding::on(&host, Severity::Note, "questdb.left-over", message).hint(hint));
    }
}

/// A template that does not render is a defect of this program, told as one.
pub fn defect(host: &HostName, error: &RenderError) -> Finding {
    let source = &error.source;
    Finding::on(host, Severity::Blocked, "questdb.template", format!("{error}: {source}."))
        .hint("this is a defect of kuboard-ha: please report it with your inventory")
}
