//! What the runs are to bring about: from bare hosts to a cluster, then what its people ask of it.

use crate::lab::Lab;
use crate::torture::machine::PASSWORD;

/// What the runs of a chain are to bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The cluster, from bare hosts.
    Build,
    /// A setting of etcd, rolled member by member; killed at each frame in turn.
    Swept,
    /// The same, struck by chance.
    Setting,
    /// Another version of etcd.
    Version,
    /// Another password of QuestDB, which the replicas take in, too.
    Password,
    /// Another port of the balancer, and with it the url that the replicas tell.
    Port,
    /// A further host of the balancer.
    Balancer,
    /// A member whose disk is empty.
    Wiped,
}

impl Change {
    /// All that a cluster can be asked for once it stands.
    pub const LATER: [Self; 6] =
        [Self::Setting, Self::Version, Self::Password, Self::Port, Self::Balancer, Self::Wiped];

    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Build => "first build",
            Self::Swept => "etcd setting rolled, killed frame by frame",
            Self::Setting => "etcd setting rolled",
            Self::Version => "etcd version rolled",
            Self::Password => "QuestDB password replaced",
            Self::Port => "balancer port changed",
            Self::Balancer => "balancer host added",
            Self::Wiped => "wiped member replaced",
        }
    }

    /// Asks for it: edits the inventory, or takes a disk away. Gives the host that lost its data.
    pub fn ask(self, lab: &Lab, member: &str) -> Option<String> {
        let edit = |from: &str, to: &str| lab.inventory.edit(from, to);
        match self {
            Self::Build | Self::Swept => {}
            Self::Setting => snapshot_count(lab, 50_000),
            Self::Version => version(lab),
            Self::Password => {
                edit("\nquestdb:\n", &format!("\nquestdb:\n  password: {{ env: {} }}\n", PASSWORD.0));
            }
            Self::Port => edit("\nload_balancer:\n", "\nload_balancer:\n  port: 8080\n"),
            Self::Balancer => edit(FIRST_BALANCERS, ALL_BALANCERS),
            Self::Wiped => {
                lab.exec(member, "systemctl stop etcd; find /var/lib/etcd -mindepth 1 -delete");
                return Some(member.to_owned());
            }
        }
        None
    }
}

/// Asks for this setting of etcd.
pub fn snapshot_count(lab: &Lab, count: usize) {
    let line = format!("\n  settings: {{ ETCD_SNAPSHOT_COUNT: \"{count}\" }}\n");
    let text = lab.inventory.text();
    let old =
        text.lines().find(|line| line.contains("ETCD_SNAPSHOT_COUNT")).map(|line| format!("\n{line}\n"));
    match old {
        Some(old) => lab.inventory.edit(&old, &line),
        None => lab.inventory.edit("\netcd:\n", &format!("\netcd:{line}")),
    }
}

const ALL_BALANCERS: &str = "\n  hosts: [node-1, node-2, node-3]\n";
const FIRST_BALANCERS: &str = "\n  hosts: [node-1, node-2]\n";

/// The inventory that the first build is made from.
pub fn first(text: &str) -> String {
    let (before, balancer) = text.split_once("\nload_balancer:\n").unwrap();
    let balancer = format!("{}\n", balancer.trim_end());
    format!("{before}\nload_balancer:\n{}", balancer.replace(ALL_BALANCERS, FIRST_BALANCERS))
}

/// The lab's inventory says in a comment which later version its mirror has.
fn version(lab: &Lab) {
    let text = lab.inventory.text();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("# for a rolling upgrade, ")).unwrap();
    let (version, digest) = line.split_once(": ").unwrap();
    let etcd = text.split_once("\netcd:\n").unwrap().1.split_once("\nquestdb:\n").unwrap().0;
    let field = |name: &str| etcd.lines().find(|line| line.trim().starts_with(name)).unwrap();
    let old = field("sha256: ").split(": ").last().unwrap().trim_end_matches([' ', '}']);
    lab.inventory.edit(field("version: "), &format!("  version: {version}"));
    lab.inventory.edit(&format!("{old} }}"), &format!("{digest} }}"));
}
