//! What the probes printed, as facts. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::look::HEALTH_LIMIT;
use super::wal;
use crate::facts::model::{HostFacts, Observed};
use crate::facts::service::{EtcdStatus, Member, PeerView, RunningEtcd};

/// Reads the output of the probe `name`; others are left alone.
pub fn read(name: &str, output: &str, facts: &mut HostFacts) {
    match name {
        "etcd.local" => local(output, facts),
        "etcd.data" => facts.etcd.get_or_insert_default().data = wal::ids(output),
        "etcd.peers" => facts.etcd.get_or_insert_default().peers = peers(&answer(output)),
        "etcd.status" => {
            let etcd = facts.etcd.get_or_insert_default();
            etcd.status = status(&answer(output));
            // Asking for alarms goes through raft; the status repeats them from memory.
            etcd.alarms = etcd.status.known().and_then(Option::as_ref).map(alarms).unwrap_or_default();
        }
        "etcd.members" => facts.etcd.get_or_insert_default().members = members(&answer(output)),
        "etcd.stored" => facts.etcd.get_or_insert_default().stored = stored(&answer(output)),
        "etcd.others" => facts.etcd.get_or_insert_default().answering = answering(output),
        "etcd.health" => facts.etcd.get_or_insert_default().health = health(&answer(output)),
        _ => {}
    }
}

/// What became of a request.
enum Answer<'a> {
    /// Nothing listens.
    Refused,
    /// No whole answer in time.
    Silent,
    /// An answer.
    Given { code: u16, head: &'a str, body: &'a str },
}

/// Reads a raw HTTP/1.0 answer, or `exit CODE` of the request that failed.
fn answer(output: &str) -> Answer<'_> {
    let text = output.trim_start();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .or_else(|| text.split_once("\r\n\n"))
        .or_else(|| text.split_once("\n\n"))
        .unwrap_or((text, ""));
    let code = head
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split_whitespace().nth(1))
        .and_then(|code| code.parse().ok());
    match code {
        Some(code) => Answer::Given { code, head, body: body.split("\nexit ").next().unwrap_or(body).trim() },
        None if text.lines().any(|line| line.trim() == "exit 7") => Answer::Refused,
        None => Answer::Silent,
    }
}

fn local(output: &str, facts: &mut HostFacts) {
    let etcd = facts.etcd.get_or_insert_default();
    let mut running: Option<RunningEtcd> = None;
    let mut whole = false;
    etcd.wal = false;
    etcd.entries.clear();
    etcd.complaints.clear();
    etcd.aside.clear();
    etcd.manual_token = false;
    for line in output.lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("wal", seen) => etcd.wal = seen == "yes",
            ("entry", name) => etcd.entries.push(name.to_owned()),
            ("token", "manual") => etcd.manual_token = true,
            ("aside", name) => etcd.aside.push(name.to_owned()),
            ("complaint", what) => etcd.complaints.push(what.to_owned()),
            ("exe", path) => path.clone_into(&mut running.get_or_insert_default().executable),
            ("env", setting) => {
                if let Some((name, value)) = setting.split_once('=') {
                    let environment = &mut running.get_or_insert_default().environment;
                    environment.insert(name.to_owned(), value.to_owned());
                }
            }
            ("end", _) => whole = true,
            _ => {}
        }
    }
    etcd.running = if whole {
        Observed::Known(running)
    } else {
        Observed::Unknown("the data directory could not be looked at".to_owned())
    };
}

fn peers(answer: &Answer<'_>) -> Observed<Option<PeerView>> {
    let (head, list) = match answer {
        Answer::Refused => return Observed::Known(None),
        Answer::Given { code: 200, head, body } => match serde_json::from_str(body) {
            Ok(Value::Array(list)) => (head, list),
            _ => return Observed::Unknown("the peer port gave no list of members".to_owned()),
        },
        Answer::Given { code, .. } => {
            return Observed::Unknown(format!("the peer port answered with status {code}"));
        }
        Answer::Silent => return Observed::Unknown("the peer port did not answer in time".to_owned()),
    };
    let cluster_id = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("x-etcd-cluster-id"))
        .map(|(_, id)| id.trim().to_owned())
        .unwrap_or_default();
    let published = list
        .iter()
        .filter(|member| !texts(&member["clientURLs"]).is_empty())
        .map(|member| text(&member["name"]))
        .collect();
    Observed::Known(Some(PeerView { cluster_id, published, members: list.len() }))
}

