//! What is on the hosts, to prove that nothing was touched.

use std::collections::BTreeMap;

use crate::lab::Lab;
use crate::processes::{self, Processes};

/// Every file with its mode, owner, size and time of change. A live database changes by itself: of its files only who
/// owns them counts.
const SCRIPT: &str = r"find /etc /opt /usr/local /root /var/lib/kuboard-ha /var/lib/etcd -printf '%p %y %m %U:%G %s %C@\n' 2>/dev/null |
    sed -E 's,^(/var/lib/etcd[^ ]* . [0-7]+ [0-9:]+) .*,\1,' | grep -v '\.tmp ' | sort";

/// Files and processes of all hosts.
#[derive(Debug, PartialEq)]
pub struct Footprint {
    files: BTreeMap<String, String>,
    processes: Processes,
}

impl Footprint {
    /// Of the hosts that run.
    pub fn of(lab: &Lab, hosts: &[&str]) -> Self {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Self { files: lab.exec_all(&hosts, SCRIPT), processes: processes::processes_on(lab, &hosts) }
    }

    /// Fails the test if anything is not as it was.
    #[track_caller]
    pub fn stands(&self, lab: &Lab) {
        let hosts: Vec<&str> = self.files.keys().map(String::as_str).collect();
        let now = Self::of(lab, &hosts);
        for (host, before) in &self.files {
            let (before, after): (Vec<&str>, Vec<&str>) =
                (before.lines().collect(), now.files[host].lines().collect());
            let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
            let came: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
            assert!(gone.is_empty() && came.is_empty(), "{host} was touched: -{gone:#?} +{came:#?}");
        }
        assert_eq!(self.processes, now.processes, "processes");
    }
}
