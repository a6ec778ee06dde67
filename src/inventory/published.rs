//! Secrets that everybody knows, because a manual prints them.

use super::problem::Report;
use super::tree::{Node, Shape};
use crate::secret::{Secret, SecretId};

/// Values from Kuboard's public manual and images, with what each is. Whoever holds one can forge logins,
/// agents or audit records of every installation that copied it.
const PUBLISHED: [(&str, &str); 5] = [
    ("7e5514b1a1c70c779c7a32b9", "the manual's SSO secret"),
    ("32b7d6572c6255211b4eec9009e4a816", "the agent key of every Kuboard image"),
    ("kuboard_etcd_cluster_token", "the manual's etcd token"),
    ("Kuboard123", "Kuboard's default password"),
    ("quest", "QuestDB's default password"),
];

/// Shorter ones are also words of their own (`quest` may name a host): in plain text they count only as the
/// password of a URL.
const TELLING: usize = 10;

/// Refuses a secret's value that is published, empty or of several lines (a private key may have lines).
/// The error never holds the value.
pub fn refuse_published(id: &SecretId, value: &Secret<String>) -> Result<(), String> {
    let value = value.reveal();
    if let Some((_, what)) = PUBLISHED.iter().find(|(known, _)| known == value) {
        return Err(format!("the value of {id} is {what}, which is public: choose another"));
    }
    if value.is_empty() {
        return Err(format!("the value of {id} is empty"));
    }
    if id.as_str() != SecretId::TLS_KEY && value.chars().any(char::is_control) {
        return Err(format!("the value of {id} holds a line break or a control character"));
    }
    Ok(())
}

/// Refuses published secrets wherever they stand in the file, but for values that are wrong anyway.
pub(super) fn refuse_in(node: &Node, report: &Report) {
    match &node.shape {
        Shape::Null => {}
        Shape::Scalar(text) => {
            if let Some(what) = published(text)
                && !report.tells(node.place)
            {
                let path = format!("published#{}", node.place.start);
                report.mark(&path, node.place);
                let hint = "leave it out: kuboard-ha generates secrets and keeps them on the hosts";
                report.problem(path, format!("this value holds {what}, which is public"), hint);
            }
        }
        Shape::List(items) => items.iter().for_each(|item| refuse_in(item, report)),
        Shape::Map(entries) => entries.iter().for_each(|entry| refuse_in(&entry.value, report)),
    }
}

fn published(text: &str) -> Option<&'static str> {
    let holds = |known: &str| {
        if known.len() < TELLING { text.contains(&format!(":{known}@")) } else { text.contains(known) }
    };
    PUBLISHED.iter().find(|(known, _)| holds(known)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(id: &str, value: &str) -> Option<String> {
        refuse_published(&SecretId::new(id), &Secret::new(value.to_owned())).err()
    }

    #[test]
    fn published_values_are_refused_for_every_secret() {
        for (value, _) in PUBLISHED {
            let why = refused(SecretId::ADMIN_PASSWORD, value).unwrap();
            assert!(!why.contains(value) || value == "quest", "{why}");
        }
        assert_eq!(refused(SecretId::ADMIN_PASSWORD, "Kuboard1234"), None);
    }

    #[test]
    fn only_a_key_may_have_lines() {
        assert!(refused(SecretId::QUESTDB_PASSWORD, "a\nb").is_some());
        assert!(refused(SecretId::QUESTDB_PASSWORD, "").is_some());
        assert!(refused(SecretId::TLS_KEY, "-----BEGIN\nx\n").is_none());
    }

    #[test]
    fn a_published_secret_is_found_inside_a_longer_value() {
        assert_eq!(published("x=7e5514b1a1c70c779c7a32b9;"), Some("the manual's SSO secret"));
        assert_eq!(
            published("postgresql://admin:quest@10.0.0.1:8812/qdb"),
            Some("QuestDB's default password")
        );
        assert_eq!(published("quest"), None);
    }
}
