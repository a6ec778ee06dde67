//! The documents of `plan` and `check` for programs.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::plan::model::{Finding, JobId, Planning, Risk, Severity, Stage, StageId, Step};
use crate::plan::title::step_title;
use crate::resource::{HostName, ResourceId};

/// A plan, schema `kuboard-ha.plan/1`.
#[derive(Serialize)]
pub struct PlanDocument<'a> {
    schema: &'static str,
    cluster: &'a str,
    stages: &'a [Stage],
    jobs: Vec<JobDocument<'a>>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct JobDocument<'a> {
    id: &'a JobId,
    stage: &'a StageId,
    host: &'a HostName,
    after: &'a BTreeSet<JobId>,
    steps: Vec<StepDocument<'a>>,
}

#[derive(Serialize)]
struct StepDocument<'a> {
    resource: &'a ResourceId,
    action: String,
    title: String,
    reason: String,
    risk: Risk,
}

impl<'a> PlanDocument<'a> {
    /// The document of a planning.
    pub fn new(cluster: &'a str, planning: &'a Planning) -> Self {
        let step = |step: &'a Step| StepDocument {
            resource: &step.resource,
            action: action(step),
            title: step_title(step),
            reason: step.reason.to_string(),
            risk: step.risk,
        };
        let jobs = planning.plan.jobs.iter().map(|job| JobDocument {
            id: &job.id,
            stage: &job.stage,
            host: &job.host,
            after: &job.after,
            steps: job.steps.iter().map(step).collect(),
        });
        Self {
            schema: "kuboard-ha.plan/1",
            cluster,
            stages: &planning.plan.stages,
            jobs: jobs.collect(),
            findings: &planning.findings,
        }
    }
}

/// The name of an action as the model serialises it: `write-file`.
fn action(step: &Step) -> String {
    let value = serde_json::to_value(&step.action).unwrap_or_default();
    value["do"].as_str().unwrap_or_default().to_owned()
}

/// What `check` says, schema `kuboard-ha.check/1`.
#[derive(Serialize)]
pub struct CheckDocument<'a> {
    schema: &'static str,
    cluster: &'a str,
    /// In one word.
    pub verdict: CheckVerdict,
    findings: &'a [Finding],
}

/// Whether the cluster can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckVerdict {
    /// Nothing forbids it.
    Ready,
    /// Something does.
    Blocked,
    /// Too little could be seen.
    Unknown,
}

impl<'a> CheckDocument<'a> {
    /// Judges findings.
    pub fn new(cluster: &'a str, findings: &'a [Finding]) -> Self {
        let verdict = match findings.iter().map(|finding| finding.severity).min() {
            Some(Severity::Blocked) => CheckVerdict::Blocked,
            Some(Severity::Unknown) => CheckVerdict::Unknown,
            _ => CheckVerdict::Ready,
        };
        Self { schema: "kuboard-ha.check/1", cluster, verdict, findings }
    }
}
