//! What a host shows where a service does not come up.

use std::net::IpAddr;

use super::Scene;
use super::script::{CONTAINER, KERNEL, OWNERS, PROGRAMS, REACH, UNITS};
use crate::facts::look::Looks;
use crate::facts::model::HostFacts;
use crate::facts::probe::sections;
use crate::resource::HostName;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What was looked at.
    pub scene: Scene,
    /// What any look sees: the machine, listeners, mounts, Docker, the firewall.
    pub seen: HostFacts,
    /// What the step itself printed.
    pub output: Vec<String>,
    /// The units of the scene.
    pub units: Vec<UnitSeen>,
    /// The container of the scene.
    pub container: Option<ContainerSeen>,
    /// What the kernel, or SELinux's audit, complained of meanwhile.
    pub kernel: Vec<String>,
    /// Data directories, and what lies in them that is another's.
    pub owners: Vec<Owned>,
    /// What the units execute.
    pub programs: Vec<ProgramSeen>,
    /// What must be reached.
    pub reach: Vec<Reached>,
}

/// A unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSeen {
    /// `etcd.service`.
    pub name: String,
    /// `loaded`, `not-found`.
    pub load: String,
    /// `active`, `failed`, `activating`.
    pub active: String,
    /// `running`, `auto-restart`.
    pub sub: String,
    /// `success`, `exit-code`, `oom-kill`.
    pub result: String,
    /// Whether a signal ended its main process; else it exited.
    pub killed: bool,
    /// The signal, or the exit status.
    pub status: i32,
    /// How often systemd has started it again by itself.
    pub restarts: u32,
    /// What its last start said, systemd's words about it included.
    pub log: Vec<String>,
    /// The same of all starts since that began which failed.
    pub earlier: Vec<String>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSeen {
    /// `running`, `restarting`, `exited`, `created`.
    pub state: String,
    /// Its exit code.
    pub status: i32,
    /// How often the engine has started it again.
    pub restarts: u32,
    /// Whether the kernel killed it for its memory.
    pub out_of_memory: bool,
    /// What the engine said of its last start, where that failed.
    pub error: Option<String>,
    /// What it said itself, of its own network and its own files.
    pub log: Vec<String>,
}

/// A path and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Absolute.
    pub path: String,
    /// `user:group`.
    pub owner: String,
    /// Octal digits.
    pub mode: String,
}

/// A program that a unit executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSeen {
    /// Absolute.
    pub path: String,
    /// `there`, `missing`, `not-executable`, `no-loader`.
    pub state: String,
    /// The machine in its ELF header, as it lies in the file: `3e00`, `b700`.
    pub machine: String,
    /// Its loader; empty where it needs none.
    pub loader: String,
    /// Where the file system that it lies on is mounted.
    pub point: String,
    /// That one's options.
    pub options: String,
}

/// Something that must be reached, and whether it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// On which host.
    pub host: HostName,
    /// Where.
    pub address: IpAddr,
    /// TCP.
    pub port: u16,
    /// How it went.
    pub how: Reach,
}

/// How a connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It was accepted.
    Open,
    /// The host answered that nothing listens there.
    Refused,
    /// Nothing came back.
    Silent,
    /// There is no way there.
    NoRoute,
}

impl UnitSeen {
    /// What it says of now: of one that is up, what it said since the run began, for its last start may be long ago.
    pub fn said(&self) -> &[String] {
        if self.active == "active" { &self.earlier } else { &self.log }
    }
}

impl Evidence {
    /// The line that the step itself printed and that holds one of these texts, in whatever case.
    pub fn printed(&self, texts: &[&str]) -> Option<&str> {
        first(self.output.iter().map(String::as_str), texts)
    }

    /// The first line that holds one of these texts, in whatever case. The step's own output comes first.
    pub fn line(&self, texts: &[&str]) -> Option<&str> {
        let log = self.container.iter().flat_map(|container| &container.log);
        first(self.outside().chain(log.map(String::as_str)), texts)
    }

    /// The same of what was said outside the container: inside, addresses and ports are others than the host's.
    pub fn line_outside(&self, texts: &[&str]) -> Option<&str> {
        first(self.outside(), texts)
    }

    /// Whether a line holds one of these texts.
    pub fn says(&self, texts: &[&str]) -> bool {
        self.line(texts).is_some()
    }

    fn outside(&self) -> impl Iterator<Item = &str> {
        let logs = self.units.iter().flat_map(UnitSeen::said);
        let container = self.container.iter().filter_map(|container| container.error.as_ref());
        self.output.iter().chain(logs).chain(container).map(String::as_str)
    }

    /// The same where starts before the last one count too.
    #[must_use]
    pub fn widened(&self) -> Self {
        let mut wide = self.clone();
        for unit in &mut wide.units {
            unit.log.clone_from(&unit.earlier);
        }
        wide
    }

    /// How often anything of it was started by itself again.
    pub fn attempts(&self) -> u32 {
        let containers = self.container.iter().map(|container| container.restarts);
        self.units.iter().map(|unit| unit.restarts).chain(containers).sum()
    }

