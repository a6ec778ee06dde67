//! What a look tells of a host.

use std::fs;

use kuboard_ha::facts::look::{DockerLook, FileLook, Looks};
use kuboard_ha::facts::model::Observed;
use kuboard_ha::facts::probe::sections;
use kuboard_ha::facts::read::read;
use kuboard_ha::facts::script::script as facts_script;
use kuboard_ha::resource::Content;
use kuboard_ha::secret::SecretId;

use super::{Scratch, everywhere};

#[test]
fn a_host_without_a_role_tells_which_secrets_it_keeps_from_before() {
    everywhere(|scratch| {
        assert!(scratch.look(&Looks::default()).secrets.is_empty());
        scratch.secret("agent-key", "x");
        let seen = scratch.look(&Looks::default()).secrets;
        assert_eq!(seen.keys().map(SecretId::as_str).collect::<Vec<_>>(), ["agent-key"]);
    });
}

#[test]
fn of_a_file_with_secrets_only_what_is_none_leaves_the_host() {
    everywhere(|scratch| {
        let path = scratch.path("app.env");
        let shown = |scratch: &Scratch| {
            let clear = FileLook::Only(vec!["A".into(), "ONCE".into()]);
            let looks =
                Looks { files: [(path.to_str().unwrap().to_owned(), clear)].into(), ..Looks::default() };
            let said = scratch.run(&facts_script(&looks)).unwrap();
            assert!(!said.contains("poison"), "{said}");
            let texts = sections(&said).into_iter().find(|section| section.name == "text");
            texts.map(|section| section.lines.join("\n"))
        };
        // Somebody else's: nothing of it.
        fs::write(&path, "A=poison\n").unwrap();
        assert_eq!(shown(scratch), None);
        // Ours, with a secret that the inventory no longer names, and one that it now has in the clear.
        scratch.secret("env.ONCE", "poison");
        let text = "# ours\nA=a b=c\nGONE=poison\nAB=poison\nONCE=poison\n\nnot a line of ours: poison\n";
        fs::remove_file(&path).unwrap();
        scratch.write(&path, &Content::text(text)).unwrap();
        let expected = "# ours\nA=a b=c\nGONE=***\nAB=***\nONCE=***\n\n***";
        assert_eq!(shown(scratch).as_deref(), Some(expected));
    });
}

#[test]
fn who_listens_and_who_is_connected_is_told() {
    let here = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let there = std::net::TcpListener::bind(("::1", 0)).unwrap();
    let place = here.local_addr().unwrap();
    let caller = std::net::TcpStream::connect(place).unwrap();
    let (_held, _) = here.accept().unwrap();
    everywhere(|scratch| {
        let looks = Looks { ports: [place.port()].into(), ..Looks::default() };
        let said = scratch.run(&facts_script(&looks)).unwrap();
        let facts = scratch.look(&looks);
        for place in [place, there.local_addr().unwrap()] {
            let found = facts.listeners.iter().find(|found| found.port == place.port()).unwrap();
            assert_eq!(found.ip, place.ip());
            let process = found.process.as_deref().unwrap();
            assert!(process.ends_with(&format!("({})", std::process::id())), "{process}");
        }
        // Loopback is nobody else; the look itself told of it.
        assert!(facts.callers.is_empty() && said.contains(&format!("caller {:04X} 0100007F", place.port())));
    });
    drop(caller);
}

#[test]
fn a_connection_that_breaks_off_is_no_answer_and_says_nothing_of_the_shell() {
    let breaking = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = breaking.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for caller in breaking.incoming().flatten() {
            // Ended with something unread, it is reset.
            let _ = caller.peek(&mut [0]);
        }
    });
    everywhere(|scratch| {
        assert_eq!(scratch.run(&format!("http_get 127.0.0.1 {port} / 2>&1 || true")).unwrap(), "");
    });
}

#[test]
fn a_find_that_cannot_tell_is_no_find_that_found_nothing() {
    everywhere(|scratch| {
        let files = [(scratch.path("app.env").to_str().unwrap().to_owned(), FileLook::default())].into();
        let look = facts_script(&Looks { files, ..Looks::default() });
        assert!(sections(&scratch.run(&look).unwrap()).iter().any(|section| section.name == "end"));
        let stub = "mkdir bin; printf '%s\\n' '#!/bin/sh' 'exit 1' >bin/find; chmod +x bin/find; PATH=$PWD/bin:$PATH";
        assert!(scratch.run(&format!("{stub}\n{look}")).is_err());
    });
}

/// A client of an engine that has no time for one of its calls. Nobody waits for seconds here.
const SLOW_DOCKER: &str = r#"mkdir bin
printf '%s\n' '#!/bin/sh' 'case "$*" in "$(cat hangs)"*) sleep 20 ;; version*) echo version 20.10.24 ;; esac' >bin/docker
printf '%s\n' '#!/bin/sh' "case \$2 in docker) shift; exec $(command -v timeout) 0.3 \"\$@\" ;; esac" "exec $(command -v timeout) \"\$@\"" >bin/timeout
chmod +x bin/*
PATH=$PWD/bin:$PATH
"#;

#[test]
fn a_docker_that_does_not_answer_in_time_is_no_docker_without_containers() {
    let docker = DockerLook { containers: ["kuboard".into()].into(), images: ["a/b:1".into()].into() };
    let looks = Looks { docker: Some(docker), ..Looks::default() };
    // The engine is up here, and no curl can ask it.
    let asks = "is_active() { true; }\nask_docker() { :; }\nbeside docker";
    let look = format!("{SLOW_DOCKER}{}", facts_script(&looks).replacen("beside docker", asks, 1));
    everywhere(|scratch| {
        for (call, answers) in
            [("inspect", false), ("image inspect", false), ("ps", false), ("version", false), ("none", true)]
        {
            fs::write(scratch.path("hangs"), call).unwrap();
            let (facts, _) = read(&looks, &scratch.run(&look).unwrap());
            fs::remove_dir_all(scratch.path("bin")).unwrap();
            assert_eq!(
                matches!(facts.docker, Observed::Known(Some(_))),
                answers,
                "{call}: {:?}",
                facts.docker
            );
        }
    });
}

/// Says what firewalld 1.3 does where nothing binds an interface to a zone.
const UNBOUND_FIREWALLD: &str = r"mkdir -p bin
printf '%s\n' '#!/bin/sh' 'case $1 in' --get-default-zone')' 'echo public ;;' --list-all-zones')' 'cat zones ;;' esac >bin/firewall-cmd
printf '%s\n' public '  target: default' '  interfaces: ' '  services: ssh' >zones
chmod +x bin/firewall-cmd
PATH=$PWD/bin:$PATH
";

#[test]
fn a_firewalld_without_a_bound_interface_is_a_firewall() {
    everywhere(|scratch| {
        let looks = Looks::default();
        let said = scratch.run(&format!("{UNBOUND_FIREWALLD}{}", facts_script(&looks))).unwrap();
        let firewall = read(&looks, &said).0.firewall.known().unwrap().clone().unwrap();
        assert!(firewall.drops && firewall.allowed == [22].into(), "{firewall:?}");
    });
}
