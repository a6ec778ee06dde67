//! Why a replica does not come up: its image, Docker, and what it must reach.

use super::docker;
use super::names::{CONTAINER, DOCKER_UNIT, QUESTDB_PORT};
use crate::causes::{Evidence, Need, Reach, Scene, plain};
use crate::event::Cause;
use crate::inventory::Inventory;
use crate::resource::HostName;

/// What is looked at where a replica does not come up.
pub fn scene(inventory: &Inventory, host: &HostName) -> Scene {
    let kuboard = &inventory.kuboard;
    let need = |host: &HostName, port| Need { host: host.clone(), address: inventory.address(host), port };
    let members = inventory.etcd.hosts.iter().map(|host| need(host, inventory.etcd.client_port));
    let questdb = inventory.questdb.as_ref().filter(|_| kuboard.audit);
    Scene {
        title: "Kuboard",
        process: "docker-proxy",
        user: "",
        units: vec![DOCKER_UNIT.to_owned()],
        container: Some(CONTAINER.to_owned()),
        data: vec!["/var/lib/docker".to_owned(), kuboard.data_dir.clone()],
        programs: Vec::new(),
        ports: vec![kuboard.http_port, kuboard.agent_port],
        addresses: vec![inventory.address(host)],
        needs: members.chain(questdb.map(|questdb| need(&questdb.host, QUESTDB_PORT))).collect(),
    }
}

/// The cause, the surest first. The texts are those of Docker 20.10 to 28 and of the image's programs.
pub fn cause(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    engine(evidence)
        .or_else(|| image(inventory, evidence))
        .or_else(|| container(evidence))
        .or_else(|| neighbours(evidence))
}

fn engine(evidence: &Evidence) -> Option<Cause> {
    if let Some(line) =
        evidence.line(&["unable to configure the docker daemon", "failed to load daemon config"])
    {
        return Some(Cause::new(
            "docker.setting",
            format!("Docker refuses its settings: {}.", plain(line)),
            "correct /etc/docker/daemon.json there; what is wrong with it:\n  dockerd --validate --config-file /etc/docker/daemon.json",
        ));
    }
    if evidence.says(&["cannot connect to the docker daemon"]) {
        return Some(Cause::new(
            "docker.not-running",
            "The Docker engine does not run.",
            "start it and see why it ended:\n  systemctl start docker; journalctl -u docker.service -n 50 --no-pager",
        ));
    }
    if evidence.says(&["no chain/target/match by that name"]) {
        return Some(Cause::new(
            "docker.firewall",
            "Docker's own packet filter rules are gone: a firewall was reloaded and took them along.",
            "let Docker write them again:\n  systemctl restart docker",
        ));
    }
    None
}

/// An engine's journal tells of pulls long ago: only what the step itself printed counts.
fn image(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    let image = &inventory.kuboard.image;
    let registry = registry(image);
    let other_way = "or let it be loaded from a file: kuboard.image_archive";
    if evidence.printed(&["toomanyrequests"]).is_some() {
        return Some(Cause::new(
            "docker.rate-limit",
            format!("{registry} gives no more images to this address for now."),
            format!("wait some hours, log in (kuboard.registry), {other_way}"),
        ));
    }
    let missing = [
        "manifest unknown",
        "name unknown",
        "repository name not known",
        "no such image",
        "manifest for ",
        "the archive holds no image named",
    ];
    if let Some(line) = evidence.printed(&missing) {
        return Some(Cause::new(
            "docker.image-missing",
            format!("There is no image {image} where it was looked for: {}.", plain(line)),
            format!(
                "correct kuboard.image in the inventory, {other_way}; try it there:\n  docker pull {image}"
            ),
        ));
    }
    let denied = [
        "no basic auth credentials",
        "unauthorized",
        "pull access denied",
        "daemon: denied",
        "access to the resource is denied",
        "incorrect username or password",
    ];
    if let Some(line) = evidence.printed(&denied) {
        return Some(Cause::new(
            "docker.registry-denied",
            format!("{registry} refuses to give {image}: {}.", plain(line)),
            "set kuboard.registry (username, password) in the inventory, and see that the image's name is right",
        ));
    }
    if let Some(line) = evidence.printed(&["x509:", "server gave http response to https client"]) {
        return Some(Cause::new(
            "docker.registry-tls",
            format!("{registry} does not show a certificate that Docker trusts: {}.", plain(line)),
            format!("put its CA into /etc/docker/certs.d/{registry}/ca.crt there, {other_way}"),
        ));
    }
    let unreachable =
        ["/v2/\": ", "/v2/: ", "tls handshake timeout", "proxyconnect tcp", "unexpected http status: 5"];
    let line = evidence.printed(&unreachable)?;
    // A network that is slow today may be quick tomorrow; a step that pulls has ended with this.
    Some(Cause::new(
        "docker.registry-unreachable",
        format!("{registry} was not reached: {}.", plain(line)),
        format!(
            "give Docker a proxy where one is needed (systemctl edit docker: Environment=HTTPS_PROXY=…), {other_way}; see \
             from there:\n  curl -sI https://{registry}/v2/"
        ),
    ))
}

/// Where an image without a registry in its name comes from.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    }
}

fn container(evidence: &Evidence) -> Option<Cause> {
    if evidence.says(&[
        "pthread_create failed",
        "clone3",
        "failed to create thread: resource temporarily unavailable (11)",
    ]) {
        let engine =
            evidence.seen.docker.known().and_then(Option::as_ref).and_then(|docker| docker.version.clone());
        return Some(match engine.filter(|text| docker::is_too_old(text)) {
            Some(text) => docker::too_old(&text),
            None => Cause::new(
                "docker.seccomp",
                "The host's seccomp is too old for the image: it forbids the system calls by which its programs make threads.",
                "upgrade libseccomp2 (2.4.4 or later) and Docker (20.10.10 or later) there, then:\n  systemctl restart docker",
            ),
        });
    }
    let line = evidence.line(&["is already in use by container"])?;
    Some(Cause::new(
        "kuboard.foreign-container",
        format!("The name {CONTAINER} is another container's: {}.", plain(line)),
        format!(
            "if it may go out of service, on the host, then run up:\n  docker stop {CONTAINER} && docker rename {CONTAINER} \
             {CONTAINER}-old"
        ),
    ))
}

/// The stores that a replica does not reach.
fn neighbours(evidence: &Evidence) -> Option<Cause> {
    let shut: Vec<_> = evidence.reach.iter().filter(|reached| reached.how != Reach::Open).collect();
    let first = shut.first()?;
    let names: Vec<String> = shut
        .iter()
        .map(|reached| format!("{} ({}:{})", reached.host, reached.address, reached.port))
        .collect();
    Some(Cause {
        waits_for: shut.iter().map(|reached| reached.host.clone()).collect(),
        ..Cause::new(
            "kuboard.unreachable-neighbour",
            format!("From here {} cannot be reached.", names.join(", ")),
            format!("see on {} that it runs, and that no firewall drops tcp {}", first.host, first.port),
        )
        .passing()
    })
}

#[cfg(test)]
#[path = "causes_tests.rs"]
mod tests;
