//! The loop of `up`: look, plan, ask, apply, and look again until nothing is left to do.

use std::collections::BTreeSet;

use crate::cli::error::CliError;
use crate::event::Cause;
use crate::facts::Facts;
use crate::plan::model::{Plan, Planning, Risk};
use crate::plan::title::step_title;
use crate::resource::HostName;

/// How often a run plans anew before it gives up.
const ROUNDS: u32 = 5;

/// The hosts, as the loop needs them.
#[expect(async_fn_in_trait, reason = "used as a bound only, on one thread's stack")]
pub trait World {
    /// Looks at all hosts.
    async fn look(&mut self) -> Result<Facts, CliError>;
    /// Plans from what was seen.
    fn plan(&self, facts: &Facts) -> Planning;
    /// Holds the lease of every host, carries the plan out, gives the leases back.
    async fn apply(&mut self, plan: &Plan) -> Result<Applied, CliError>;
}

/// Decides whether a plan may be carried out.
#[expect(async_fn_in_trait, reason = "used as a bound only, on one thread's stack")]
pub trait Consent {
    /// Whether it may; asked again only when the risk rises, or another member is to go.
    async fn given(&mut self, planning: &Planning, facts: &Facts) -> bool;
    /// Told of each plan.
    fn planned(&mut self, _round: u32, _planning: &Planning) {}
    /// Whether a signal asked for the end.
    fn is_cancelled(&self) -> bool;
    /// Returns when a signal asks for the end.
    async fn cancelled(&self);
}

/// What came of carrying a plan out.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// How many steps changed something.
    pub changed: usize,
    /// How it ended.
    pub end: End,
    /// Every step that failed.
    pub failures: Vec<Failure>,
    /// What kept jobs from being begun or finished, though no step failed.
    pub hindrances: Vec<Hindrance>,
}

/// What kept a job from being begun or finished, though none of its steps failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The connection to a host ended.
    Cut {
        /// Which host.
        host: HostName,
        /// Why, as ssh or the shell there tells it.
        error: String,
    },
    /// A guard of a job no longer held.
    Changed {
        /// Where.
        host: HostName,
        /// The guard, in words.
        guard: String,
    },
    /// Another run had a lease since the look that the plan was made from.
    OtherRun,
}

/// How carrying a plan out ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// All of it was done.
    #[default]
    Done,
    /// A guard no longer held, or a connection was cut: look again.
    Fenced,
    /// Steps failed; see the failures.
    Failed,
    /// A signal asked for the end.
    Interrupted,
}

/// A step that failed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Failure {
    /// Where.
    pub host: HostName,
    /// Which job.
    pub job: String,
    /// What was to be done.
    pub step: String,
    /// Why it failed.
    pub error: String,
    /// The lines that matter.
    pub evidence: Vec<String>,
    /// Why, where it is recognised by name.
    pub cause: Option<Cause>,
    /// What helps against it, where that is known.
    pub hint: Option<String>,
    /// Whether a download, or the verification of one, failed.
    #[serde(skip)]
    pub download: bool,
}

/// How `up` ended.
#[derive(Debug)]
pub struct UpOutcome {
    /// In one word.
    pub result: UpResult,
    /// How many steps changed something.
    pub changed: usize,
    /// How many plans there were.
    pub rounds: u32,
    /// Every step that failed.
    pub failures: Vec<Failure>,
    /// What kept the last plan that was carried out from being done whole.
    pub hindrances: Vec<Hindrance>,
    /// The last plan: what is left, or what blocks.
    pub planning: Planning,
    /// From what it was planned.
    pub facts: Facts,
}

/// The end of `up` in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpResult {
    /// All is as asked, after changes.
    Converged,
    /// All was as asked.
    Unchanged,
    /// A finding forbids going on.
    Blocked,
    /// Consent was not given.
    Declined,
    /// A step failed.
    Failed,
    /// Everything was done and something still differs, or rounds brought no progress.
    NotConverged,
    /// A signal asked for the end.
    Interrupted,
}

