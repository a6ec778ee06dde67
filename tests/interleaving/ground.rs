//! The real planner on the model world as the ground of runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::rc::Rc;

use kuboard_ha::facts::Facts;
use kuboard_ha::facts::model::HostState;
use kuboard_ha::inventory::Inventory;
use kuboard_ha::plan::model::{Action, Planning, Severity};
use kuboard_ha::plan::plan;
use kuboard_ha::resource::HostName;

use crate::machine::{Done, Draft, Ground, Kind, Task};
use crate::world::machines::World;

/// A world, and the plans that were made of it: many schedules come by the same states.
#[derive(Clone)]
pub struct Land {
    pub world: World,
    names: Rc<Vec<HostName>>,
    plans: Rc<RefCell<Plans>>,
    /// What was seen of each host since anything last happened.
    sights: RefCell<Vec<Option<Rc<Sight>>>>,
}

/// By what was seen of each host.
type Plans = BTreeMap<Vec<Option<u64>>, Rc<Draft<Planning>>>;

/// What a look at a host gives, and a digest of it.
pub struct Sight {
    state: HostState,
    digest: u64,
}

/// More plans are not kept.
const KEPT: usize = 5000;

impl Sight {
    fn new(state: &HostState) -> Self {
        let mut hasher = DefaultHasher::new();
        serde_json::to_vec(state).unwrap().hash(&mut hasher);
        Self { state: state.clone(), digest: hasher.finish() }
    }
}

impl Land {
    pub fn new(world: World) -> Self {
        let names: Vec<HostName> = world.inventory.hosts.keys().cloned().collect();
        let sights = RefCell::new(vec![None; names.len()]);
        Self { world, names: Rc::new(names), plans: Rc::default(), sights }
    }

    /// The world, about to change.
    pub fn changing(&mut self) -> &mut World {
        self.sights.get_mut().fill(None);
        &mut self.world
    }
}

impl Ground for Land {
    type Seen = Rc<Sight>;
    type Plan = Planning;

    fn hosts(&self) -> usize {
        self.names.len()
    }

    fn look(&self, host: usize) -> Option<Rc<Sight>> {
        if !self.is_on(host) {
            return None;
        }
        if self.sights.borrow()[host].is_none() {
            let facts = self.world.look();
            let sights = self.names.iter().map(|name| Some(Rc::new(Sight::new(&facts.hosts[name]))));
            *self.sights.borrow_mut() = sights.collect();
        }
        self.sights.borrow()[host].clone()
    }

    fn plan(&self, seen: &[Option<Rc<Sight>>]) -> Rc<Draft<Planning>> {
        let key: Vec<Option<u64>> = seen.iter().map(|seen| Some(seen.as_ref()?.digest)).collect();
        if let Some(draft) = self.plans.borrow().get(&key) {
            return Rc::clone(draft);
        }
        let away = || HostState::unreachable("connection timed out");
        let states = seen.iter().map(|seen| seen.as_ref().map_or_else(away, |seen| seen.state.clone()));
        let facts = Facts {
            hosts: self.names.iter().cloned().zip(states).collect(),
            supplied: self.world.ground.supplied.clone(),
            without: self.world.ground.without.clone(),
        };
        let draft = Rc::new(draft(&self.world.inventory, &self.names, &facts));
        let mut plans = self.plans.borrow_mut();
        if plans.len() < KEPT {
            plans.insert(key, Rc::clone(&draft));
        }
        draft
    }

    fn holds(&mut self, draft: &Draft<Planning>, job: usize) -> bool {
        let job = &draft.plan.plan.jobs[job];
        let world = self.changing();
        job.guards.iter().all(|guard| world.holds(guard, &job.host))
    }

    fn step(&mut self, draft: &Draft<Planning>, job: usize, step: usize) -> Result<Done, String> {
        let job = &draft.plan.plan.jobs[job];
        let step = &job.steps[step];
        let waits = matches!(step.action, Action::Await(_));
        let before = self.world.data().remove(&job.host);
        let done = match self.changing().step(&job.host, step) {
            Ok(()) => Done::Well,
            Err(_) if waits && !self.world.off.contains_key(&job.host) => Done::NotYet,
            Err(_) => Done::Badly,
        };
        if let Some(breach) = self.world.breaches().first() {
            return Err(breach.clone());
        }
        // Moved aside it is not lost; whether anybody misses what it knew, the world tells.
        let aside = matches!(step.action, Action::SetAside { .. });
        if let Some((cluster, index)) = before.filter(|_| !aside) {
            match self.world.data().remove(&job.host) {
                Some((same, further)) if same == cluster && further >= index => {}
                other => {
                    let what = format!("{} on {}", step.resource, job.host);
                    return Err(format!("{what}: the data was {cluster} {index} and is {other:?}"));
                }
            }
        }
        Ok(done)
    }

    fn power(&mut self, host: usize, on: bool) {
        let name = self.names[host].clone();
        let world = self.changing();
        if on {
            world.boot(&name);
        } else {
            world.power_cut(&name);
        }
        world.pass_time();
    }

    fn is_on(&self, host: usize) -> bool {
        !self.world.off.contains_key(&self.names[host])
    }
}

/// A plan as the machine sees it; a block must have a way out.
fn draft(inventory: &Inventory, names: &[HostName], facts: &Facts) -> Draft<Planning> {
    let plan = plan(inventory, facts);
    for finding in &plan.findings {
        let grave = matches!(finding.severity, Severity::Blocked | Severity::Unknown);
        assert!(!grave || finding.hint.is_some(), "no way out: {finding:?}");
    }
    let jobs = &plan.plan.jobs;
    let place = |name: &HostName| names.iter().position(|host| host == name);
    let kind = |action: &Action| match action {
        Action::Stage { .. } => Kind::Stage,
        Action::Await(_) => Kind::Wait,
        _ => Kind::Shell,
    };
    let tasks = jobs.iter().map(|job| Task {
        host: place(&job.host).unwrap_or_else(|| panic!("a job on {}", job.host)),
        // What the plan does not hold was done before it was made.
        after: job.after.iter().filter_map(|id| jobs.iter().position(|other| other.id == *id)).collect(),
        steps: job.steps.iter().map(|step| kind(&step.action)).collect(),
    });
    Draft { blocked: plan.is_blocked(), jobs: tasks.collect(), plan }
}
