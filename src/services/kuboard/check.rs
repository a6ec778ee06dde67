//! What about Kuboard's hosts forbids its plan, or deserves a word.

use std::collections::BTreeMap;

use crate::facts::model::{FileState, HostFacts};
use crate::inventory::Inventory;
use crate::plan::by_hand;
use crate::plan::draft::Draft;
use crate::plan::model::{Finding, Severity};
use crate::render::RenderError;
use crate::resource::{Arch, HostName};
use crate::secret::{Fingerprint, SecretId};
use crate::services::kuboard::names::{
    BOOT_UNIT, CONTAINER, ENV_FILE, FOLDER_OWNER, QUESTDB_PORT, SERVED, agent_key_file,
};

/// Somebody else's container in the place of ours.
pub fn container(draft: &mut Draft<'_>, host: &HostName) {
    let docker = draft.seen.host(host).and_then(|seen| seen.docker.known()?.as_ref());
    let Some(found) = docker.and_then(|docker| docker.containers.get(CONTAINER)) else { return };
    if found.config.is_some() {
        return;
    }
    let message = format!(
        "A container named {CONTAINER} (image {}) is here and was not created by kuboard-ha. Replacing it would take away \
         what its users have in it; it is left as it is.",
        found.image
    );
    let hint = format!(
        "if it may go out of service, on the host, then run up:\n  docker stop {CONTAINER} && docker rename {CONTAINER} \
         {CONTAINER}-old && docker update --restart no {CONTAINER}-old\nits users and clusters stay in the etcd or the \
         folder that it used; to go back:\n  docker start {CONTAINER}-old"
    );
    draft.find(Finding::on(host, Severity::Blocked, "kuboard.foreign-container", message).hint(hint));
}

/// One name, and different images behind it: the tag was moved between two pulls. Machines of different processors
/// have different images by right.
pub fn images(draft: &mut Draft<'_>, hosts: &[HostName]) {
    let image = &draft.inventory.kuboard.image;
    let mut held: BTreeMap<Option<Arch>, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    for host in hosts {
        let Some(seen) = draft.seen.host(host) else { continue };
        let docker = seen.docker.known().and_then(Option::as_ref);
        let Some(id) = docker.and_then(|docker| docker.images.get(image)) else { continue };
        held.entry(seen.system.arch).or_default().entry(id.clone()).or_default().push(host.as_str());
    }
    for ids in held.into_values().filter(|ids| ids.len() > 1) {
        let places: Vec<String> =
            ids.iter().map(|(id, hosts)| format!("{} on {}", short(id), hosts.join(", "))).collect();
        let message = format!(
            "{image} names different images: {}. Its tag was moved between two pulls, so the replicas may differ.",
            places.join("; ")
        );
        let hint = format!(
            "see them on each:\n  docker image inspect -f '{{{{.Id}}}} {{{{.Created}}}} {{{{.RepoDigests}}}}' {image}\non the \
             hosts that have the wrong one, one after the other, each time run up:\n  docker rm -f {CONTAINER} && docker rmi \
             {image}\nand for good: pin kuboard.image by its digest, NAME:TAG@sha256:…, or name a tag that is never moved"
        );
        draft.find(Finding::cluster(Severity::Warning, "kuboard.image-differs", message).hint(hint));
    }
}

