//! What about QuestDB's host forbids its plan, or deserves a word.

use crate::inventory::model::{Questdb, QuestdbFlavour};
use crate::plan::by_hand;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::render::RenderError;
use crate::resource::{Artifact, HostName};
use crate::services::questdb::names::{JAVA_NEEDED, JAVA_PACKAGE, SERVED, UNIT, release};

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
    let hint = "set questdb.flavour to rt, or choose another:\n  update-alternatives --config java";
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
        let message = format!(
            "QuestDB was installed here and is no longer asked for; it may still run, and its rows lie in {data_dir}."
        );
        let hint = format!(
            "when nobody needs them any more:\n  systemctl disable --now {UNIT} && {}",
            by_hand::forget(draft.inventory, &[SERVED])
        );
        draft.find(Finding::on(&host, Severity::Warning, "questdb.left-over", message).hint(hint));
    }
}

/// A template that does not render is a defect of this program, told as one.
pub fn defect(host: &HostName, error: &RenderError) -> Finding {
    let source = &error.source;
    Finding::on(host, Severity::Blocked, "questdb.template", format!("{error}: {source}."))
        .hint("this is a defect of kuboard-ha: please report it with your inventory")
}
