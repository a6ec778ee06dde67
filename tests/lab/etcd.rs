//! etcd as this machine sees it: through the JSON gateway of its members.

use std::time::Duration;

use serde_json::{Value, json};

use crate::net;

/// Longer than etcd blocks without a quorum at the manual's election timeout.
const PATIENCE: Duration = Duration::from_secs(20);

/// The members' client addresses.
#[derive(Clone)]
pub struct Etcd {
    /// As in `10.99.20.11`.
    pub addresses: Vec<String>,
}

impl Etcd {
    /// Writes a key through the first member that takes it, beginning with number `first`; each gets `limit`. Gives the
    /// number of that member.
    pub fn put(&self, key: &str, first: usize, limit: Duration) -> Result<usize, String> {
        let body = json!({ "key": base64(key), "value": base64("x") }).to_string();
        let mut failures = Vec::new();
        for number in (0..self.addresses.len()).map(|step| (first + step) % self.addresses.len()) {
            let address = &self.addresses[number];
            match net::post(address, 2379, "/v3/kv/put", &body, limit) {
                Ok(answer) if answer.status == 200 => return Ok(number),
                Ok(answer) => failures.push(format!("{address}: {} {}", answer.status, answer.body.trim())),
                Err(why) => failures.push(why),
            }
        }
        Err(failures.join("; "))
    }

    /// The keys of this list that a linearizable read does not find under `prefix`.
    pub fn missing(&self, prefix: &str, keys: &[String]) -> Vec<String> {
        // The range of all keys with a prefix ends where its last character is counted up by one.
        let mut end = prefix.as_bytes().to_vec();
        *end.last_mut().unwrap() += 1;
        let end = String::from_utf8(end).unwrap();
        let body = json!({ "key": base64(prefix), "range_end": base64(&end), "keys_only": true }).to_string();
        let answer = self.ask("/v3/kv/range", &body);
        let found: std::collections::BTreeSet<&str> = answer["kvs"]
            .as_array()
            .map(|kvs| kvs.iter().filter_map(|kv| kv["key"].as_str()).collect())
            .unwrap_or_default();
        keys.iter().filter(|key| !found.contains(base64(key).as_str())).cloned().collect()
    }

    /// How often a key was ever written; 0 where it is not.
    pub fn version(&self, key: &str) -> u64 {
        let answer = self.ask("/v3/kv/range", &json!({ "key": base64(key) }).to_string());
        answer["kvs"][0]["version"].as_str().map_or(0, |version| version.parse().unwrap())
    }

    /// `maintenance/status` of one member.
    pub fn status(address: &str) -> Result<Value, String> {
        let answer = net::post(address, 2379, "/v3/maintenance/status", "{}", PATIENCE)?;
        serde_json::from_str(&answer.body).map_err(|error| format!("{error}: {}", answer.body))
    }

    /// Whether a member says that it is healthy: a linearizable read, which takes a quorum.
    pub fn is_healthy(address: &str) -> Result<(), String> {
        let answer = net::get(address, 2379, "/health", PATIENCE)?;
        let healthy = answer.status == 200 && answer.body.contains("\"health\":\"true\"");
        if healthy { Ok(()) } else { Err(format!("{address}: {} {}", answer.status, answer.body)) }
    }

    /// Every member's cluster id; they are equal or the test fails.
    pub fn cluster_id(&self) -> String {
        let mut ids: Vec<String> = self
            .addresses
            .iter()
            .map(|address| {
                Self::status(address).unwrap()["header"]["cluster_id"].as_str().unwrap().to_owned()
            })
            .collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "members belong to different clusters: {ids:?}");
        ids.remove(0)
    }

    fn ask(&self, path: &str, body: &str) -> Value {
        let mut failures = Vec::new();
        for address in &self.addresses {
            match net::post(address, 2379, path, body, PATIENCE) {
                Ok(answer) if answer.status == 200 => return serde_json::from_str(&answer.body).unwrap(),
                Ok(answer) => failures.push(format!("{address}: {} {}", answer.status, answer.body.trim())),
                Err(why) => failures.push(why),
            }
        }
        panic!("no etcd member answers: {}", failures.join("; "))
    }
}

/// As the gateway wants bytes (RFC 4648, with padding).
pub fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            coded.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    coded
}

#[test]
fn base64_is_that_of_the_rfc() {
    for (text, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(text), coded);
    }
}
