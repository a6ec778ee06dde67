//! What users see: views of results, and renderers of events.

pub mod console;
pub mod diff_view;
pub mod document;
pub mod feed;
pub mod findings_view;
pub mod json;
pub mod outcome_event;
pub mod outcome_view;
pub mod plain;
pub mod plan_view;
pub mod report;
#[cfg(test)]
pub mod sample_plans;
pub mod status_view;
pub mod text;
pub mod timings;
pub mod timings_view;
pub mod tty;
