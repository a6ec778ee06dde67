//! Docker on a replica's host: there or installed, new enough, running, with the image.

use std::time::Duration;

use crate::catalog::image_artifact;
use crate::event::Cause;
use crate::facts::model::{Active, Docker, Observed};
use crate::inventory::model::Packages;
use crate::plan::draft::{Draft, JobDraft};
use crate::plan::model::{
    Action, Finding, ImageSource, JobId, Procedure, Reason, Risk, Severity, UnitChange,
};
use crate::resource::{HostName, ResourceId};
use crate::services::kuboard::names::{CONTAINER, DOCKER_PACKAGE, DOCKER_UNIT, SERVED};
use crate::services::kuboard::plan::STAGE;

/// Older engines refuse the system calls of the image's programs (`pthread_create failed`, moby#42680).
const NEEDED: (u32, u32, u32) = (20, 10, 10);
const START: Duration = Duration::from_mins(2);
const IMAGE: Duration = Duration::from_mins(30);

/// `20.10.24` of `20.10.24+dfsg1`.
fn version(text: &str) -> Option<(u32, u32, u32)> {
    let plain = text.split(['+', '-', '~']).next()?;
    let mut numbers = plain.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0)))
}

/// An engine that refuses the system calls of the image's programs.
pub(super) fn too_old(text: &str) -> Cause {
    Cause::new(
        "docker.too-old",
        format!("Docker {text} is too old: Kuboard's image needs 20.10.10 or later."),
        "upgrade Docker there from the distribution's updates or docs.docker.com/engine/install, then run up",
    )
}

/// Whether an engine of that version does.
pub(super) fn is_too_old(text: &str) -> bool {
    version(text).is_some_and(|version| version < NEEDED)
}

/// Whether the engine allows going on; where it does not, a finding says why.
pub fn check(draft: &mut Draft<'_>, host: &HostName) -> bool {
    let Some(seen) = draft.seen.host(host) else { return false };
    let found = match &seen.docker {
        Observed::Unknown(why) => {
            Some((Severity::Unknown, "docker.unseen", format!("Docker could not be looked at: {why}."), {
                "look on the host: systemctl status docker; docker version".to_owned()
            }))
        }
        Observed::Known(None) if draft.inventory.kuboard.docker == Packages::Present => Some((
            Severity::Blocked,
            "docker.missing",
            "Docker is not installed, and kuboard.docker says that it is.".to_owned(),
            "install Docker 20.10.10 or later there, or set kuboard.docker to install".to_owned(),
        )),
        Observed::Known(None) => None,
        Observed::Known(Some(Docker { version: None, .. })) => {
            let unit = seen.units.get(DOCKER_UNIT).and_then(Option::as_ref);
            match unit.map(|unit| unit.active) {
                Some(Active::Active) => Some((
                    Severity::Unknown,
                    "docker.silent",
                    "docker.service runs, but the engine does not answer.".to_owned(),
                    "look on the host: docker version; journalctl -u docker.service -n 50".to_owned(),
                )),
                None => Some((
                    Severity::Blocked,
                    "docker.no-service",
                    "There is a docker command, but no docker.service that could be started at boot.".to_owned(),
                    "install Docker Engine there from the distribution or from docs.docker.com/engine/install \
                     (podman-docker and snaps will not do)"
                        .to_owned(),
                )),
                Some(_) => None,
            }
        }
        Observed::Known(Some(Docker { version: Some(text), .. })) => match version(text) {
            Some(version) if version < NEEDED => {
                draft.find(Finding::of(Some(host), Severity::Blocked, too_old(text)));
                return false;
            }
            _ => None,
        },
    };
    let Some((severity, code, message, hint)) = found else { return true };
    draft.find(Finding::on(host, severity, code, message).hint(hint));
    false
}

/// The engine, enabled and running.
pub fn engine(draft: &mut Draft<'_>, host: &HostName) -> JobId {
    let mut job = draft.job("kuboard.docker", STAGE, host);
    if job.host().is_some_and(|host| host.docker == Observed::Known(None)) {
        job.packages(&[DOCKER_PACKAGE], "Kuboard runs in a container");
    }
    let running = job.host().and_then(|host| host.docker.known()?.as_ref()?.version.as_ref()).is_some();
    let unit = job.host().and_then(|host| host.units.get(DOCKER_UNIT)).and_then(Option::as_ref);
    // An engine that answers without that unit was set up by somebody who knows how it starts.
    if !(running && unit.is_none()) {
        job.enabled(DOCKER_UNIT);
    }
    if !running {
        let reason = Reason::Needed("Kuboard runs in a container".to_owned());
        job.unit(DOCKER_UNIT, UnitChange::Start, &[], reason, Risk::None, START);
    }
    job.done()
}

/// The image, before any replica is touched for it.
pub fn image(draft: &mut Draft<'_>, host: &HostName, before: &[JobId]) -> JobId {
    let inventory = draft.inventory;
    let image = &inventory.kuboard.image;
    let blind = is_blind(draft, host);
    let served = draft.seen.host(host).is_some_and(|seen| seen.manifest.contains_key(SERVED));
    let mut job = draft.job("kuboard.image", STAGE, host);
    job.after(before);
    let here = job
        .host()
        .and_then(|host| host.docker.known()?.as_ref())
        .is_some_and(|docker| docker.images.contains_key(image));
    if here {
        return job.done();
    }
    if blind {
        guard(&mut job);
    }
    let arch = job.host().and_then(|host| host.system.arch);
    let archive = arch.and_then(|arch| image_artifact(&inventory.kuboard, arch));
    let source = match archive {
        Some(Ok(artifact)) => {
            job.stage_artifact(&artifact);
            ImageSource::Load { artifact }
        }
        Some(Err(error)) => {
            let message = format!("{error}; what cannot be verified is not loaded.");
            job.find(Severity::Blocked, "kuboard.no-digest", message, error.hint);
            return job.done();
        }
        None => ImageSource::Pull {
            username: inventory.kuboard.registry.as_ref().map(|registry| registry.username.clone()),
        },
    };
    let action = Action::Image { image: image.clone(), source };
    let reason = if served && blind { unseen() } else { Reason::Missing };
    job.step(ResourceId::new("image", image), action, reason, Risk::None, IMAGE);
    job.done()
}

/// Whether the engine did not run when the host was looked at: its containers and images were not seen, since a look
/// does not start it.
pub fn is_blind(draft: &Draft<'_>, host: &HostName) -> bool {
    let docker = draft.seen.host(host).and_then(|seen| seen.docker.known()?.as_ref());
    docker.is_none_or(|docker| docker.version.is_none())
}

/// Why a blind plan brings what may be there already; its guard lets it look again first.
pub fn unseen() -> Reason {
    Reason::Needed("not seen while Docker does not run".to_owned())
}

/// Lets a job that was planned blind begin only if the engine, now that it runs, shows what was assumed.
pub fn guard(job: &mut JobDraft<'_, '_>) {
    let test =
        Procedure::new("kuboard.engine", include_str!("engine.sh"), [("container", CONTAINER.to_owned())]);
    job.guard("Docker 20.10.10 or later runs, and no container named kuboard", test);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("20.10.5+dfsg1").unwrap() < NEEDED);
        assert!(version("20.10.24+dfsg1").unwrap() > NEEDED);
        assert!(version("18.09.0").unwrap() < NEEDED);
        assert!(version("1.13.1").unwrap() < NEEDED);
        assert!(version("27.3.1").unwrap() > NEEDED);
        assert!(version("28.0.0-rc.1").unwrap() > NEEDED);
        assert_eq!(version("nonsense"), None);
    }
}
