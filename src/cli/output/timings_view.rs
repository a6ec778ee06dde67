//! A run's account of its time: as a table by host, and as a trace for Chrome, Perfetto and their like.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::output::text::{Canvas, Tone, clean_line, columns, elapsed};
use crate::cli::output::timings::{Account, Span};
use crate::resource::HostName;

/// What is shorter is counted, not listed.
const SHORT: Duration = Duration::from_millis(10);
/// How many parts of a look are named.
const PARTS: usize = 4;

/// The table: by host, in the order in which things began, with the seconds since the start and those taken.
pub fn timings_view(account: &Account, canvas: &Canvas) -> String {
    let mut text = String::from("where the time went: seconds since the start, seconds taken\n");
    for (host, spans) in by_host(account) {
        let name = host.map_or("this machine", HostName::as_str);
        let _ = writeln!(text, "{}", canvas.paint(Tone::Strong, name));
        let (short, long): (Vec<&Span>, Vec<&Span>) = spans.into_iter().partition(|span| span.took < SHORT);
        for span in long {
            let what = clean_line(&span.what);
            let line =
                format!("  {:>7.2} {:>7.2}  {what}", span.start.as_secs_f64(), span.took.as_secs_f64());
            let parts = parts(span, canvas.width.saturating_sub(columns(&line)));
            let _ = writeln!(text, "{line}{}", canvas.paint(Tone::Dim, parts));
        }
        if !short.is_empty() {
            let took: Duration = short.iter().map(|span| span.took).sum();
            let _ = writeln!(
                text,
                "          {:>7.2}  {} shorter than {:.2} s",
                took.as_secs_f64(),
                short.len(),
                SHORT.as_secs_f64()
            );
        }
    }
    if !account.by_stage.is_empty() {
        let stages = account.by_stage.iter().map(|(stage, took)| format!("{stage} {}", elapsed(*took)));
        let _ = writeln!(text, "steps by stage, over all hosts: {}", stages.collect::<Vec<_>>().join(", "));
    }
    text
}

/// The trace: a process for each host, a row for each job. The form is Chrome's trace event format.
pub fn trace(account: &Account) -> Value {
    let mut events = Vec::new();
    for (process, (host, spans)) in by_host(account).into_iter().enumerate() {
        let name = host.map_or("this machine", HostName::as_str);
        events.push(json!({ "ph": "M", "name": "process_name", "pid": process, "args": { "name": name } }));
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for span in spans {
            let next = rows.len();
            let row = *rows.entry(&span.lane).or_insert(next);
            if row == next {
                let args = json!({ "name": span.lane });
                events.push(
                    json!({ "ph": "M", "name": "thread_name", "pid": process, "tid": row, "args": args }),
                );
            }
            let parts: serde_json::Map<String, Value> =
                span.parts.iter().map(|(name, took)| (name.clone(), json!(took.as_secs_f64()))).collect();
            events.push(json!({
                "ph": "X", "name": span.what, "pid": process, "tid": row,
                "ts": micros(span.start), "dur": micros(span.took), "args": parts,
            }));
        }
    }
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}

/// This machine's first, then by name; each in the order in which things began.
fn by_host(account: &Account) -> BTreeMap<Option<&HostName>, Vec<&Span>> {
    let mut hosts: BTreeMap<Option<&HostName>, Vec<&Span>> = BTreeMap::new();
    for span in &account.spans {
        hosts.entry(span.host.as_ref()).or_default().push(span);
    }
    for spans in hosts.values_mut() {
        spans.sort_by_key(|span| span.start);
    }
    hosts
}

/// `: docker 0.11, units 0.02`, as many as there is room for.
fn parts(span: &Span, room: usize) -> String {
    let mut named = String::new();
    for (name, took) in span.parts.iter().filter(|(_, took)| *took >= SHORT).take(PARTS) {
        let before = if named.is_empty() { ": " } else { ", " };
        let part = format!("{before}{name} {:.2}", took.as_secs_f64());
        if named.len() + part.len() > room {
            break;
        }
        named.push_str(&part);
    }
    named
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let span = |host: Option<&str>, lane: &str, what: &str, start, took| Span {
            host: host.map(HostName::new),
            lane: lane.to_owned(),
            what: what.to_owned(),
            start: Duration::from_millis(start),
            took: Duration::from_millis(took),
            parts: Vec::new(),
        };
        let mut look = span(Some("etcd1"), "look", "look", 310, 420);
        look.parts = vec![("docker".into(), Duration::from_millis(110)), ("units".into(), Duration::ZERO)];
        Account {
            spans: vec![
                look,
                span(Some("etcd1"), "connect", "connect", 0, 310),
                span(None, "etcd", "download etcd", 800, 1200),
                span(Some("etcd1"), "etcd.install@etcd1", "write\n/etc/etcd.env", 2000, 4),
            ],
            by_stage: BTreeMap::from([("etcd".to_owned(), Duration::from_millis(4))]),
        }
    }

    #[test]
    fn the_table_goes_by_host_and_time() {
        assert_eq!(
            timings_view(&account(), &Canvas::PLAIN),
            "where the time went: seconds since the start, seconds taken\n\
             this machine\n     0.80    1.20  download etcd\n\
             etcd1\n     0.00    0.31  connect\n     0.31    0.42  look: docker 0.11\n             0.00  1 shorter than 0.01 s\n\
             steps by stage, over all hosts: etcd 0.0 s\n"
        );
    }

    #[test]
    fn a_line_names_as_many_parts_as_there_is_room_for() {
        let mut account = account();
        account.spans.truncate(1);
        let parts = ["docker", "questdb.look", "units"].map(|name| (name.to_owned(), SHORT));
        account.spans[0].parts = parts.into();
        let look = |width| {
            let view = timings_view(&account, &Canvas { width, ..Canvas::PLAIN });
            view.lines().find(|line| line.contains("look")).unwrap().to_owned()
        };
        assert_eq!(
            look(80).len(),
            "     0.31    0.42  look: docker 0.01, questdb.look 0.01, units 0.01".len()
        );
        assert_eq!(look(55), "     0.31    0.42  look: docker 0.01, questdb.look 0.01");
        assert_eq!(look(54), "     0.31    0.42  look: docker 0.01");
    }

    #[test]
    fn the_trace_has_a_process_for_each_host_and_a_row_for_each_job() {
        let trace = trace(&account());
        let events = trace["traceEvents"].as_array().unwrap();
        let names = |ph: &str, at: &str| -> Vec<String> {
            let of = events.iter().filter(|event| event["ph"] == ph);
            of.map(|event| event.pointer(at).unwrap().as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("X", "/name"), ["download etcd", "connect", "look", "write\n/etc/etcd.env"]);
        assert_eq!(
            names("M", "/args/name"),
            ["this machine", "etcd", "etcd1", "connect", "look", "etcd.install@etcd1"]
        );
        let look = events.iter().find(|event| event["name"] == "look").unwrap();
        assert_eq!(
            (&look["ts"], &look["dur"], &look["args"]["docker"]),
            (&json!(310_000), &json!(420_000), &json!(0.11))
        );
    }
}
