//! What no real host does on demand: shells that break off, speak out of turn, or never answer.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use kuboard_ha::event::{Event, EventSink, Silent};
use kuboard_ha::host::cancel::Cancel;
use kuboard_ha::host::fake::{Act, Fake};
use kuboard_ha::host::fleet::{Fleet, Patience};
use kuboard_ha::host::session::{Frame, Session, SessionOptions, Sudo};
use kuboard_ha::host::{Cmd, Deadlines, Host, HostError, HostErrorKind, Process};
use kuboard_ha::plan::script::{JobScript, StepScript};
use kuboard_ha::resource::HostName;
use kuboard_ha::secret::Secret;

fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

fn hear(text: &str) -> Act {
    Act::Hear(text.to_owned())
}

/// A shell that starts as it should, then does this.
fn shell(then: &[Act]) -> Vec<Act> {
    let mut acts =
        vec![say("Welcome!\n\nkuboard-ha hello 1\n"), hear("#kuboard-ha end\n"), say("\nready 1700000000\n")];
    acts.extend_from_slice(then);
    acts
}

async fn open(host: &Fake) -> Session {
    Session::open(host, SessionOptions::new("demo", "r1", "")).await.unwrap()
}

fn two_steps() -> JobScript {
    let step = || StepScript { text: "true".into(), limit: Duration::from_secs(1), waits: false };
    JobScript { id: "j".into(), guards: Vec::new(), steps: vec![step(), step()] }
}

async fn job(host: &Fake) -> (Result<(), HostErrorKind>, Vec<Frame>) {
    let mut session = open(host).await;
    let mut frames = Vec::new();
    let end = session.job(&two_steps(), &Cancel::new(), &mut |frame| frames.push(frame.clone())).await;
    (end.map(|_| ()).map_err(|error| error.kind), frames)
}

#[tokio::test]
async fn a_connection_that_breaks_off_leaves_the_outcome_open() {
    // In the middle of a step, and in the middle of a line that would have said that it ended well.
    for cut in ["\nbegin 0\n", "\nbegin 0\n|half\n\nend 0 0 ye", "\nbegin 0\n\nend 0 0 yes\n\nbegin 1\n|x"] {
        let host = Fake::new("far", vec![shell(&[hear("job j "), hear("end\n"), say(cut)])]);
        assert_eq!(job(&host).await.0, Err(HostErrorKind::Disconnected), "{cut:?}");
    }
    // bye in the middle is no end of a job either.
    let host = Fake::new("far", vec![shell(&[hear("job j "), say("\nbegin 0\n\nbye\n")])]);
    assert_eq!(job(&host).await.0, Err(HostErrorKind::Disconnected));
    // And a session that ends without bye did not end well, whatever was seen before.
    let whole = "\nbegin 0\n\nend 0 0 yes\n\nbegin 1\n\nend 1 0 yes\n\ndone j\n";
    let host = Fake::new("far", vec![shell(&[hear("job j "), say(whole)])]);
    let mut session = open(&host).await;
    session.job(&two_steps(), &Cancel::new(), &mut |_| {}).await.unwrap();
    assert_eq!(session.close().await.unwrap_err().kind, HostErrorKind::Disconnected);
}

#[tokio::test]
async fn what_makes_no_sense_is_said_and_not_guessed_at() {
    let host = Fake::new("far", vec![shell(&[hear("job j "), say("\nleased \n"), Act::Hang])]);
    assert_eq!(job(&host).await.0, Err(HostErrorKind::Protocol));
    // Frames of a later version, notes of a program that writes to the wrong place: passed over.
    let text =
        "\nnews 1 2\nend\nend 0 zero yes\n\nbegin 0\n\nend 0 0 yes\n\nbegin 1\n\nend 1 0 no\n\ndone j\n";
    let host = Fake::new("far", vec![shell(&[hear("job j "), say(text), Act::Hang])]);
    let (end, frames) = job(&host).await;
    assert_eq!(end, Ok(()));
    let begun = [Frame::Begin(0), Frame::End(0, 0, true), Frame::Begin(1)];
    assert_eq!(frames, [&begun[..], &[Frame::End(1, 0, false), Frame::Done]].concat());
}