    /// Whether nothing of it is between two starts: what is seen now stays.
    pub fn is_at_rest(&self) -> bool {
        self.units.iter().all(|unit| unit.sub != "auto-restart")
            && self.container.as_ref().is_none_or(|container| container.state != "restarting")
    }
}

/// The first line that holds one of these texts, in whatever case.
fn first<'l>(mut lines: impl Iterator<Item = &'l str>, texts: &[&str]) -> Option<&'l str> {
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    lines.find(|line| {
        let line = line.to_lowercase();
        texts.iter().any(|text| line.contains(text.as_str()))
    })
}

/// Reads what the script printed, beside what the step itself had printed.
pub fn read(scene: &Scene, text: &str, output: &str) -> Evidence {
    let (seen, _) = facts_of(text);
    let mut evidence = Evidence {
        scene: scene.clone(),
        seen,
        output: output.lines().map(|line| line.trim_end().to_owned()).filter(|l| !l.is_empty()).collect(),
        ..Evidence::default()
    };
    for section in sections(text).into_iter().filter(|section| section.name == "probe") {
        let lines = section.lines;
        match section.argument {
            UNITS => evidence.units = units(&lines),
            CONTAINER => evidence.container = container(&lines),
            KERNEL => evidence.kernel = lines.iter().map(|line| (*line).to_owned()).collect(),
            OWNERS => evidence.owners = lines.iter().filter_map(|line| owned(line)).collect(),
            PROGRAMS => evidence.programs = programs(&lines),
            REACH => evidence.reach = lines.iter().filter_map(|line| reached(line)).collect(),
            _ => {}
        }
    }
    evidence
}

fn facts_of(text: &str) -> (HostFacts, bool) {
    crate::facts::read::read(&Looks::default(), text)
}

fn units(lines: &[&str]) -> Vec<UnitSeen> {
    let mut units: Vec<UnitSeen> = Vec::new();
    for line in lines {
        if let Some(name) = line.strip_prefix("unit ") {
            units.push(UnitSeen { name: name.to_owned(), ..UnitSeen::default() });
            continue;
        }
        let Some(unit) = units.last_mut() else { continue };
        if let Some(said) = line.strip_prefix('>') {
            unit.log.push(said.to_owned());
        } else if let Some(said) = line.strip_prefix('<') {
            unit.earlier.push(said.to_owned());
        } else if let Some((name, value)) = line.split_once('=') {
            match name {
                "LoadState" => value.clone_into(&mut unit.load),
                "ActiveState" => value.clone_into(&mut unit.active),
                "SubState" => value.clone_into(&mut unit.sub),
                "Result" => value.clone_into(&mut unit.result),
                // As of siginfo: 1 exited, 2 killed, 3 dumped core.
                "ExecMainCode" => unit.killed = matches!(value, "2" | "3"),
                "ExecMainStatus" => unit.status = value.parse().unwrap_or(0),
                "NRestarts" => unit.restarts = value.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    units
}

fn container(lines: &[&str]) -> Option<ContainerSeen> {
    let words: Vec<&str> = lines.iter().find_map(|line| line.strip_prefix("state "))?.split(' ').collect();
    let log = lines.iter().filter_map(|line| line.strip_prefix('>')).filter(|line| !line.is_empty());
    let error = lines.iter().find_map(|line| line.strip_prefix("error ")).filter(|error| !error.is_empty());
    Some(ContainerSeen {
        state: (*words.first()?).to_owned(),
        status: words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0),
        restarts: words.get(2).and_then(|word| word.parse().ok()).unwrap_or(0),
        out_of_memory: words.get(3) == Some(&"true"),
        error: error.map(str::to_owned),
        log: log.map(str::to_owned).collect(),
    })
}

fn owned(line: &str) -> Option<Owned> {
    let (owner, rest) = line.split_once(' ')?;
    let (mode, path) = rest.split_once(' ')?;
    Some(Owned { path: path.to_owned(), owner: owner.to_owned(), mode: mode.to_owned() })
}

fn programs(lines: &[&str]) -> Vec<ProgramSeen> {
    let mut programs: Vec<ProgramSeen> = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["mount", path, point, options] => {
                if let Some(program) = programs.iter_mut().find(|program| program.path == *path) {
                    (*point).clone_into(&mut program.point);
                    (*options).clone_into(&mut program.options);
                }
            }
            [state, machine, loader, path] => programs.push(ProgramSeen {
                path: (*path).to_owned(),
                state: (*state).to_owned(),
                machine: machine.trim_matches('-').to_owned(),
                loader: loader.trim_matches('-').to_owned(),
                point: String::new(),
                options: String::new(),
            }),
            _ => {}
        }
    }
    programs
}

fn reached(line: &str) -> Option<Reached> {
    let words: Vec<&str> = line.split(' ').collect();
    let [how, host, address, port] = words.as_slice() else { return None };
    let how = match *how {
        "open" => Reach::Open,
        "refused" => Reach::Refused,
        "no-route" => Reach::NoRoute,
        _ => Reach::Silent,
    };
    Some(Reached {
        host: HostName::new(*host),
        address: address.parse().ok()?,
        port: port.parse().ok()?,
        how,
    })
}
