//! What reaches the live process past its environment file. `up` writes that file and no other, so it would restart the
//! member at every run, and never come to an end.

use super::sight::Sight;
use super::{ENV_FILE, UNIT, config};
use crate::inventory::Inventory;
use crate::plan::model::{Finding, Severity};
use crate::plan::script::quote;

/// Makes a cluster of its own of what a member has, at every start.
const FORCE: &str = "ETCD_FORCE_NEW_CLUSTER";

/// What stands against work on a member.
pub(super) fn finding(inventory: &Inventory, sight: &Sight<'_>) -> Option<Finding> {
    let host = sight.host;
    let process = sight.etcd?.running.known()?.as_ref()?;
    let additions = additions(sight);
    let drop: Vec<String> = additions.iter().map(|path| quote(path)).collect();
    if process.environment.get(FORCE).is_some_and(|value| value != "false") {
        let message = format!(
            "The member on {host} runs with {FORCE}: at every start it makes a cluster of its own of what it has, and \
             drops the other members."
        );
        let files: String = drop.iter().map(|path| format!("{path} ")).collect();
        let hint = format!(
            "it has done so by now; on {host}:\n  sed -i '/{FORCE}/d' {files}{ENV_FILE}; systemctl daemon-reload; systemctl \
             restart etcd\nthen run up again"
        );
        return Some(Finding::on(host, Severity::Blocked, "etcd.force-new-cluster", message).hint(hint));
    }
    if additions.is_empty() || !sight.is_ours() {
        return None;
    }
    let on_disk = config::on_disk(sight.reached?)?;
    let wanted = config::environment(inventory, host);
    let said =
        |name: &String| wanted.contains_key(name) || on_disk.contains_key(name) || config::is_initial(name);
    let stray: Vec<&str> =
        process.environment.keys().filter(|name| !said(name)).map(String::as_str).collect();
    if stray.is_empty() {
        return None;
    }
    let message = format!(
        "The member on {host} runs with {}, which neither etcd.settings nor {ENV_FILE} says. Its unit is added to in {}; \
         while that gives it more settings, up would restart it at every run.",
        stray.join(", "),
        additions.join(", ")
    );
    let files = drop.join(" ");
    let hint = format!(
        "see what they say, on {host}:\n  grep . {files}\nwhat is wanted for good goes into etcd.settings. Either drop them \
         all:\n  rm {files}; systemctl daemon-reload\nor take those lines out, and let the member forget them:\n  systemctl \
         daemon-reload; systemctl restart etcd\nthen run up again"
    );
    Some(Finding::on(host, Severity::Blocked, "etcd.drop-in", message).hint(hint))
}

/// The files that add to its unit. Those for all services are the distribution's.
fn additions<'a>(sight: &Sight<'a>) -> Vec<&'a str> {
    let unit = sight.reached.and_then(|reached| reached.units.get(UNIT)).and_then(Option::as_ref);
    let paths = unit.into_iter().flat_map(|unit| &unit.drop_ins).map(String::as_str);
    paths.filter(|path| !path.contains("/service.d/")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, host, listing};
    use super::*;
    use crate::facts::model::Observed;

    fn set(scene: &mut Scene, name: &str) {
        let Observed::Known(Some(process)) = &mut scene.etcd(2).running else { panic!("it runs") };
        process.environment.insert(name.to_owned(), "true".to_owned());
    }

    fn added(scene: &mut Scene, path: &str) {
        let unit = scene.host(2).units.get_mut(UNIT).unwrap().as_mut().unwrap();
        unit.drop_ins = vec![path.to_owned()];
    }

    fn blocked(scene: &Scene) -> Vec<(String, Option<crate::resource::HostName>)> {
        scene.plan().1.into_iter().map(|finding| (finding.code, finding.host)).collect()
    }

    #[test]
    fn a_setting_from_a_drop_in_is_told_and_not_rolled_forever() {
        let mut scene = Scene::formed(3);
        set(&mut scene, "ETCD_ENABLE_V2");
        assert!(listing(&scene.plan().0).contains("ETCD_ENABLE_V2 removed"), "a restart drops it");
        assert!(blocked(&scene).is_empty());
        added(&mut scene, "/usr/lib/systemd/system/service.d/10-timeout.conf");
        assert!(blocked(&scene).is_empty(), "those are for all services");
        added(&mut scene, "/etc/systemd/system/etcd.service.d/v2.conf");
        assert_eq!(blocked(&scene), [("etcd.drop-in".to_owned(), Some(host(2)))]);

        let mut harmless = Scene::formed(3);
        added(&mut harmless, "/etc/systemd/system/etcd.service.d/limits.conf");
        assert!(blocked(&harmless).is_empty());
        scene.inventory.etcd.settings.insert("ETCD_ENABLE_V2".to_owned(), "true".to_owned());
        assert!(blocked(&scene).is_empty(), "and wanted");
    }

    #[test]
    fn a_member_that_would_leave_the_others_at_its_next_start_blocks() {
        let mut scene = Scene::formed(3);
        set(&mut scene, FORCE);
        assert_eq!(blocked(&scene), [("etcd.force-new-cluster".to_owned(), Some(host(2)))]);
    }
}