#[tokio::test]
async fn a_shell_is_believed_only_what_follows() {
    for forged in [
        "\ndone j\n",
        "\nend 999 1 yes\n",
        "\nbegin 18446744073709551615\n",
        "\nbegin 1\n",
        "\nbegin 0\n\nbegin 1\n",
        "\nbegin 0\n\nend 1 0 yes\n",
        "\nbegin 0\n\ndone j\n",
        "\nbegin 0\n\nend 0 0 yes\n\nend 0 0 yes\n",
        "\nbegin 0\n\nend 0 0 yes\n\ndone j\n",
        "\nbegin 0\n\nend 0 1 yes\n\nbegin 1\n",
        "\nfenced 0\n",
        "\nstopped 2\n",
        "\nbegin 0\n\nstopped 1\n",
    ] {
        let host = Fake::new("far", vec![shell(&[hear("job j "), say(forged), Act::Hang])]);
        assert_eq!(job(&host).await.0, Err(HostErrorKind::Protocol), "{forged:?}");
    }
}

#[tokio::test]
async fn a_shell_that_talks_without_end_is_cut_off() {
    let lines = |line: &str, size: usize| line.repeat(size / line.len());
    let host =
        Fake::new("far", vec![shell(&[hear("job j "), say("\nbegin 0\n"), say(&lines("|x\n", 1 << 20))])]);
    assert_eq!(job(&host).await.0, Err(HostErrorKind::Protocol));
    // One look of a gigabyte is not heard, nor is one line of a gigabyte.
    for (endless, why) in [
        (format!("\ngathered 0 {} \n{}", 32 << 20, lines("word ", 32 << 20)), "4 MiB"),
        (format!("\n{}\ngathered 0 0 \n", lines("|x", 32 << 20)), "out of turn"),
    ] {
        let host = Fake::new("far", vec![shell(&[hear("gather "), say(&endless), Act::Hang])]);
        let error = open(&host).await.gather("true", Duration::from_secs(5)).await.err().unwrap();
        assert_eq!(error.kind, HostErrorKind::Protocol);
        assert!(error.message.contains(why), "{error}");
    }
    let host = Fake::new(
        "far",
        vec![vec![say(&lines("welcome ", 1 << 20)), say(&lines("welcome\n", 1 << 20)), Act::Hang]],
    );
    let error = Session::open(&host, SessionOptions::new("demo", "r1", "")).await.err().unwrap();
    assert_eq!(error.kind, HostErrorKind::Shell, "{error}");
}

#[tokio::test]
async fn a_host_that_cannot_go_on_says_why() {
    let host = Fake::new(
        "far",
        vec![shell(&[hear("lease\n"), say("\nbroken flock is missing: install util-linux\n")])],
    );
    let error = open(&host).await.lease().await.unwrap_err();
    assert_eq!(error.kind, HostErrorKind::Broken);
    assert_eq!(error.message, "far: flock is missing: install util-linux");
}

