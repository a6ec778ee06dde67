//! What came of leases and of a plan, as the loop of `up` understands it.

use crate::apply::{self, FailedStep, FailureKind, LeaseError};
use crate::cli::converge::{Applied, End, Failure, Hindrance};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::event::{Event, EventSink};

/// What leases that could not be had mean: an end where waiting would not help, else another look.
pub fn not_leased(errors: &[LeaseError], events: &dyn EventSink) -> Result<Applied, CliError> {
    if errors.iter().any(|error| matches!(error, LeaseError::Cancelled { .. })) {
        return Ok(Applied { end: End::Interrupted, ..Applied::default() });
    }
    let mut cut = Vec::new();
    for error in errors {
        if let LeaseError::Host { host, source } = error
            && source.kind.is_retryable()
        {
            events.emit(Event::HostUnreachable {
                host: host.clone(),
                error: source.message.clone(),
                retrying: false,
                attempt: 1,
                attempts: 1,
            });
            cut.push(Hindrance::Cut { host: host.clone(), error: source.message.clone() });
        }
    }
    if cut.len() == errors.len() {
        return Ok(Applied { end: End::Fenced, hindrances: cut, ..Applied::default() });
    }
    Err(told(errors))
}

/// All of it as one error, whose kind is that of what another try helps least against.
fn told(errors: &[LeaseError]) -> CliError {
    let one = |error: &LeaseError| match error {
        LeaseError::Host { host, source } => CliError::host(host, source),
        locked => CliError::new(Exit::Locked, locked.to_string()),
    };
    let line = |error: &LeaseError| match error {
        LeaseError::Host { host, source } if errors.len() > 1 => {
            format!("{host} could not be used: {source}")
        }
        other => one(other).error,
    };
    let lasting =
        |error: &&LeaseError| matches!(error, LeaseError::Host { source, .. } if !source.kind.is_retryable());
    let locked = |error: &&LeaseError| matches!(error, LeaseError::Locked { .. });
    let gravest = errors.iter().find(lasting).or_else(|| errors.iter().find(locked));
    let kind = gravest.map_or(Exit::Unexpected, |error| one(error).kind);
    let mut all = CliError::new(kind, errors.iter().map(line).collect::<Vec<_>>().join("; "));
    let mut hints: Vec<String> = errors.iter().flat_map(|error| one(error).hints).collect();
    let busy: Vec<&str> = errors
        .iter()
        .filter_map(|error| match error {
            LeaseError::Locked { host, .. } => Some(host.as_str()),
            _ => None,
        })
        .collect();
    if !busy.is_empty() {
        hints.push(format!(
            "wait until that run has ended, or see what it does: kuboard-ha status; it works on {}",
            busy.join(" ")
        ));
    }
    for hint in hints {
        if !all.hints.contains(&hint) {
            all.hints.push(hint);
        }
    }
    if let [LeaseError::Host { source, .. }] = errors {
        all = all.because(source);
    }
    all
}

/// What the walk through a plan means for the loop of `up`.
pub fn applied(outcome: apply::Outcome) -> Applied {
    let end = if !outcome.failed.is_empty() {
        End::Failed
    } else if outcome.interrupted {
        End::Interrupted
    } else if outcome.is_whole() {
        End::Done
    } else {
        End::Fenced
    };
    let cut =
        outcome.disconnected.into_iter().map(|(host, error)| Hindrance::Cut { host, error: error.message });
    let changed = outcome
        .fenced
        .into_iter()
        .map(|fenced| Hindrance::Changed { host: fenced.host, guard: fenced.guard });
    Applied {
        changed: outcome.changed,
        end,
        failures: outcome.failed.into_iter().map(failure).collect(),
        hindrances: cut.chain(changed).collect(),
    }
}

/// What helps where an archive did not come to a host, though this machine had no trouble with it.
const ON_THE_WAY: &str = "run the same command again; where the host fetches by itself (transfer: pull), it must reach what \
     `download.url` says: else let this machine send it (transfer: push)";

