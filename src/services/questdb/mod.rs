//! QuestDB: the audit log's database. One instance under systemd, as its own user; pgwire for the replicas, everything
//! else on loopback.

mod causes;
mod check;
mod data;
mod effects;
mod look;
mod names;
mod plan;
mod read;

pub use causes::{cause, scene};
pub use data::served_by;
pub use effects::effects;
pub use look::look;
pub use plan::plan;
pub use read::read;
