//! A plan in the making. It holds the facts as gathered and as they will be after the steps drafted so far, so
//! that two contents of one file, or a start and what follows it, can stand in one plan.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::facts::model::{Facts, HostFacts};
use crate::inventory::Inventory;
use crate::plan::effects::effects;
use crate::plan::model::{
    Action, Finding, Guard, Job, JobId, Procedure, Reason, Risk, Severity, Stage, StageId, Step, UnitChange,
};
use crate::resource::{HostName, ResourceId};

/// What other services may wait for without knowing who brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// Every member of a new store was begun: whoever waits for its quorum by itself may start. Nobody brings it of a store that has
    /// data.
    StoreBegun,
    /// The store has quorum and every member is healthy.
    StoreReady,
    /// The audit log's password lies on every host that needs it.
    AuditPassword,
    /// The audit log takes a login.
    AuditReady,
    /// A replica answers.
    ReplicaReady,
}

/// A plan in the making.
pub struct Draft<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// What was seen.
    pub seen: &'a Facts,
    /// What will be seen after the steps drafted so far.
    pub facts: Facts,
    stages: Vec<Stage>,
    jobs: Vec<Job>,
    findings: Vec<Finding>,
    milestones: BTreeMap<Milestone, BTreeSet<JobId>>,
}

impl<'a> Draft<'a> {
    /// An empty plan over these facts.
    pub fn new(inventory: &'a Inventory, seen: &'a Facts) -> Self {
        Self {
            inventory,
            seen,
            facts: seen.clone(),
            stages: Vec::new(),
            jobs: Vec::new(),
            findings: Vec::new(),
            milestones: BTreeMap::new(),
        }
    }

    /// Adds a heading, once.
    pub fn stage(&mut self, id: &'static str, title: &str) {
        let id = StageId(id.to_owned());
        if !self.stages.iter().any(|stage| stage.id == id) {
            self.stages.push(Stage { id, title: title.to_owned() });
        }
    }

    /// Begins a job; steps are added through it. `what` is the part of its id before the `@`.
    pub fn job(&mut self, what: &str, stage: &'static str, host: &HostName) -> JobDraft<'_, 'a> {
        let job = Job {
            id: JobId::new(what, host),
            stage: StageId(stage.to_owned()),
            host: host.clone(),
            after: BTreeSet::new(),
            guards: Vec::new(),
            steps: Vec::new(),
        };
        JobDraft { draft: self, job }
    }

    /// Adds a finding.
    pub fn find(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// The hosts on which something is drafted that changes them.
    pub fn busy(&self) -> BTreeSet<HostName> {
        let changes = |job: &&Job| job.steps.iter().any(|step| !matches!(step.action, Action::Await(_)));
        self.jobs.iter().filter(changes).map(|job| job.host.clone()).collect()
    }

    /// Says that `job` is (part of) what brings a milestone.
    pub fn reach(&mut self, milestone: Milestone, job: JobId) {
        self.milestones.entry(milestone).or_default().insert(job);
    }

    /// The jobs that bring a milestone; none where it was reached long ago.
    pub fn milestone(&self, milestone: Milestone) -> Vec<JobId> {
        self.milestones.get(&milestone).into_iter().flatten().cloned().collect()
    }

    /// What is drafted: stages, jobs (empty ones too), findings.
    pub fn into_parts(self) -> (Vec<Stage>, Vec<Job>, Vec<Finding>) {
        (self.stages, self.jobs, self.findings)
    }
}

/// A job in the making. The methods in `diff` compare one thing with the facts and add a step where it differs.
pub struct JobDraft<'d, 'a> {
    pub(super) draft: &'d mut Draft<'a>,
    pub(super) job: Job,
}

impl<'a> JobDraft<'_, 'a> {
    /// What is wanted.
    pub fn inventory(&self) -> &'a Inventory {
        self.draft.inventory
    }

    /// Lets it wait for these jobs. Ids of jobs that turn out empty are followed through.
    pub fn after<'i>(&mut self, ids: impl IntoIterator<Item = &'i JobId>) -> &mut Self {
        self.job.after.extend(ids.into_iter().cloned());
        self
    }

    /// Lets it wait for a milestone.
    pub fn after_milestone(&mut self, milestone: Milestone) -> &mut Self {
        let ids = self.draft.milestone(milestone);
        self.after(&ids)
    }

    /// What must still hold when it begins.
    pub fn guard(&mut self, title: &str, test: Procedure) -> &mut Self {
        self.job.guards.push(Guard { title: title.to_owned(), test });
        self
    }

    /// The host it runs on, as it will be then; `None` where the host was not seen.
    pub fn host(&self) -> Option<&HostFacts> {
        self.draft.facts.host(&self.job.host)
    }

    /// The name of the host.
    pub fn host_name(&self) -> &HostName {
        &self.job.host
    }

    /// Whether it has steps so far.
    pub fn is_empty(&self) -> bool {
        self.job.steps.is_empty()
    }

    /// Adds a finding about its host.
    pub fn find(&mut self, severity: Severity, code: &str, message: String, hint: String) {
        let finding = Finding::on(&self.job.host, severity, code, message).hint(hint);
        self.draft.find(finding);
    }

    /// Adds a step, whatever the facts say, and applies its effects. A host that was not seen gets no steps.
    pub fn step(
        &mut self,
        resource: ResourceId,
        action: Action,
        reason: Reason,
        risk: Risk,
        limit: Duration,
    ) -> &mut Self {
        if self.host().is_none() {
            return self;
        }
        let step = Step { resource, action, reason, risk, limit };
        effects(&step, &self.job.host, self.draft.inventory, &mut self.draft.facts);
        self.job.steps.push(step);
        self
    }

    /// Adds a change of a unit's state. `stamp` names the files whose content the process takes in by it.
    pub fn unit(
        &mut self,
        unit: &str,
        change: UnitChange,
        stamp: &[&str],
        reason: Reason,
        risk: Risk,
        limit: Duration,
    ) -> &mut Self {
        let stamp = stamp.iter().map(|path| (*path).to_owned()).collect();
        let action = Action::Unit { unit: unit.to_owned(), change, stamp };
        self.step(ResourceId::new("unit", unit), action, reason, risk, limit)
    }

    /// Adds a service's own procedure.
    pub fn call(
        &mut self,
        resource: ResourceId,
        procedure: Procedure,
        reason: Reason,
        risk: Risk,
        limit: Duration,
    ) -> &mut Self {
        self.step(resource, Action::Call(procedure), reason, risk, limit)
    }

    /// Adds a wait until the probe exits 0.
    pub fn wait(
        &mut self,
        resource: ResourceId,
        probe: Procedure,
        reason: Reason,
        limit: Duration,
    ) -> &mut Self {
        self.step(resource, Action::Await(probe), reason, Risk::None, limit)
    }

    /// Ends the job and gives its id; an empty job only passes its order on.
    pub fn done(self) -> JobId {
        let id = self.job.id.clone();
        self.draft.jobs.push(self.job);
        id
    }
}
