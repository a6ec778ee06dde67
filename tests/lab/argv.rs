//! What stands in command lines while `up` works: anyone on a host can read those.

use std::collections::BTreeMap;

use crate::lab::Lab;

const FILE: &str = "/run/kuboard-ha-lab-argv";

/// Begins to note the command lines of all processes on these hosts, ten times a second.
pub fn watch(lab: &Lab, hosts: &[&str]) {
    for host in hosts {
        // Its own command line holds no secret, so it may note itself.
        let script = format!(
            "rm -f {FILE}.end; setsid sh -c 'while [ ! -e {FILE}.end ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr \"\\0\\n\" \"  \"; echo; \
             sleep 0.1; done >{FILE}' </dev/null >/dev/null 2>&1 &"
        );
        lab.exec(host, &script);
    }
}

/// Ends it, and gives what was noted on each host.
pub fn noted(lab: &Lab, hosts: &[&str]) -> BTreeMap<String, String> {
    let script = format!("touch {FILE}.end; cat {FILE}");
    hosts.iter().map(|host| ((*host).to_owned(), lab.exec(host, &script))).collect()
}
