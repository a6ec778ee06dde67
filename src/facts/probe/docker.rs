//! Docker, its containers and images.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::facts::model::{ContainerFact, Docker, Observed, PublishedPort};

/// Reads `look_docker`. Nothing printed means that the look did not end in time.
pub fn docker(lines: &[&str]) -> Observed<Option<Docker>> {
    match lines.first() {
        None => return Observed::Unknown("docker did not answer in time".to_owned()),
        Some(&"absent") => return Observed::Known(None),
        Some(_) => {}
    }
    let mut docker = Docker::default();
    for line in &lines[1..] {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["version", version] if !version.is_empty() => docker.version = Some((*version).to_owned()),
            ["image", name, id] => {
                docker.images.insert((*name).to_owned(), (*id).to_owned());
            }
            ["published", container, image, ports @ ..] => {
                for (ip, range) in ports.iter().filter_map(|port| socket(port)) {
                    docker.published.extend(range.map(|port| PublishedPort {
                        container: (*container).to_owned(),
                        image: (*image).to_owned(),
                        ip,
                        port,
                    }));
                }
            }
            ["container", name, running, exit, restarts, image, label @ ..] => {
                let running = *running == "true";
                let config = label.first().filter(|label| !label.is_empty() && **label != "<no");
                let fact = ContainerFact {
                    running,
                    image: (*image).to_owned(),
                    config: config.map(|label| (*label).to_owned()),
                    restarts: restarts.parse().unwrap_or(0),
                    exit_code: (!running).then(|| exit.parse().unwrap_or(-1)),
                };
                docker.containers.insert((*name).to_owned(), fact);
            }
            _ => {}
        }
    }
    Observed::Known(Some(docker))
}

/// `0.0.0.0:8080-8081->80-81/tcp,` and `:::80->80/tcp` as the host's side of it.
fn socket(text: &str) -> Option<(IpAddr, RangeInclusive<u16>)> {
    let (host, _) = text.split_once("->").filter(|(_, inside)| inside.contains("/tcp"))?;
    let (ip, ports) = host.rsplit_once(':')?;
    let ip = ip.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    Some((ip, first.parse().ok()?..=last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ours_and_somebody_elses_container() {
        let found = docker(&[
            "present",
            "version 20.10.24+dfsg1",
            "image a/b:1 sha256:12",
            "container kuboard true 0 1 a/b:1 cafe-f00d",
            "container other false 137 0 x:y ",
            "container third true 0 0 x:y <no value>",
        ]);
        let docker = found.known().unwrap().clone().unwrap();
        assert_eq!(docker.version.as_deref(), Some("20.10.24+dfsg1"));
        assert_eq!(docker.containers["kuboard"].config.as_deref(), Some("cafe-f00d"));
        assert_eq!(
            (docker.containers["other"].exit_code, &docker.containers["other"].config),
            (Some(137), &None)
        );
        assert_eq!(docker.containers["third"].config, None);
    }

    #[test]
    fn reads_who_has_which_port() {
        let found = docker(&[
            "present",
            "version 20.10.24",
            "published web nginx:1 0.0.0.0:80->80/tcp, :::80->80/tcp, 443/tcp, 0.0.0.0:53->53/udp",
            "published two x/y 10.0.0.1:8080-8081->8080-8081/tcp",
            "published none z ",
        ]);
        let docker = found.known().unwrap().clone().unwrap();
        let all: Vec<String> = docker
            .published
            .iter()
            .map(|port| format!("{} {} {} {}", port.container, port.image, port.ip, port.port))
            .collect();
        assert_eq!(
            all,
            ["web nginx:1 0.0.0.0 80", "web nginx:1 :: 80", "two x/y 10.0.0.1 8080", "two x/y 10.0.0.1 8081"]
        );
    }

    #[test]
    fn absent_stopped_and_hung_are_three_things() {
        assert_eq!(docker(&["absent"]), Observed::Known(None));
        assert_eq!(docker(&["present"]), Observed::Known(Some(Docker::default())));
        assert!(matches!(docker(&[]), Observed::Unknown(_)));
    }
}
