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
    /// The commands that stand in the hint between two texts, as they are printed.
    #[track_caller]
    pub fn commands(&self, after: &str, before: &str) -> &str {
        let cut = self.hint.split_once(after).and_then(|(_, rest)| rest.split_once(before));
        cut.unwrap_or_else(|| panic!("no commands between `{after}` and `{before}`: {self:?}")).0
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
