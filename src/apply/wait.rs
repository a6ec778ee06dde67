//! Waiting on a host in slices: inside a slice the host asks every 50 ms by itself; between slices the controller
//! may stop, give the shell to another job, and say what was seen.

use std::time::Duration;

use crate::plan::script::{JobScript, StepScript};

/// How long one look of a probe may take past its slice, before it is killed and counts as not yet.
const SLOWEST_PROBE: Duration = Duration::from_secs(15);

/// The exit status that says: not yet.
pub(super) const NOT_YET: i32 = 75;

/// One slice of a waiting step.
pub(super) fn slice(script: &JobScript, step: usize, length: Duration) -> JobScript {
    // Time comes from /proc/uptime in hundredths: no process, and nobody sets it. A plain assignment keeps `set -e`
    // alive within, which `if` and `||` would not.
    let text = format!(
        "set +e
wait_probe() (
set -eu
{}
)
wait_now() {{ read -r wait_up wait_rest </proc/uptime; wait_now=${{wait_up%.*}}${{wait_up#*.}}; }}
wait_now
wait_end=$((wait_now + {}))
while :; do
    wait_seen=$(wait_probe 2>&1)
    wait_code=$?
    wait_now
    if [ \"$wait_code\" = 0 ] || [ \"$wait_now\" -ge \"$wait_end\" ]; then break; fi
    sleep 0.05
done
printf '%s\\n' \"$wait_seen\"
[ \"$wait_code\" = 0 ] || exit {NOT_YET}",
        script.steps[step].text,
        length.as_millis() / 10,
    );
    JobScript {
        id: if step == 0 { script.id.clone() } else { format!("{}+{step}", script.id) },
        guards: Vec::new(),
        steps: vec![StepScript { text, limit: length + SLOWEST_PROBE, waits: true }],
    }
}

/// What a probe says it saw: its last line.
pub(super) fn seen(output: &str) -> &str {
    output.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}
