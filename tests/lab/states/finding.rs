//! What `up` would not do, as `plan -o json` tells it.

use serde_json::Value;

use crate::lab::Lab;

/// A finding that blocks.
#[derive(Debug)]
pub struct Finding {
    pub code: String,
    /// Empty where it is about the whole cluster.
    pub host: String,
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

/// Everything that blocks `up` now.
pub fn blocked(lab: &Lab) -> Vec<Finding> {
    let document = lab.run(&["plan", "-o", "json"]).document();
    let findings = document["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .filter(|finding| finding["severity"] == "blocked")
        .map(|finding| Finding {
            code: text(&finding["code"]),
            host: text(&finding["host"]),
            hint: text(&finding["hint"]),
        })
        .collect()
}