/// Runs the loop. An error tells how much was changed before it.
pub async fn converge(world: &mut impl World, consent: &mut impl Consent) -> Result<UpOutcome, CliError> {
    let mut changed = 0;
    let mut hindrances = Vec::new();
    let mut agreed = Risk::None;
    let mut agreed_to = BTreeSet::new();
    let mut last = End::Fenced;
    let mut fruitless = 0;
    for round in 1.. {
        let facts = tokio::select! {
            facts = world.look() => facts.map_err(|error| error.after(changed))?,
            () = consent.cancelled() => return Ok(UpOutcome {
                result: UpResult::Interrupted,
                changed,
                rounds: round,
                failures: Vec::new(),
                hindrances,
                planning: Planning::default(),
                facts: Facts::default(),
            }),
        };
        let planning = world.plan(&facts);
        consent.planned(round, &planning);
        let risk = planning.plan.risk();
        let losses: BTreeSet<String> = losses(&planning.plan).into_iter().collect();
        let agrees = risk <= agreed && losses.is_subset(&agreed_to);
        let result = if consent.is_cancelled() {
            UpResult::Interrupted
        } else if planning.is_blocked() {
            UpResult::Blocked
        } else if planning.plan.is_empty() {
            if changed == 0 { UpResult::Unchanged } else { UpResult::Converged }
        } else if last == End::Done || round > ROUNDS {
            UpResult::NotConverged
        } else if !agrees && !consent.given(&planning, &facts).await {
            if consent.is_cancelled() { UpResult::Interrupted } else { UpResult::Declined }
        } else {
            agreed = agreed.max(risk);
            agreed_to.extend(losses);
            let applied = world.apply(&planning.plan).await.map_err(|error| error.after(changed))?;
            changed += applied.changed;
            last = applied.end;
            hindrances = applied.hindrances;
            fruitless = if applied.changed == 0 { fruitless + 1 } else { 0 };
            let result = match applied.end {
                End::Failed => UpResult::Failed,
                End::Interrupted => UpResult::Interrupted,
                // Once may be a cut connection or another run that has just ended; the same again is no progress.
                End::Fenced if fruitless > 1 => UpResult::NotConverged,
                End::Done | End::Fenced => continue,
            };
            let failures = applied.failures;
            return Ok(UpOutcome { result, changed, rounds: round, failures, hindrances, planning, facts });
        };
        let failures = Vec::new();
        return Ok(UpOutcome { result, changed, rounds: round, failures, hindrances, planning, facts });
    }
    Err(CliError::new(crate::cli::exit::Exit::Unexpected, "the loop of rounds ended by itself"))
}

