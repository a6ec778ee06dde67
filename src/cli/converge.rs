//! The loop of `up`: look, plan, ask, apply, and look again until nothing is left to do.

use crate::cli::error::CliError;
use crate::facts::Facts;
use crate::plan::model::{Plan, Planning, Risk};
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
    /// Whether it may; asked again only when the risk rises.
    async fn given(&mut self, planning: &Planning, facts: &Facts) -> bool;
    /// Told of each plan.
    fn planned(&mut self, _round: u32, _planning: &Planning) {}
    /// Whether a signal asked for the end.
    fn is_cancelled(&self) -> bool;
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

/// Runs the loop.
pub async fn converge(world: &mut impl World, consent: &mut impl Consent) -> Result<UpOutcome, CliError> {
    let mut changed = 0;
    let mut agreed = Risk::None;
    let mut last = End::Fenced;
    for round in 1.. {
        let facts = world.look().await?;
        let planning = world.plan(&facts);
        consent.planned(round, &planning);
        let risk = planning.plan.risk();
        let result = if consent.is_cancelled() {
            UpResult::Interrupted
        } else if planning.is_blocked() {
            UpResult::Blocked
        } else if planning.plan.is_empty() {
            if changed == 0 { UpResult::Unchanged } else { UpResult::Converged }
        } else if last == End::Done || round > ROUNDS {
            UpResult::NotConverged
        } else if risk > agreed && !consent.given(&planning, &facts).await {
            if consent.is_cancelled() { UpResult::Interrupted } else { UpResult::Declined }
        } else {
            agreed = agreed.max(risk);
            let applied = world.apply(&planning.plan).await?;
            changed += applied.changed;
            last = applied.end;
            let result = match applied.end {
                End::Failed => UpResult::Failed,
                End::Interrupted => UpResult::Interrupted,
                // The same plan would be fenced again.
                End::Fenced if applied.changed == 0 && round > 1 => UpResult::NotConverged,
                End::Done | End::Fenced => continue,
            };
            let failures = applied.failures;
            return Ok(UpOutcome { result, changed, rounds: round, failures, planning, facts });
        };
        return Ok(UpOutcome { result, changed, rounds: round, failures: Vec::new(), planning, facts });
    }
    Err(CliError::new(crate::cli::exit::Exit::Unexpected, "the loop of rounds ended by itself"))
}
