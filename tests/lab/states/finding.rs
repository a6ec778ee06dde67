//! `up` that refuses: what it says, and that it touched nothing.

use serde_json::Value;

use super::footprint::Footprint;
use crate::lab::Lab;

/// A finding that blocks.
#[derive(Debug)]
pub struct Finding {
    pub code: String,
    /// Empty where it is about the whole cluster.
    pub host: String,
    pub message: String,
    pub hint: String,
}

impl Finding {
    /// The commands of the hint, as they are printed: from one text to another, or to the end.
    #[track_caller]
    pub fn commands(&self, after: &str, before: &str) -> &str {
        let (_, rest) = self.hint.split_once(after).unwrap_or_else(|| panic!("no `{after}`: {self:?}"));
        rest.split_once(before).map_or(rest, |(commands, _)| commands)
    }
}

/// `up` is blocked, and leaves these hosts as they were. Gives what blocks it.
#[track_caller]
pub fn refused(lab: &Lab, hosts: &[&str], flags: &[&str]) -> Vec<Finding> {
    let before = Footprint::of(lab, hosts);
    let mut arguments = vec!["up", "-o", "json"];
    arguments.extend(flags);
    let outcome = lab.run(&arguments).exits(5);
    before.stands(lab);
    let event = outcome.last_event();
    assert_eq!((&event["result"], &event["changed"]), (&"blocked".into(), &0.into()), "{event}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = event["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["severity"] == "blocked")
        .map(|finding| Finding {
            code: text(&finding["code"]),
            host: text(&finding["host"]),
            message: text(&finding["message"]),
            hint: text(&finding["hint"]),
        })
        .collect()
}
