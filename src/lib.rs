//! kuboard-ha turns bare Linux hosts into a highly available Kuboard, over plain SSH.
//!
//! This page is the architecture. `tests/layers.rs` holds what it says about layers.
//!
//! # The idea
//!
//! ```text
//!  inventory.yaml --load--> Inventory --+--> what to look at --> gather (read-only) --> Facts
//!                                       |                                                |
//!                                       +----------------> plan()  PURE <---------------+
//!                                                            |
//!                              Planning: a Plan (jobs in an order) and Findings (blocked, unknown, warning, note)
//!                                                            |
//!             shown (plan, up --dry-run) | as drift (status) | carried out (up) --> gather and plan again: must be empty
//! ```
//!
//! - **Planning is pure.** [`plan::plan`] turns an [`inventory::Inventory`] and [`facts::Facts`] into a
//!   [`plan::model::Planning`]: no I/O, no clock, no randomness, no secret values. The four commands are four uses of it.
//! - **Facts are observations, never wishes.** What could not be seen is [`facts::Observed`]`::Unknown` and is never
//!   counted as absent. They tell what runs, not only what lies on disk: a run that died between writing a file and
//!   restarting is a difference like any other.
//! - **Effects are pure too.** [`plan::effects`] says what a step makes true; planning, the lint of plans and the
//!   convergence tests use it.
//! - **The hosts hold the truth.** The manifest, the generated secrets and the lease lie on the hosts, root-only; this machine
//!   holds a cache of downloads and nothing else.
//! - **Refuse with a way out.** What is ambiguous about somebody's data is a finding that blocks, with the commands
//!   that get out. Nothing deletes or re-initialises a data directory.
//! - **Verified by effect.** A step that waits ends when its effect was observed; `up` succeeds only when the plan made
//!   afterwards is empty.
//!
//! # Layers
//!
//! Each uses its own layer and those below.
//!
//! | layer | modules | does |
//! |---|---|---|
//! | face | [`cli`] | arguments, the user's files and environment, printing, exit codes |
//! | hands | [`host`], [`artifact`], `facts::gather`, [`apply`] | SSH, downloads, looking, changing; [`apply`] alone changes hosts |
//! | thought | [`render`], [`causes`], [`services`], [`plan`], [`status`], `facts::look`, `facts::read`, `facts::script` | pure: what to look at, what it means, why it fails, what to do, how it stands |
//! | input | [`inventory`], [`catalog`], `facts::model`, `facts::service`, `facts::probe` | pure: text in, validated data out |
//! | words | [`secret`], [`resource`], [`event`] | the vocabulary |
//!
//! Services ([`services::Service`], a closed enum) never know each other. `plan::diff` and [`apply`] interpret plans and
//! know no product: shell text that does lies with its service.
//!
//! # A run of `up`
//!
//! [`cli::converge`] is the loop: look, plan, ask, apply, look again, at most five rounds. Each host has one resident root
//! shell ([`host::session`]) over one SSH connection. It takes framed requests (look, lease, job, secret) and runs jobs step by step; when
//! its controller vanishes it stops between two steps. The lease is a `flock` that steps inherit: it ends with the last
//! of them, and needs no clock. A job has guards; where one no longer holds, the run looks and plans anew.
//!
//! Where a service does not come up, its host is looked at once more ([`causes`]): the evidence is told, and a cause by
//! name where it is known. A wait looks now and then too, and ends as soon as a cause is seen that stays.
//!
//! Secrets are drawn on a host. A plan names them; contents are assembled there, from text and secrets
//! ([`resource::Content`]), and compared by key ([`resource::ContentKey`]), so the planner never sees a value.

pub mod apply;
pub mod artifact;
pub mod catalog;
pub mod causes;
pub mod cli;
pub mod event;
pub mod facts;
pub mod host;
pub mod inventory;
pub mod plan;
pub mod render;
pub mod resource;
pub mod secret;
pub mod services;
pub mod status;
