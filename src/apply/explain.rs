//! Why a step failed, and whether a wait is in vain: the host is looked at once more.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Account;
use crate::causes::{self, Evidence, Scene};
use crate::event::Cause;
use crate::host::session::Session;
use crate::inventory::Inventory;
use crate::plan::model::{Action, Job, UnitChange};
use crate::services::{self, Service};

/// How long the look may take.
const LIMIT: Duration = Duration::from_secs(12);
/// A wait is looked at for the first time after so long, and then every so often.
const FIRST: Duration = Duration::from_secs(4);
const AGAIN: Duration = Duration::from_secs(4);

/// What the host shows where a step of a job failed, or waits. `since` is when the run began.
pub(super) async fn look(
    session: &mut Session,
    inventory: &Inventory,
    job: &Job,
    step: usize,
    since: Instant,
    output: &str,
) -> Option<Evidence> {
    let scene = scene(inventory, job, step);
    let script = causes::script(&scene, since.elapsed());
    // Evidence that cannot be had is no second failure.
    let look = session.gather(&script, LIMIT).await.ok()?;
    let mut evidence = causes::read(&scene, &look.text, output);
    evidence.seen.system.clock_offset = session.clock().map_or(0, |clock| clock.offset_ms);
    Some(evidence)
}

/// What is known of a step that failed for good.
pub(super) fn account(inventory: &Inventory, job: &Job, step: usize, evidence: &Evidence) -> Account {
    let cause = cause(inventory, job, evidence).or_else(|| cause(inventory, job, &evidence.widened()));
    let evidence = match job.steps.get(step).map(|step| &step.action) {
        Some(Action::Unit { .. } | Action::Await(_) | Action::Container { .. }) => causes::told(evidence),
        _ => Vec::new(),
    };
    Account { evidence, cause }
}

/// The cause, where it is known.
pub(super) fn cause(inventory: &Inventory, job: &Job, evidence: &Evidence) -> Option<Cause> {
    services::explain(Service::of(job), inventory, evidence)
}

/// What to look at: what the service says, and the units and places of the job itself.
fn scene(inventory: &Inventory, job: &Job, step: usize) -> Scene {
    let mut scene = Service::of(job).map_or_else(
        || Scene { title: "this step", ..Scene::default() },
        |service| service.scene(inventory, &job.host),
    );
    for step in job.steps.iter().take(step + 1) {
        match &step.action {
            Action::Unit { change: UnitChange::DaemonReload, .. } => {}
            Action::Unit { unit, .. } if !scene.units.contains(unit) => scene.units.push(unit.clone()),
            _ => {}
        }
    }
    let place = match job.steps.get(step).map(|step| &step.action) {
        Some(
            Action::WriteFile { path, .. }
            | Action::MakeDir { path, .. }
            | Action::SetAside { path }
            | Action::Install { directory: path, .. },
        ) => path.clone(),
        Some(Action::Package { .. }) => "/usr".to_owned(),
        _ => "/var/lib/kuboard-ha".to_owned(),
    };
    scene.programs.push(place);
    scene
}

/// What was thought of a wait so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    looked: Option<Instant>,
    suspect: Option<(String, u32)>,
}

impl Doubt {
    /// Whether it is time for a look, in a wait that began then.
    pub(super) fn is_due(&self, begun: Instant) -> bool {
        match self.looked {
            None => begun.elapsed() >= FIRST,
            Some(looked) => looked.elapsed() >= AGAIN,
        }
    }

    /// Whether the wait is in vain. A cause that stays must have been seen twice, the second time of another start:
    /// what was so in one moment, or at one start, may be otherwise at the next. `lost` are hosts whose own wait was in
    /// vain: who waits for them need not.
    pub(super) fn hears(
        &mut self,
        attempts: u32,
        at_rest: bool,
        cause: Option<&Cause>,
        lost: &BTreeSet<crate::resource::HostName>,
    ) -> bool {
        self.looked = Some(Instant::now());
        if cause.is_some_and(|cause| cause.waits_for.iter().any(|host| lost.contains(host))) {
            return true;
        }
        let Some(cause) = cause.filter(|cause| cause.lasting) else {
            self.suspect = None;
            return false;
        };
        match &self.suspect {
            Some((code, before)) if *code == cause.code => at_rest || attempts > *before,
            _ => {
                self.suspect = Some((cause.code.clone(), attempts));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::HostName;

    fn lasting(code: &str) -> Cause {
        Cause::new(code, "m", "h")
    }

    #[test]
    fn a_wait_is_in_vain_when_the_same_is_seen_at_another_start() {
        let none = BTreeSet::new();
        let mut doubt = Doubt::default();
        assert!(!doubt.hears(0, false, Some(&lasting("a")), &none), "once may be a moment");
        assert!(!doubt.hears(0, false, Some(&lasting("a")), &none), "the same start says nothing new");
        assert!(!doubt.hears(1, false, None, &none), "the next start went well so far");
        assert!(!doubt.hears(1, false, Some(&lasting("a")), &none), "begins anew");
        assert!(!doubt.hears(2, false, Some(&lasting("b")), &none), "something else");
        assert!(doubt.hears(3, false, Some(&lasting("b")), &none));
    }

    #[test]
    fn what_stays_as_it_is_needs_no_other_start() {
        let none = BTreeSet::new();
        let mut doubt = Doubt::default();
        assert!(!doubt.hears(0, true, Some(&lasting("a")), &none));
        assert!(doubt.hears(0, true, Some(&lasting("a")), &none));
        let mut doubt = Doubt::default();
        for _ in 0..9 {
            assert!(!doubt.hears(0, true, Some(&lasting("a").passing()), &none), "it may pass");
        }
    }

    #[test]
    fn who_waits_for_a_host_that_is_lost_is_told() {
        let host = HostName::new("etcd3");
        let waits = Cause { waits_for: vec![host.clone()], ..lasting("a").passing() };
        assert!(!Doubt::default().hears(0, true, Some(&waits), &BTreeSet::new()));
        assert!(Doubt::default().hears(0, true, Some(&waits), &BTreeSet::from([host])));
    }
}
