//! What must hold of every finished plan. Tests end with it; a breach is a defect of this program.

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::effects::effects;
use crate::plan::model::{Plan, Planning};

/// Columns that a command may take within prose.
const SHORT: usize = 40;

/// Programs that hints let people run.
const PROGRAMS: &str = "apt-get ausearch chmod chown cp curl df dnf docker dockerd dpkg du etcdctl findmnt firewall-cmd \
     iptables journalctl kuboard-ha ls mkdir mount mv namei nft printf ps readlink restorecon rm rpm sed \
     semanage setsebool ss ssh-keygen sysctl systemctl tcpdump timedatectl ufw umount update-alternatives \
     zypper";

/// Those of them that do no more than look, whatever they are told.
const LOOKS: &str = "ausearch curl df dockerd dpkg du findmnt journalctl kuboard-ha ls namei printf ps readlink rpm ss \
     ssh-keygen sysctl tcpdump";

/// Every breach found, in words.
pub fn lint(inventory: &Inventory, facts: &Facts, planning: &Planning) -> Vec<String> {
    let mut breaches = shape(&planning.plan);
    for finding in &planning.findings {
        let breakable = finding.hint.iter().flat_map(|hint| breakable(hint));
        breaches.extend(breakable.map(|command| format!("{}: in prose: {command}", finding.code)));
    }
    if !planning.is_blocked() {
        let mut after = facts.clone();
        for job in &planning.plan.jobs {
            for step in &job.steps {
                effects(step, &job.host, inventory, &mut after);
            }
        }
        let again = crate::plan::plan(inventory, &after);
        for job in &again.plan.jobs {
            for step in &job.steps {
                breaches.push(format!(
                    "after the plan, {} still wants {}: {}",
                    job.id, step.resource, step.reason
                ));
            }
        }
    }
    breaches
}

/// The commands in a hint that a terminal may break in two, which then do something else: they change something or are
/// long, and stand in prose. A line that begins with two spaces is never wrapped.
pub fn breakable(hint: &str) -> Vec<String> {
    let prose = hint.lines().filter(|line| !line.starts_with("  "));
    let commands = prose.flat_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (0..words.len()).filter_map(move |at| command(words.get(at..)?)).collect::<Vec<_>>()
    });
    commands.filter(|command| command.chars().count() > SHORT || changes(command)).collect()
}

/// The command that begins with the first of these words, to where prose goes on.
fn command(words: &[&str]) -> Option<String> {
    let first = words.first()?.trim_start_matches(['(', '`']);
    if !PROGRAMS.split(' ').any(|program| program == first) {
        return None;
    }
    let mut command = first.to_owned();
    for word in words.get(1..)?.iter().take_while(|word| **word != ";") {
        let plain = word.trim_end_matches([';', ',', '.', ':', ')', '`']);
        command = format!("{command} {plain}");
        if plain.len() < word.len() {
            break;
        }
    }
    Some(command)
}

/// Whether a command does more than look.
fn changes(command: &str) -> bool {
    let mut words = command.split(' ');
    let (program, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match program {
        "systemctl" => !["cat", "edit", "is-active", "show", "status"].contains(&what),
        "dnf" => what != "provides",
        "docker" => !["image", "inspect", "logs", "ps", "version"].contains(&what),
        "etcdctl" => !["get", "member"].contains(&what) && !command.contains(" member list"),
        "nft" => what != "list",
        "firewall-cmd" => !what.starts_with("--list"),
        "timedatectl" => what.starts_with("set"),
        "ufw" => what != "status",
        "mount" | "umount" => what.starts_with(['-', '/']),
        program => !LOOKS.split(' ').any(|looks| looks == program),
    }
}

fn shape(plan: &Plan) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut before = BTreeSet::new();
    let stages: BTreeSet<_> = plan.stages.iter().map(|stage| &stage.id).collect();
    for job in &plan.jobs {
        for id in &job.after {
            if !before.contains(id) {
                breaches.push(format!("{} comes after {id}, which does not stand before it", job.id));
            }
        }
        if !before.insert(job.id.clone()) {
            breaches.push(format!("{} stands twice", job.id));
        }
        if job.steps.is_empty() {
            breaches.push(format!("{} has no steps", job.id));
        }
        if !stages.contains(&job.stage) {
            breaches.push(format!("{} is under a heading that is not there", job.id));
        }
        for step in &job.steps {
            if step.limit.is_zero() {
                breaches.push(format!("{}: {} has no time", job.id, step.resource));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_a_line_end_would_turn_into_another_stands_on_its_own() {
        let move_aside =
            "if nobody needs it: systemctl disable --now etcd; mv /d/member \"$(mktemp -d /d/a.X)\"; then up";
        assert_eq!(
            breakable(move_aside),
            ["systemctl disable --now etcd", "mv /d/member \"$(mktemp -d /d/a.X)\""]
        );
        assert_eq!(breakable("each: nft 'add table inet kuboard'; and"), ["nft 'add table inet kuboard'"]);
        assert_eq!(breakable("(systemctl restart docker)"), ["systemctl restart docker"]);
        let long = "read it: journalctl -u etcd.service -n 50 --no-pager";
        assert_eq!(breakable(long), ["journalctl -u etcd.service -n 50 --no-pager"]);
        assert!(breakable("move it aside:\n  mv /etc/etcd.env /etc/etcd.env.aside\nthen run up").is_empty());
        let short = "on etcd2: systemctl status etcd; ss -ltn 'sport = :2380'; mount it, or `kuboard-ha up` (docker ps)";
        assert!(breakable(short).is_empty(), "{:?}", breakable(short));
    }
}