#[tokio::test]
async fn what_ssh_says_at_the_end_is_passed_on() {
    let end = [
        hear("job j "),
        Act::Complain("client_loop: send disconnect: Broken pipe\n".into()),
        say("\nbegin 0\n"),
    ];
    let host = Fake::new("far", vec![shell(&end)]);
    let mut session = open(&host).await;
    let error = session.job(&two_steps(), &Cancel::new(), &mut |_| {}).await.unwrap_err();
    assert!(error.message.starts_with("far: the connection ended"), "{error}");
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up() {
    let host = Fake::new("far", vec![shell(&[hear("job j "), say("\nbegin 0\n"), Act::Hang])]);
    let (end, frames) = job(&host).await;
    assert_eq!((end, frames), (Err(HostErrorKind::Disconnected), vec![Frame::Begin(0)]));
}

#[tokio::test]
async fn a_password_is_sent_to_sudos_own_prompt_only() {
    // Something on the way asks for a password in other words; it gets none.
    let other = vec![say("\nkuboard-ha login ops\n"), Act::Complain("Password for ops: ".into()), Act::Hang];
    let host = Fake::new("far", vec![other]);
    let mut options = SessionOptions::new("demo", "r1", "");
    options.sudo = Some(Sudo { password: Some(Secret::new("poison".into())) });
    options.deadlines.hello = Duration::from_millis(200);
    let error = Session::open(&host, options).await.err().unwrap();
    assert_eq!(error.kind, HostErrorKind::Sudo);
    assert!(error.message.contains("Password for ops:"), "{error}");
    assert_eq!(host.heard(), "");
    assert!(!host.commands()[0].contains("poison"));
}

#[derive(Default)]
struct Tries(Mutex<Vec<bool>>);

impl EventSink for Tries {
    fn emit(&self, event: Event) {
        if let Event::HostUnreachable { retrying, .. } = event {
            self.0.lock().unwrap().push(retrying);
        }
    }
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    let refuse = |kind| vec![Act::Refuse(HostError::new(kind, "no"))];
    let tries = |transcripts: Vec<Vec<Act>>| async {
        let host: Arc<dyn Host> = Arc::new(Fake::new("far", transcripts));
        let name = HostName::new("far");
        let options = SessionOptions::new("demo", "r1", "");
        let fleet = Fleet::new(BTreeMap::from([(name.clone(), (host, options))]), 1);
        let sink = Tries::default();
        let opened = fleet.open(&name, &sink).await.is_ok();
        (opened, sink.0.into_inner().unwrap())
    };
    assert_eq!(
        tries(vec![refuse(HostErrorKind::Refused), refuse(HostErrorKind::Refused), shell(&[])]).await,
        (true, vec![true, true])
    );
    let never = vec![
        refuse(HostErrorKind::Refused),
        refuse(HostErrorKind::Refused),
        refuse(HostErrorKind::Refused),
        shell(&[]),
    ];
    assert_eq!(tries(never).await, (false, vec![true, true, false]));
    assert_eq!(tries(vec![refuse(HostErrorKind::Login), shell(&[])]).await, (false, vec![false]));
}

/// A host that is silent for as long as it is given, another time alive after so long.
struct Sleepy(HostName, Option<Duration>);

impl Host for Sleepy {
    fn name(&self) -> &HostName {
        &self.0
    }

    fn spawn(&self, _: &Cmd, deadlines: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>> {
        let accept = deadlines.accept;
        Box::pin(async move {
            let wakes = self.1.filter(|after| *after < accept);
            tokio::time::sleep(wakes.unwrap_or(accept)).await;
            Err(match wakes {
                Some(_) => HostError::new(HostErrorKind::Login, "no key"),
                None => HostError::new(HostErrorKind::Silent, "connection timed out"),
            })
        })
    }
}

/// The tries of a silent host and when it was given up, beside another that answers after so many milliseconds.
async fn given_up(patience: Patience, other: Option<u64>) -> (Vec<bool>, Duration) {
    let name = HostName::new;
    let wakes = other.map(Duration::from_millis);
    let members = [("dead", None), ("other", wakes)].map(|(host, wakes)| {
        let host: Arc<dyn Host> = Arc::new(Sleepy(name(host), wakes));
        (host.name().clone(), (host, SessionOptions::new("demo", "r1", "")))
    });
    let fleet = Fleet::new(BTreeMap::from(members), 8).with(patience);
    let (tries, begun) = (Tries::default(), tokio::time::Instant::now());
    let (dead, other) = (name("dead"), name("other"));
    let dead = async {
        assert!(fleet.open(&dead, &tries).await.is_err());
        begun.elapsed()
    };
    let (took, _) = tokio::join!(dead, fleet.open(&other, &Silent));
    (tries.0.into_inner().unwrap(), took)
}

#[tokio::test]
async fn a_silent_host_is_tried_again_where_silence_proves_little() {
    let ms = Duration::from_millis;
    let hasty = Patience { accept: ms(800), again: ms(1200), insists: false };
    let tried = |patience, other| async move {
        let (tries, took) = given_up(patience, other).await;
        assert!(took >= if tries.len() == 2 { ms(2000) } else { ms(800) }, "{tries:?} {took:?}");
        tries
    };
    let (once, twice) = (vec![false], vec![true, false]);
    // Another answered at once: this one is dead.
    assert_eq!(tried(hasty, Some(10)).await, once);
    // It took the other long: this machine may be the slow one.
    assert_eq!(tried(hasty, Some(600)).await, twice);
    // Nobody answers at all, and whoever asks for the status is told so within five seconds.
    assert_eq!(tried(hasty, None).await, once);
    // `up` asks twice in any case.
    assert_eq!(tried(Patience { insists: true, ..hasty }, Some(10)).await, twice);
    let patience = Patience::default();
    assert!(patience.insists && patience.accept + patience.again < Duration::from_secs(12));
}
