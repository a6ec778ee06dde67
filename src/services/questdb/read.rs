//! The output of QuestDB's probe as facts.

use crate::facts::model::{HostFacts, Observed};
use crate::services::questdb::look::LOOK;

/// Reads a probe's output. A line that is not there was not reached in time.
pub fn read(name: &str, output: &str, facts: &mut HostFacts) {
    if name != LOOK {
        return;
    }
    let questdb = facts.questdb.get_or_insert_default();
    let late = || Observed::Unknown("it did not answer in time".to_owned());
    (questdb.healthy, questdb.login) = (late(), late());
    for line in output.lines() {
        match line.trim().split_once(' ') {
            Some(("data", "none")) => questdb.has_data = false,
            Some(("data", owner)) => {
                questdb.has_data = true;
                questdb.data_owner = Some(owner.to_owned());
            }
            Some(("format", format)) => questdb.format = Some(format.trim().to_owned()),
            Some(("java", version)) => questdb.java = java_major(version),
            Some(("healthy", answer)) => questdb.healthy = Observed::Known(answer == "yes"),
            Some(("login", answer)) => questdb.login = Observed::Known(answer == "yes"),
            _ => {}
        }
    }
}

/// `17` of `17.0.15`, `8` of `1.8.0_402`.
fn java_major(version: &str) -> Option<u32> {
    let version = version.strip_prefix("1.").unwrap_or(version);
    version.split(['.', '_', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_running_instance() {
        let mut facts = HostFacts::default();
        let output = "data questdb:questdb\nformat 426\njava 17.0.15\nhealthy yes\nlogin yes\n";
        read(LOOK, output, &mut facts);
        let questdb = facts.questdb.unwrap();
        assert_eq!(questdb.data_owner.as_deref(), Some("questdb:questdb"));
        assert!(questdb.has_data);
        assert_eq!(questdb.format.as_deref(), Some("426"));
        assert_eq!(questdb.java, Some(17));
        assert_eq!((questdb.healthy, questdb.login), (Observed::Known(true), Observed::Known(true)));
    }

    #[test]
    fn a_cut_output_leaves_unknowns() {
        let mut facts = HostFacts::default();
        read(LOOK, "data none\nhealthy no\n", &mut facts);
        let questdb = facts.questdb.unwrap();
        assert!(!questdb.has_data);
        assert_eq!(questdb.healthy, Observed::Known(false));
        assert!(matches!(questdb.login, Observed::Unknown(_)));
    }

    #[test]
    fn other_probes_are_not_ours() {
        let mut facts = HostFacts::default();
        read("etcd.look", "data none\n", &mut facts);
        assert_eq!(facts.questdb, None);
    }

    #[test]
    fn java_counted_differently_before_nine() {
        assert_eq!(java_major("1.8.0_402"), Some(8));
        assert_eq!(java_major("11.0.21"), Some(11));
        assert_eq!(java_major("21-ea"), Some(21));
        assert_eq!(java_major("x"), None);
    }
}
