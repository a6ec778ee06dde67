//! What the hosts hold, read by `look.sh`.

use std::collections::BTreeMap;

use crate::lab::Lab;
use crate::poll::until;
use crate::stands::BOOT;

/// What one host said.
#[derive(Clone, Debug, Default)]
pub struct Look(Vec<(String, String)>);

impl Look {
    /// The facts of one kind: what stands after the word.
    pub fn all<'l>(&'l self, kind: &'l str) -> impl Iterator<Item = &'l str> {
        self.0.iter().filter(move |(word, _)| word == kind).map(|(_, rest)| rest.as_str())
    }

    /// The facts `KIND NAME REST`, by name.
    pub fn named<'l>(&'l self, kind: &'l str) -> BTreeMap<&'l str, &'l str> {
        self.all(kind).map(|rest| rest.split_once(' ').unwrap_or((rest, ""))).collect()
    }

    /// The facts `KIND NAME REST` of one name.
    pub fn of<'l>(&'l self, kind: &'l str, name: &'l str) -> impl Iterator<Item = &'l str> {
        self.all(kind).filter_map(move |rest| rest.strip_prefix(name)?.strip_prefix(' '))
    }
}

/// Looks at every host at once. `paths` are further files to look at; `full` asks for what runs, too.
pub fn look(lab: &Lab, paths: &str, full: bool) -> BTreeMap<String, Look> {
    let script = format!(
        "FULL={}\nset -- {paths}\n# torture-look\n{}",
        if full { "yes" } else { "" },
        include_str!("look.sh")
    );
    std::thread::scope(|scope| {
        let asked: Vec<_> = lab
            .hosts
            .keys()
            .map(|host| {
                let script = &script;
                let ask =
                    move || until(BOOT, &format!("{host} can be looked at"), || lab.try_exec(host, script));
                (host.clone(), scope.spawn(ask))
            })
            .collect();
        asked.into_iter().map(|(host, text)| (host, parse(&text.join().unwrap()))).collect()
    })
}

fn parse(text: &str) -> Look {
    let split = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        (word.to_owned(), rest.to_owned())
    };
    Look(text.lines().map(split).collect())
}