/// What a plan takes away for good, a line each: `etcd2: remove etcd2 from the cluster (its data is gone)`.
pub fn losses(plan: &Plan) -> Vec<String> {
    let steps = plan.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (&job.host, step)));
    steps
        .filter(|(_, step)| step.risk == Risk::Replace)
        .map(|(host, step)| format!("{host}: {} ({})", step_title(step), step.reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::sample_plans::{blocked, fresh, replacing, rolling};

    /// What each look leads to, and how each application ends.
    struct Told {
        plannings: Vec<Planning>,
        ends: Vec<(usize, End)>,
        looks: usize,
        /// From this look on, or this application on, there are errors.
        breaks: (usize, usize),
    }

    /// None.
    const NEVER: (usize, usize) = (usize::MAX, usize::MAX);

    fn broken() -> CliError {
        CliError::new(crate::cli::exit::Exit::Unexpected, "broken")
    }

    impl World for Told {
        async fn look(&mut self) -> Result<Facts, CliError> {
            self.looks += 1;
            if self.looks >= self.breaks.0 { Err(broken()) } else { Ok(Facts::default()) }
        }

        fn plan(&self, _facts: &Facts) -> Planning {
            self.plannings.get(self.looks - 1).cloned().unwrap_or_default()
        }

        async fn apply(&mut self, _plan: &Plan) -> Result<Applied, CliError> {
            if self.looks >= self.breaks.1 {
                return Err(broken());
            }
            let (changed, end) = self.ends.remove(0);
            let hindrances = match end {
                End::Fenced => {
                    vec![Hindrance::Cut { host: HostName::new("etcd2"), error: self.looks.to_string() }]
                }
                _ => Vec::new(),
            };
            Ok(Applied { changed, end, failures: Vec::new(), hindrances })
        }
    }

    /// Agrees to so much risk, and counts the questions.
    struct Answers {
        up_to: Risk,
        asked: usize,
        cancelled: bool,
    }

    impl Consent for Answers {
        async fn given(&mut self, planning: &Planning, _facts: &Facts) -> bool {
            self.asked += 1;
            planning.plan.risk() <= self.up_to
        }

        fn is_cancelled(&self) -> bool {
            self.cancelled
        }

        async fn cancelled(&self) {
            if !self.cancelled {
                std::future::pending::<()>().await;
            }
        }
    }

    fn told(plannings: Vec<Planning>, ends: Vec<(usize, End)>, breaks: (usize, usize)) -> Told {
        Told { plannings, ends, looks: 0, breaks }
    }

    async fn ran(plannings: Vec<Planning>, ends: Vec<(usize, End)>, up_to: Risk) -> (UpOutcome, usize) {
        let mut consent = Answers { up_to, asked: 0, cancelled: false };
        let outcome = converge(&mut told(plannings, ends, NEVER), &mut consent).await.unwrap();
        (outcome, consent.asked)
    }

    #[tokio::test]
    async fn nothing_to_do_is_unchanged_and_never_asks() {
        let (outcome, asked) = ran(vec![], vec![], Risk::None).await;
        assert_eq!((outcome.result, outcome.changed, asked), (UpResult::Unchanged, 0, 0));
    }

    #[tokio::test]
    async fn what_was_done_is_seen_again_before_it_counts() {
        let (outcome, asked) = ran(vec![fresh()], vec![(22, End::Done)], Risk::None).await;
        assert_eq!((outcome.result, outcome.changed, asked), (UpResult::Converged, 22, 0));
        let (outcome, _) = ran(vec![fresh(), rolling()], vec![(22, End::Done)], Risk::Restart).await;
        assert_eq!(outcome.result, UpResult::NotConverged);
        assert!(!outcome.planning.plan.is_empty(), "what is left is told");
    }

    #[tokio::test]
    async fn a_restart_is_asked_once_and_a_refusal_changes_nothing() {
        let (outcome, asked) = ran(vec![rolling()], vec![], Risk::None).await;
        assert_eq!((outcome.result, outcome.changed, asked), (UpResult::Declined, 0, 1));
        let ends = vec![(2, End::Fenced), (4, End::Done)];
        let (outcome, asked) = ran(vec![rolling(), rolling()], ends, Risk::Restart).await;
        assert_eq!((outcome.result, outcome.changed, asked), (UpResult::Converged, 6, 1));
    }

    #[tokio::test]
    async fn agreeing_to_the_loss_of_one_member_is_not_agreeing_to_another() {
        let ends = vec![(2, End::Fenced), (4, End::Done)];
        let same = vec![replacing("etcd2"), replacing("etcd2")];
        let (outcome, asked) = ran(same, ends.clone(), Risk::Replace).await;
        assert_eq!((outcome.result, asked), (UpResult::Converged, 1));
        let other = vec![replacing("etcd2"), replacing("etcd3")];
        let (outcome, asked) = ran(other, ends, Risk::Replace).await;
        assert_eq!((outcome.result, asked), (UpResult::Converged, 2));
        let (outcome, _) = ran(vec![replacing("etcd2")], vec![], Risk::Restart).await;
        assert_eq!((outcome.result, outcome.changed), (UpResult::Declined, 0));
    }

    #[tokio::test]
    async fn a_run_that_is_fenced_without_progress_ends() {
        let (outcome, _) = ran(vec![fresh(); 9], vec![(0, End::Fenced); 9], Risk::None).await;
        assert_eq!((outcome.result, outcome.rounds), (UpResult::NotConverged, 2));
        let cut = |round: &str| vec![Hindrance::Cut { host: HostName::new("etcd2"), error: round.into() }];
        assert_eq!(outcome.hindrances, cut("2"));
        let (outcome, _) = ran(vec![fresh(); 9], vec![(1, End::Fenced); 9], Risk::None).await;
        assert_eq!((outcome.result, outcome.rounds), (UpResult::NotConverged, ROUNDS + 1));
        assert_eq!(outcome.hindrances, cut("5"), "those of the last plan that was carried out");
        let (outcome, _) = ran(vec![fresh(); 2], vec![(1, End::Fenced), (1, End::Done)], Risk::None).await;
        assert_eq!((outcome.result, outcome.hindrances), (UpResult::Converged, vec![]));
    }

    #[tokio::test]
    async fn an_error_tells_what_was_changed_before_it() {
        for (breaks, changed) in [((1, 9), 0), ((2, 9), 3), ((9, 1), 0), ((9, 2), 3)] {
            let mut consent = Answers { up_to: Risk::None, asked: 0, cancelled: false };
            let mut world = told(vec![fresh(); 2], vec![(3, End::Fenced)], breaks);
            let error = converge(&mut world, &mut consent).await.unwrap_err();
            assert_eq!(error.changed, changed, "{breaks:?}");
        }
    }

    #[tokio::test]
    async fn findings_failures_and_signals_end_the_run() {
        assert_eq!(ran(vec![blocked()], vec![], Risk::Replace).await.0.result, UpResult::Blocked);
        let failed = ran(vec![fresh()], vec![(3, End::Failed)], Risk::None).await.0;
        assert_eq!((failed.result, failed.changed), (UpResult::Failed, 3));
        let stopped = ran(vec![fresh()], vec![(3, End::Interrupted)], Risk::None).await.0;
        assert_eq!(stopped.result, UpResult::Interrupted);
        let mut consent = Answers { up_to: Risk::None, asked: 0, cancelled: true };
        let mut world = told(vec![fresh()], vec![], NEVER);
        assert_eq!(converge(&mut world, &mut consent).await.unwrap().result, UpResult::Interrupted);
    }
}
