//! Evidence made of transcripts, for the tests of causes.

use super::evidence::{Evidence, ProgramSeen, UnitSeen};
use super::{ContainerSeen, Reach, Reached, Scene};
use crate::event::Cause;
use crate::facts::model::{Listener, Mount};
use crate::plan::lint::breakable;
use crate::resource::HostName;

/// The same cause; what its hint lets people paste, no terminal breaks.
#[track_caller]
pub fn whole(cause: Option<Cause>) -> Option<Cause> {
    let broken = cause.iter().flat_map(|cause| breakable(&cause.hint)).collect::<Vec<_>>();
    assert!(broken.is_empty(), "in prose: {broken:?}");
    cause
}

/// A unit that ended like this, with what it said.
pub fn ended(scene: Scene, result: &str, status: i32, log: &str) -> Evidence {
    let name = scene.units.first().cloned().unwrap_or_default();
    let unit = UnitSeen {
        name,
        load: "loaded".into(),
        active: "activating".into(),
        sub: "auto-restart".into(),
        result: result.into(),
        status,
        log: log.lines().map(str::to_owned).collect(),
        ..UnitSeen::default()
    };
    Evidence { scene, units: vec![unit], ..Evidence::default() }
}

/// A step that printed this.
pub fn printed(scene: Scene, output: &str) -> Evidence {
    Evidence { scene, output: output.lines().map(str::to_owned).collect(), ..Evidence::default() }
}

/// A container that ended, with what it said.
pub fn container(scene: Scene, status: i32, log: &str) -> Evidence {
    let log = log.lines().map(str::to_owned).collect();
    let seen = ContainerSeen { state: "exited".into(), status, log, ..ContainerSeen::default() };
    Evidence { scene, container: Some(seen), ..Evidence::default() }
}

/// Somebody who listens there.
pub fn listener(ip: &str, port: u16, process: &str) -> Listener {
    Listener { ip: ip.parse().unwrap(), port, process: Some(process.into()) }
}

/// A file system with so much room.
pub fn mount(point: &str, options: &str, free: u64, inodes: u64) -> Mount {
    Mount {
        point: point.into(),
        kind: "ext4".into(),
        options: options.split(',').map(str::to_owned).collect(),
        free,
        free_inodes: Some(inodes),
        ..Mount::default()
    }
}

/// A program that a unit executes.
pub fn program(state: &str, machine: &str, options: &str) -> ProgramSeen {
    ProgramSeen {
        path: "/opt/p/etcd".into(),
        state: state.into(),
        machine: machine.into(),
        loader: "/lib64/ld-linux-x86-64.so.2".into(),
        point: "/opt".into(),
        options: options.into(),
    }
}

/// A way to another host.
pub fn reached(host: &str, address: &str, port: u16, how: Reach) -> Reached {
    Reached { host: HostName::new(host), address: address.parse().unwrap(), port, how }
}