fn status(answer: &Answer<'_>) -> Observed<Option<EtcdStatus>> {
    let value = match json(answer, "the client port") {
        Ok(Some(value)) => value,
        Ok(None) => return Observed::Known(None),
        Err(why) => return Observed::Unknown(why),
    };
    let header = &value["header"];
    Observed::Known(Some(EtcdStatus {
        cluster_id: hex(&header["cluster_id"]).unwrap_or_default(),
        member_id: hex(&header["member_id"]).unwrap_or_default(),
        leader: hex(&value["leader"]),
        version: text(&value["version"]),
        db_bytes: number(&value["dbSize"]),
        raft_index: number(&value["raftIndex"]),
        raft_term: number(&value["raftTerm"]),
        learner: value["isLearner"].as_bool().unwrap_or_default(),
        errors: texts(&value["errors"]),
    }))
}

fn members(answer: &Answer<'_>) -> Observed<Vec<Member>> {
    match json(answer, "the client port") {
        Ok(Some(value)) => {
            let list = value["members"].as_array().map(Vec::as_slice).unwrap_or_default();
            Observed::Known(list.iter().map(member).collect())
        }
        Ok(None) => Observed::Unknown("nothing listens on the client port".to_owned()),
        Err(why) => Observed::Unknown(why),
    }
}

fn stored(answer: &Answer<'_>) -> Observed<bool> {
    match json(answer, "the client port") {
        Ok(Some(value)) => Observed::Known(number(&value["count"]) > 0),
        Ok(None) => Observed::Unknown("nothing listens on the client port".to_owned()),
        Err(why) => Observed::Unknown(why),
    }
}

fn member(value: &Value) -> Member {
    Member {
        id: hex(&value["ID"]).unwrap_or_default(),
        name: text(&value["name"]),
        peer_urls: texts(&value["peerURLs"]),
        learner: value["isLearner"].as_bool().unwrap_or_default(),
    }
}

fn health(answer: &Answer<'_>) -> Observed<Result<(), String>> {
    Observed::Known(match answer {
        Answer::Refused => Err("nothing listens on the client port".to_owned()),
        Answer::Silent => Err(format!("no answer within {} s", HEALTH_LIMIT.as_secs())),
        Answer::Given { code, body, .. } => {
            let value: Value = serde_json::from_str(body).unwrap_or_default();
            match (text(&value["health"]).as_str(), text(&value["reason"])) {
                ("true", _) => Ok(()),
                (_, reason) if reason.is_empty() => Err(format!("/health answered with status {code}")),
                (_, reason) => Err(reason),
            }
        }
    })
}

/// Lines of `answers URL` and `silent URL`.
fn answering(output: &str) -> BTreeMap<String, bool> {
    let line = |line: &str| {
        let (what, url) = line.split_once(' ')?;
        matches!(what, "answers" | "silent").then(|| (url.to_owned(), what == "answers"))
    };
    output.lines().filter_map(line).collect()
}

/// The kinds of alarm in a status: `memberID:123 alarm:NOSPACE`.
fn alarms(status: &EtcdStatus) -> Vec<String> {
    let mut all: Vec<String> = status
        .errors
        .iter()
        .flat_map(|error| error.split_whitespace())
        .filter_map(|word| word.strip_prefix("alarm:"))
        .map(str::to_owned)
        .collect();
    all.sort();
    all.dedup();
    all
}

fn json(answer: &Answer<'_>, port: &str) -> Result<Option<Value>, String> {
    match answer {
        Answer::Refused => Ok(None),
        Answer::Silent => Err(format!("{port} did not answer in time")),
        Answer::Given { code: 200, body, .. } => {
            serde_json::from_str(body).map(Some).map_err(|_| format!("{port} gave no JSON"))
        }
        Answer::Given { code, body, .. } => {
            let value: Value = serde_json::from_str(body).unwrap_or_default();
            let message = text(&value["message"]);
            Err(if message.is_empty() { format!("{port} answered with status {code}") } else { message })
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A 64-bit number, which the gateway writes as text and may leave out when it is 0.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

/// An id as etcdctl shows it; 0 is none.
fn hex(value: &Value) -> Option<String> {
    match number(value) {
        0 => None,
        id => Some(format!("{id:x}")),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
