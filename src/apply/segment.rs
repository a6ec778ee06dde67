//! Cutting a job into the pieces that are sent: what runs beside the shell, what waits, and all between in one go.

use std::ops::Range;

use crate::plan::model::{Action, Job, SecretChange, Step};
use crate::plan::script::JobScript;
use crate::resource::HostName;
use crate::secret::SecretId;

/// A piece of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// The guards alone, before something that does not run in the shell.
    Guards,
    /// An archive is brought to the host, over a session of its own.
    Stage(usize),
    /// A step that waits.
    Wait(usize),
    /// Steps that run one after another.
    Shell(Range<usize>),
}

/// What is next in a job of which `guarded` tells whether the guards were seen to hold, and `step` what is next;
/// `None` when it is done.
pub(super) fn next(job: &Job, guarded: bool, step: usize) -> Option<Segment> {
    let here = job.steps.get(step)?;
    let alone = match &here.action {
        Action::Stage { .. } => Some(Segment::Stage(step)),
        Action::Await(_) => Some(Segment::Wait(step)),
        _ => None,
    };
    Some(match alone {
        Some(_) if !guarded && !job.guards.is_empty() => Segment::Guards,
        Some(alone) => alone,
        None => {
            let more = job.steps[step..].iter().take_while(|step| in_shell(step)).count();
            Segment::Shell(step..step + more)
        }
    })
}

fn in_shell(step: &Step) -> bool {
    !matches!(step.action, Action::Stage { .. } | Action::Await(_))
}

/// What is sent for steps of a job, with its guards or without.
pub(super) fn cut(script: &JobScript, steps: Range<usize>, guards: bool) -> JobScript {
    JobScript {
        id: if steps.start == 0 { script.id.clone() } else { format!("{}+{}", script.id, steps.start) },
        guards: if guards { script.guards.clone() } else { Vec::new() },
        steps: script.steps[steps].to_vec(),
    }
}

/// The secrets that must be sent ahead of steps, and from which host; `None` where the user gave it.
pub(super) fn secrets(steps: &[Step]) -> impl Iterator<Item = (&SecretId, Option<&HostName>)> {
    steps.iter().filter_map(|step| match &step.action {
        Action::Secret { id, change: SecretChange::Copy { from } } => Some((id, Some(from))),
        Action::Secret { id, change: SecretChange::Supply } => Some((id, None)),
        _ => None,
    })
}
