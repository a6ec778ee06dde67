//! Docker, its containers and images.

use crate::facts::model::{ContainerFact, Docker, Observed};

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
    fn absent_stopped_and_hung_are_three_things() {
        assert_eq!(docker(&["absent"]), Observed::Known(None));
        assert_eq!(docker(&["present"]), Observed::Known(Some(Docker::default())));
        assert!(matches!(docker(&[]), Observed::Unknown(_)));
    }
}