/// `0123456789ab` of `sha256:0123456789abcdef…`, as Docker shows ids.
fn short(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

/// A folder of data that somebody else uses: a replica's is closed to all but root.
pub fn folder(draft: &mut Draft<'_>, host: &HostName) {
    let dir = &draft.inventory.kuboard.data_dir;
    let Some(seen) = draft.seen.host(host) else { return };
    let Some(found) = seen.directories.get(dir).and_then(Option::as_ref) else { return };
    let ours = seen.manifest.contains_key(&format!("file {}", agent_key_file(draft.inventory)));
    if found.empty || found.owner == FOLDER_OWNER || ours {
        return;
    }
    let message = format!(
        "{dir} belongs to {} and holds files that kuboard-ha did not make; as Kuboard's folder it would be closed to \
         others.",
        found.owner
    );
    let hint = format!(
        "set kuboard.data_dir to a folder of its own; or, if these files are Kuboard's, on the host, then run up:\n  chown \
         {FOLDER_OWNER} {dir}"
    );
    draft.find(Finding::on(host, Severity::Blocked, "kuboard.foreign-folder", message).hint(hint));
}

/// Somebody else's agent key: agents of imported clusters know it.
pub fn agent_key(draft: &mut Draft<'_>, host: &HostName) {
    let path = agent_key_file(draft.inventory);
    if !is_foreign(draft.seen.host(host), &path) {
        return;
    }
    let secrets = format!("/var/lib/kuboard-ha/{}/secrets", draft.inventory.cluster);
    let id = SecretId::AGENT_KEY;
    let message =
        format!("{path} holds a key that kuboard-ha did not make; agents of imported clusters may use it.");
    let hint = format!(
        "to keep it for all replicas:\n  mkdir -p -m 0700 {secrets} && tr -d '\\n' < {path} > {secrets}/{id} && chmod 0600 \
         {secrets}/{id} && rm {path}\nto drop it:\n  mv {path} {path}.aside\nthen run up"
    );
    draft.find(Finding::on(host, Severity::Blocked, "kuboard.foreign-agent-key", message).hint(hint));
}

/// Another url than the one that agents of imported clusters were given.
pub fn url(draft: &mut Draft<'_>) {
    let wanted = &draft.inventory.kuboard.url;
    let served = draft.inventory.kuboard.hosts.iter().find_map(|host| {
        let file = draft.seen.host(host)?.files.get(ENV_FILE)?.known()?.as_ref()?;
        file.text.as_ref()?.lines().find_map(|line| line.strip_prefix("KUBOARD_ENDPOINT="))
    });
    let Some(served) = served.filter(|served| served != wanted) else { return };
    let message = format!(
        "Kuboard's url changes from {served} to {wanted}; the agents of clusters imported so far know the old one."
    );
    let hint = "import these clusters again afterwards, or keep the old url: kuboard.url";
    draft.find(Finding::cluster(Severity::Warning, "kuboard.url-changed", message).hint(hint));
}

/// Whether somebody else's file stands there.
pub fn is_foreign(seen: Option<&HostFacts>, path: &str) -> bool {
    let file = seen.and_then(|seen| seen.files.get(path)?.known()?.as_ref());
    file.is_some_and(|file| matches!(file.state, FileState::Foreign(_)))
}

/// A replica's host that does not get through to what listens elsewhere.
pub fn neighbours(draft: &mut Draft<'_>, host: &HostName) {
    let inventory = draft.inventory;
    let Some(kuboard) = draft.seen.host(host).and_then(|seen| seen.kuboard.as_ref()) else { return };
    let listens = |there: &HostName, port: u16| {
        draft.seen.host(there).is_some_and(|seen| seen.listeners.iter().any(|socket| socket.port == port))
    };
    // On its own host, a member that answers; whatever else may have its port is told by others.
    let answers = |member: &HostName| {
        let etcd = draft.seen.host(member).and_then(|seen| seen.etcd.as_ref());
        etcd.and_then(|etcd| etcd.status.known()).is_some_and(Option::is_some)
    };
    let mut cut: Vec<String> = kuboard
        .etcd
        .iter()
        .filter(|(member, open)| !**open && answers(member) && listens(member, inventory.etcd.client_port))
        .map(|(member, _)| format!("etcd on {member} ({})", inventory.etcd.client_port))
        .collect();
    let questdb =
        inventory.questdb.as_ref().filter(|_| inventory.kuboard.audit && kuboard.questdb == Some(false));
    if let Some(questdb) = questdb.filter(|questdb| listens(&questdb.host, QUESTDB_PORT)) {
        cut.push(format!("QuestDB on {} ({QUESTDB_PORT})", questdb.host));
    }
    if cut.is_empty() {
        return;
    }
    let message = format!("From here {} cannot be reached, though it listens.", cut.join(", "));
    let hint = "open these ports there to the Kuboard hosts; a firewall stands between";
    draft.find(Finding::on(host, Severity::Warning, "kuboard.unreachable-neighbour", message).hint(hint));
}

/// Where another first password is given than the one stored: takes the given one out of the draft, so that the
/// stored one stays, says so, and returns it.
pub fn late_admin_password(draft: &mut Draft<'_>, hosts: &[HostName], id: &SecretId) -> Option<Fingerprint> {
    let given = draft.facts.supplied.get(id)?.clone();
    if !draft.holders(id, hosts).iter().any(|(_, print)| *print != given) {
        return None;
    }
    let message = "kuboard.admin_password differs from the first password that Kuboard was set up with; it is not used, \
                   because it acts on an empty etcd only.";
    let hint = "change the password in Kuboard itself, and drop kuboard.admin_password from the inventory";
    draft.find(Finding::cluster(Severity::Warning, "kuboard.late-admin-password", message).hint(hint));
    draft.facts.supplied.remove(id)
}

/// A replica of ours on a host that has none any more.
pub fn left_over(draft: &mut Draft<'_>) {
    let wanted = &draft.inventory.kuboard.hosts;
    let old: Vec<HostName> = draft
        .inventory
        .hosts
        .keys()
        .filter(|host| !wanted.contains(host))
        .filter(|host| draft.seen.host(host).is_some_and(|seen| seen.manifest.contains_key(SERVED)))
        .cloned()
        .collect();
    for host in old {
        let message = "A replica of Kuboard was installed here and is no longer asked for; it may still run.";
        let hint = format!(
            "remove it:\n  docker rm -f {CONTAINER} && systemctl disable {BOOT_UNIT} && {}",
            by_hand::forget(draft.inventory, &[SERVED])
        );
        draft.find(Finding::on(&host, Severity::Warning, "kuboard.left-over", message).hint(hint));
    }
}

/// Takes a replica for one that never served, by hand; its folder stays.
pub fn begin_anew(inventory: &Inventory) -> String {
    format!("docker rm -f {CONTAINER}; {}", by_hand::forget(inventory, &[SERVED]))
}

/// A template that does not render is a defect of this program, told as one.
pub fn defect(error: &RenderError) -> Finding {
    let source = &error.source;
    Finding::cluster(Severity::Blocked, "kuboard.template", format!("{error}: {source}."))
        .hint("this is a defect of kuboard-ha: please report it with your inventory")
}
