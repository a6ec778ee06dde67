//! Release archives on this machine: fetched once into a cache named by digest, verified before anything
//! else reads them, looked into without ever being unpacked to disk.
//!
//! [`fetch()`] is asynchronous; [`inspect`], [`digests`], [`image_names`] and [`digest_file`] read a whole file
//! and block: call them from `tokio::task::spawn_blocking`.

mod cache;
mod error;
mod fetch;
mod http;
mod image;
mod listing;
mod part;
mod unpack;

pub use cache::{Cache, Patience, digest_file};
pub use error::{Damage, Error, Failure, Problem};
pub use fetch::fetch;
pub use image::image_names;
pub use listing::{Kind, Listing};
pub use unpack::{Limits, digests, inspect};
