//! Kuboard: its replicas, one container a host, alike but for the address. They keep their state in the store and
//! their audit log in a database; what a host itself needs is Docker, the image, and the secrets that all share.

mod causes;
mod check;
mod content;
mod docker;
mod effects;
mod look;
mod names;
mod plan;
mod read;
mod replica;

pub use causes::{cause, scene};
pub use check::begin_anew;
pub use effects::effects;
pub use look::look;
pub use names::SERVED;
pub use plan::plan;
pub use read::read;
pub use replica::serves_elsewhere;
