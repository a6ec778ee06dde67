//! What is wanted: text in, validated data out. [`load`] tells everything that is wrong with a file at once.

mod context;
mod decode;
mod mask;
pub mod model;
mod problem;
mod published;
mod read;
mod scalar;
mod tree;
mod validate;

pub use context::Context;
pub use mask::masked;
pub use model::Inventory;
pub use problem::{Advice, Problem};
pub use published::refuse_published;
pub use tree::LARGEST;

use problem::Report;
use read::Reading;

/// A valid inventory, and what could be better about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// With every default filled in.
    pub inventory: Inventory,
    /// In the file's order.
    pub advice: Vec<Advice>,
}

/// Reads an inventory. The error holds every problem of the file, in its order; a file that is not YAML has
/// one.
pub fn load(text: &str, context: &Context) -> Result<Loaded, Vec<Problem>> {
    let tree = tree::parse(text).map_err(|problem| vec![problem])?;
    let report = Report::default();
    // A value that could not be read stands as its default, so that the rules can look at all the others;
    // what then follows only from a broken value is not told (see `Report::problem`).
    let inventory = decode::inventory(Reading { report: &report, context }, &tree);
    validate::inventory(&inventory, &report);
    published::refuse_in(&tree, &report);
    report.finish().map(|advice| Loaded { inventory, advice })
}
