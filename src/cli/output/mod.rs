//! What users see: views of results, and renderers of events.

pub mod diff_view;
pub mod findings_view;
pub mod plan_view;
pub mod status_view;
pub mod text;
