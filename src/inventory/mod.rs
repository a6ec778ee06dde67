//! What is wanted: text in, validated data out.

pub mod model;

pub use model::Inventory;