fn failure(failed: FailedStep) -> Failure {
    let mut evidence = failed.evidence;
    let hint = match &failed.kind {
        FailureKind::Artifact(Some(error)) => {
            // The first cause is the error itself.
            evidence.extend(CliError::new(Exit::Download, "").because(error).causes.into_iter().skip(1));
            Some(error.hint())
        }
        FailureKind::Artifact(None) => Some(ON_THE_WAY.to_owned()),
        _ => failed.cause.as_ref().map(|cause| cause.hint.clone()),
    };
    Failure {
        host: failed.host,
        job: failed.job.to_string(),
        step: failed.title,
        error: failed.error,
        evidence,
        hint,
        cause: failed.cause,
        download: matches!(failed.kind, FailureKind::Artifact(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Fenced;
    use crate::artifact;
    use crate::event::Silent;
    use crate::host::session::Holder;
    use crate::host::{HostError, HostErrorKind};
    use crate::plan::model::JobId;
    use crate::resource::{HostName, ResourceId};

    fn lost(host: &str, kind: HostErrorKind) -> LeaseError {
        let source = HostError::new(kind, format!("{host} is gone"));
        LeaseError::Host { host: HostName::new(host), source }
    }

    fn locked(host: &str) -> LeaseError {
        let holder = Holder { run: "r1".into(), step: "etcd.roll/2".into(), ..Holder::default() };
        LeaseError::Locked { host: HostName::new(host), holder }
    }

    #[test]
    fn a_cut_while_the_lease_is_taken_leads_to_another_look() {
        let errors = vec![lost("a", HostErrorKind::Disconnected), lost("b", HostErrorKind::HungUp)];
        let applied = not_leased(&errors, &Silent).unwrap();
        let cut = |host: &str| Hindrance::Cut { host: HostName::new(host), error: format!("{host} is gone") };
        assert_eq!((applied.end, applied.hindrances), (End::Fenced, vec![cut("a"), cut("b")]));
    }

    #[test]
    fn what_each_host_had_against_it_is_told() {
        let error = not_leased(
            &[
                lost("a", HostErrorKind::Disconnected),
                locked("b"),
                lost("c", HostErrorKind::Broken),
                locked("d"),
            ],
            &Silent,
        )
        .unwrap_err();
        assert_eq!(error.kind, Exit::Unreachable, "a full disk is there after the other run, too");
        assert_eq!(
            error.error,
            "a could not be used: a is gone; b is locked by run r1, which is at etcd.roll/2; \
             c could not be used: c is gone; d is locked by run r1, which is at etcd.roll/2"
        );
        assert!(error.hints.last().unwrap().ends_with("it works on b d"), "{:?}", error.hints);

        let error = not_leased(&[locked("b"), lost("a", HostErrorKind::Disconnected)], &Silent).unwrap_err();
        assert_eq!(error.kind, Exit::Locked);
        let error = not_leased(&[lost("c", HostErrorKind::Broken)], &Silent).unwrap_err();
        assert_eq!(
            (error.error.as_str(), &error.causes[..]),
            ("c could not be used", &["c is gone".to_owned()][..])
        );
        let stop = LeaseError::Cancelled { host: HostName::new("a") };
        assert_eq!(not_leased(&[locked("b"), stop], &Silent).unwrap().end, End::Interrupted);
    }

    #[test]
    fn cuts_and_guards_are_kept() {
        let gone = HostError::new(HostErrorKind::Disconnected, "reset by peer");
        let fenced = Fenced {
            host: HostName::new("b"),
            job: JobId::new("job", &HostName::new("b")),
            guard: "same".into(),
        };
        let outcome = apply::Outcome {
            changed: 1,
            fenced: vec![fenced],
            disconnected: [(HostName::new("a"), gone)].into(),
            ..apply::Outcome::default()
        };
        let applied = applied(outcome);
        assert_eq!((applied.changed, applied.end), (1, End::Fenced));
        let cut = Hindrance::Cut { host: HostName::new("a"), error: "reset by peer".into() };
        assert_eq!(
            applied.hindrances,
            [cut, Hindrance::Changed { host: HostName::new("b"), guard: "same".into() }]
        );
    }

    #[test]
    fn a_failed_download_hides_no_other_failure() {
        let failed = |host: &str, kind| FailedStep {
            host: HostName::new(host),
            job: JobId::new("job", &HostName::new(host)),
            step: 0,
            resource: ResourceId::new("artifact", "etcd"),
            title: "bring etcd".into(),
            error: "no".into(),
            evidence: Vec::new(),
            cause: None,
            kind,
        };
        let lost = artifact::Error::Fetch {
            what: "etcd".into(),
            url: "http://mirror/etcd".into(),
            failure: artifact::Failure::NotFound,
            kept: 0,
        };
        let kinds = [FailureKind::Artifact(Some(lost)), FailureKind::TimedOut, FailureKind::Artifact(None)];
        let failed = ["a", "b", "c"].into_iter().zip(kinds).map(|(host, kind)| failed(host, kind)).collect();
        let applied = applied(apply::Outcome { changed: 7, failed, ..apply::Outcome::default() });
        assert_eq!((applied.changed, applied.end, applied.failures.len()), (7, End::Failed, 3));
        assert!(applied.failures[0].download && applied.failures[0].hint.is_some());
        assert!(!applied.failures[1].download && applied.failures[1].hint.is_none());
        // A host that fetches by itself, or to which it came damaged, has no such error to tell.
        assert!(applied.failures[2].download && applied.failures[2].hint.is_some());
    }
}
