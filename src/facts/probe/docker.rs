//! Docker, its containers and images.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::facts::model::{ContainerFact, Docker, Observed, PublishedPort};

/// Reads `look_docker`. Nothing printed means that the look did not end in time, and `silent` that a part of it did not:
/// what it would have told of is not gone.
pub fn docker(lines: &[&str]) -> Observed<Option<Docker>> {
    let is_silent = |line: &&str| *line == "silent" || (line.starts_with("url ") && line.ends_with(" 000"));
    if lines.is_empty() || lines.iter().any(is_silent) {
        return Observed::Unknown("docker did not answer in time".to_owned());
    }
    if lines[0] == "absent" {
        return Observed::Known(None);
    }
    let mut docker = Docker::default();
    let mut answer = "";
    for line in &lines[1..] {
        if let Some(url) = line.strip_prefix("url ") {
            engine(url, answer, &mut docker);
        } else if let Some(version) = line.strip_prefix("Server: Docker/") {
            docker.version = version.split_whitespace().next().map(str::to_owned);
        }
        answer = if line.is_empty() { answer } else { line };
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
            ["container", name, running, exit, image, label @ ..] => {
                let running = *running == "true";
                let config = label.first().filter(|label| !label.is_empty() && **label != "<no");
                let fact = ContainerFact {
                    running,
                    image: (*image).to_owned(),
                    config: config.map(|label| (*label).to_owned()),
                    exit_code: (!running).then(|| exit.parse().unwrap_or(-1)),
                };
                docker.containers.insert((*name).to_owned(), fact);
            }
            _ => {}
        }
    }
    Observed::Known(Some(docker))
}

/// Reads what the engine itself answered to a request: its containers, an image.
fn engine(url: &str, answer: &str, docker: &mut Docker) {
    let Ok(value) = serde_json::from_str::<Value>(answer) else { return };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let address = url.split(' ').next().unwrap_or_default();
    let path = address.trim_start_matches("http://docker/");
    if let Some(name) = path.strip_prefix("images/").and_then(|rest| rest.strip_suffix("/json")) {
        docker.images.extend(text(&value["Id"]).map(|id| (name.to_owned(), id)));
    }
    for container in value.as_array().into_iter().flatten() {
        let Some(name) = container["Names"][0].as_str().map(|name| name.trim_start_matches('/')) else {
            continue;
        };
        let image = text(&container["Image"]).unwrap_or_default();
        let running = container["State"] == "running";
        for port in container["Ports"].as_array().into_iter().flatten() {
            let ip = port["IP"].as_str().and_then(|ip| ip.parse().ok());
            let number = port["PublicPort"].as_u64().and_then(|port| port.try_into().ok());
            if let (Some(ip), Some(port), true) = (ip, number, port["Type"] == "tcp") {
                let (container, image) = (name.to_owned(), image.clone());
                docker.published.push(PublishedPort { container, image, ip, port });
            }
        }
        // `Exited (137) 5 minutes ago`
        let status = container["Status"].as_str().unwrap_or_default();
        let exit = status.split(['(', ')']).nth(1).and_then(|code| code.parse().ok());
        let fact = ContainerFact {
            running,
            image,
            config: text(&container["Labels"]["kuboard-ha.config"]).filter(|label| !label.is_empty()),
            exit_code: if running { None } else { Some(exit.unwrap_or(0)) },
        };
        docker.containers.insert(name.to_owned(), fact);
    }
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
            "container kuboard true 0 a/b:1 cafe-f00d",
            "container other false 137 x:y ",
            "container third true 0 x:y <no value>",
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
    fn the_engine_and_its_client_say_the_same() {
        let list = r#"[{"Names":["/kuboard"],"Image":"a/b:1","State":"running","Status":"Up 5 minutes","Labels":{"kuboard-ha.config":"cafe-f00d"},
            "Ports":[{"IP":"10.0.0.1","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":443,"Type":"tcp"}]},
            {"Names":["/other"],"Image":"x:y","State":"exited","Status":"Exited (137) 5 minutes ago","Labels":{},"Ports":[]}]"#;
        let list = list.replace('\n', "");
        let by_engine = docker(&[
            "present",
            "HTTP/1.1 200 OK",
            "Server: Docker/20.10.24 (linux)",
            "",
            &list,
            "url http://docker/containers/json?all=1 200",
            r#"{"Id":"sha256:12","RepoTags":["a/b:1"]}"#,
            "url http://docker/images/a/b:1/json 200",
            r#"{"message":"No such image: c:2"}"#,
            "url http://docker/images/c:2/json 404",
        ]);
        let by_client = docker(&[
            "present",
            "version 20.10.24",
            "published kuboard a/b:1 10.0.0.1:8080->80/tcp, 443/tcp",
            "image a/b:1 sha256:12",
            "container kuboard true 0 a/b:1 cafe-f00d",
            "container other false 137 x:y ",
        ]);
        assert_eq!(by_engine, by_client);
        assert_eq!(docker(&["present", "{", "url http://docker/version", "url x"]), docker(&["present"]));
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
        // One of its answers is missing: that is not an answer that there is no such thing.
        for late in ["silent", "url http://docker/images/a/b:1/json 000"] {
            let found = docker(&["present", "version 20.10.24", late]);
            assert_eq!(found, Observed::Unknown("docker did not answer in time".to_owned()));
        }
    }
}
