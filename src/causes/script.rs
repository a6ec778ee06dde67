//! The look at a host where a service does not come up: a look like any other, with questions of its own beside it.

use std::time::Duration;

use super::Scene;
use crate::facts;
use crate::facts::look::{DockerLook, Looks, Probe};
use crate::plan::model::Procedure;

/// How long each question may take.
const LIMIT: Duration = Duration::from_secs(4);

pub(super) const UNITS: &str = "evidence.units";
pub(super) const CONTAINER: &str = "evidence.container";
pub(super) const KERNEL: &str = "evidence.kernel";
pub(super) const OWNERS: &str = "evidence.owners";
pub(super) const PROGRAMS: &str = "evidence.programs";
pub(super) const REACH: &str = "evidence.reach";

/// What is looked at besides.
pub(super) fn looks(scene: &Scene, since: Duration) -> Looks {
    let since = ("since", (since.as_secs() + 3).to_string());
    let words = |texts: &[String]| texts.join(" ");
    let needs: Vec<String> =
        scene.needs.iter().map(|need| format!("{}={}={}", need.host, need.address, need.port)).collect();
    let ask = |name, text, args: &[(&'static str, String)]| {
        let args = args.iter().cloned().collect();
        Probe { procedure: Procedure { name, text, args }, limit: LIMIT }
    };
    let mut probes = vec![
        ask(KERNEL, include_str!("kernel.sh"), std::slice::from_ref(&since)),
        ask(
            OWNERS,
            include_str!("owners.sh"),
            &[("paths", words(&scene.data)), ("user", scene.user.to_owned())],
        ),
        ask(PROGRAMS, include_str!("programs.sh"), &[("units", words(&scene.units))]),
    ];
    if !scene.units.is_empty() {
        let text = concat!(include_str!("redact.sh"), include_str!("units.sh"));
        probes.push(ask(UNITS, text, &[since.clone(), ("units", words(&scene.units))]));
    }
    if let Some(container) = &scene.container {
        let text = concat!(include_str!("redact.sh"), include_str!("container.sh"));
        probes.push(ask(CONTAINER, text, &[since, ("container", container.clone())]));
    }
    if !needs.is_empty() {
        probes.push(ask(REACH, include_str!("reach.sh"), &[("needs", needs.join(" "))]));
    }
    Looks {
        paths: scene.data.iter().chain(&scene.programs).cloned().collect(),
        docker: scene.container.is_some().then(DockerLook::default),
        probes,
        ..Looks::default()
    }
}

/// The script. `since` is how long ago that began which failed.
pub fn script(scene: &Scene, since: Duration) -> String {
    facts::script::script(&looks(scene, since))
}
