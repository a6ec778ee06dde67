//! The output of a replica's probe as facts.

use crate::facts::model::{HostFacts, Observed};
use crate::resource::HostName;
use crate::services::kuboard::look::LOOK;

/// Reads a probe's output. A line that is not there was not reached in time.
pub fn read(name: &str, output: &str, facts: &mut HostFacts) {
    if name != LOOK {
        return;
    }
    let kuboard = facts.kuboard.get_or_insert_default();
    let late = || Observed::Unknown("it did not answer in time".to_owned());
    (kuboard.web, kuboard.agent) = (late(), late());
    for line in output.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["web", answer] => kuboard.web = Observed::Known(*answer == "yes"),
            ["agent", answer] => kuboard.agent = Observed::Known(*answer == "yes"),
            ["etcd", host, answer] => {
                kuboard.etcd.insert(HostName::new(*host), *answer == "yes");
            }
            ["questdb", answer] => kuboard.questdb = Some(*answer == "yes"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_replica_in_any_order() {
        let mut facts = HostFacts::default();
        read(LOOK, "etcd etcd2 no\nagent yes\nquestdb yes\netcd etcd1 yes\nweb yes\n", &mut facts);
        let kuboard = facts.kuboard.unwrap();
        assert_eq!((kuboard.web, kuboard.agent), (Observed::Known(true), Observed::Known(true)));
        assert_eq!(kuboard.etcd.get(&HostName::new("etcd1")), Some(&true));
        assert_eq!(kuboard.etcd.get(&HostName::new("etcd2")), Some(&false));
        assert_eq!(kuboard.questdb, Some(true));
    }

    #[test]
    fn what_was_not_printed_is_unknown() {
        let mut facts = HostFacts::default();
        read(LOOK, "web no\n", &mut facts);
        let kuboard = facts.kuboard.unwrap();
        assert_eq!(kuboard.web, Observed::Known(false));
        assert!(matches!(kuboard.agent, Observed::Unknown(_)));
        assert_eq!(kuboard.questdb, None);
    }
}
