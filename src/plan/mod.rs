//! What to do: a pure function from the inventory and the facts to a plan.

pub mod model;
