//! The resident shell on this machine: under every shell that hosts have, behind every login shell that users have.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod contract;

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use contract::Site;
use futures::FutureExt;
use futures::future::BoxFuture;
use kuboard_ha::host::local::Local;
use kuboard_ha::host::session::{Session, Sudo};
use kuboard_ha::host::{Cmd, Deadlines, Host, HostError, HostErrorKind, Process};
use kuboard_ha::resource::HostName;
use kuboard_ha::secret::Secret;
use tokio::io::AsyncWrite;
use tokio::time::Sleep;

/// Whether a program is there. Its absence is said aloud, and in CI it is a failure.
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn has(program: &str, package: &str) -> bool {
    let there = Path::new(program).exists();
    assert!(there || std::env::var_os("CI").is_none(), "{program} is missing: apt-get install {package}");
    if !there {
        eprintln!("SKIPPED: {program} is missing (apt-get install {package})");
    }
    there
}

#[tokio::test]
async fn the_contract_holds_under_the_system_shell() {
    contract::all(&|| Site::new(Local::new("here"), "/bin/sh")).await;
}

#[tokio::test]
async fn the_contract_holds_under_dash() {
    if has("/usr/bin/dash", "dash") {
        contract::all(&|| Site::new(Local::new("here"), "/usr/bin/dash")).await;
    }
}

#[tokio::test]
async fn the_contract_holds_under_bash() {
    if has("/bin/bash", "bash") {
        contract::all(&|| Site::new(Local::new("here"), "/bin/bash --posix")).await;
    }
}

#[tokio::test]
async fn the_contract_holds_under_busybox() {
    if has("/bin/busybox", "busybox") {
        contract::all(&|| Site::new(Local::new("here"), "/bin/busybox ash")).await;
    }
}

#[tokio::test]
async fn any_login_shell_will_do() {
    for (shell, package) in [("/usr/bin/fish", "fish"), ("/bin/csh", "csh"), ("/bin/bash", "bash")] {
        if has(shell, package) {
            says_hello(&Site::new(Local::new("here").login(shell), "/bin/sh")).await;
        }
    }
}

#[tokio::test]
async fn a_banner_before_the_shell_is_skipped() {
    let site = login_script("printf 'Welcome to\\nthe machine\\r\\n\\ngathered 0 '; exec /bin/sh \"$@\"");
    says_hello(&site).await;
}

#[tokio::test]
async fn a_login_that_gives_no_shell_is_explained() {
    let gone = login_script("echo This account is currently not available. >&2; exit 1");
    let error = Session::open(gone.host.as_ref(), gone.options("r1")).await.err().unwrap();
    assert_eq!(error.kind, HostErrorKind::Shell);
    assert!(error.message.contains("not available"), "{error}");

    let silent = login_script("exec sleep 5");
    let mut options = silent.options("r1");
    options.deadlines.hello = Duration::from_millis(300);
    let error = Session::open(silent.host.as_ref(), options).await.err().unwrap();
    assert_eq!(error.kind, HostErrorKind::Silent, "{error}");

    let endless = login_script("exec yes");
    let error = Session::open(endless.host.as_ref(), endless.options("r1")).await.err().unwrap();
    assert_eq!(error.kind, HostErrorKind::Shell, "{error}");
}

#[tokio::test]
async fn sudo_is_given_its_password_only_when_it_asks() {
    // Does as sudo -S does: prompts on standard error, reads a line byte by byte, tries three times.
    let asking = r#"[ "$1 $2 $4" = "-S -p --" ] || exit 9
        for try in 1 2 3; do
            printf '%s' "$3" >&2; IFS= read -r word || exit 1
            [ "$word" = 'open sesame' ] && { shift 4; exec "$@"; }
            echo 'Sorry, try again.' >&2
        done
        echo 'sudo: 3 incorrect password attempts' >&2; exit 1"#;
    let open = |sudo: &'static str, password: Option<&'static str>| async move {
        let (site, bin) = with_sudo(sudo);
        let mut options = site.options("r1");
        options.sudo = Some(Sudo { password: password.map(|text| Secret::new(text.to_owned())) });
        let mut session = Session::open(site.host.as_ref(), options).await?;
        let look = session.gather("greet you; echo \"$SUDO_USER\"", Duration::from_secs(5)).await?;
        assert!(look.text.starts_with("hello you\n"), "{look:?}");
        drop(bin);
        session.close().await
    };
    open(asking, Some("open sesame")).await.unwrap();
    let wrong = open(asking, Some("wrong")).await.unwrap_err();
    assert_eq!(wrong.kind, HostErrorKind::Sudo);
    assert!(wrong.message.contains("refused the password") && !wrong.message.contains("wrong"), "{wrong}");
    let none = open(asking, None).await.unwrap_err();
    assert_eq!(none.kind, HostErrorKind::Sudo);
    // Where sudo does not ask, the password would be read by the shell, as a command.
    open("shift 4; exec \"$@\"", Some("touch /tmp/never")).await.unwrap();
    let tty =
        open("echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1", None).await.unwrap_err();
    assert_eq!(tty.kind, HostErrorKind::SudoTty);
    let denied = open("echo 'ops is not in the sudoers file.' >&2; exit 1", None).await.unwrap_err();
    assert_eq!(denied.kind, HostErrorKind::Sudo);
}

#[tokio::test]
async fn the_real_sudo_passes_the_shell_on() {
    if has("/usr/bin/sudo", "sudo") {
        let bin = tempfile::tempdir().unwrap();
        script(&bin.path().join("id"), "echo 1000");
        let site = Site::new(Local::new("here").path(bin.path().to_str().unwrap()), "/bin/sh");
        let mut options = site.options("r1");
        options.sudo = Some(Sudo { password: None });
        let mut session = Session::open(site.host.as_ref(), options).await.unwrap();
        let look = session
            .gather("/usr/bin/id -u; echo \"${SUDO_UID:-none}\"", Duration::from_secs(5))
            .await
            .unwrap();
        assert!(look.text.starts_with("0\n") && !look.text.contains("none"), "{look:?}");
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_is_doubted_for_as_long_as_the_shell_may_have_read_it() {
    let site = Site::new(Reluctant(Local::new("here")), "/bin/sh");
    let mut session = site.open("r1").await;
    session.gather(":", Duration::from_secs(5)).await.unwrap();
    contract::tells_the_clock_of_this_machine(&session);
    session.close().await.unwrap();
}

async fn says_hello(site: &Site) {
    let mut session = site.open("r1").await;
    let look = session.gather("greet 'it'\\''s me'", Duration::from_secs(5)).await.unwrap();
    assert_eq!(look.text, "hello it's me\n");
    session.close().await.unwrap();
}

/// Makes a program. A process of its own writes it: the kernel runs none that another test's child, just forked from this
/// process, still has open for writing.
fn script(path: &Path, text: &str) {
    let making = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$2\" && chmod 755 \"$2\"";
    let made = std::process::Command::new("sh").args(["-c", making, "sh", text]).arg(path).status().unwrap();
    assert!(made.success());
}

fn login_script(text: &str) -> Site {
    let mut site = Site::new(Local::new("here"), "/bin/sh");
    let path = site.root.path().join("login");
    script(&path, text);
    site.host = Box::new(Local::new("here").login(path.to_str().unwrap()));
    site
}

fn with_sudo(text: &str) -> (Site, tempfile::TempDir) {
    let bin = tempfile::tempdir().unwrap();
    script(&bin.path().join("sudo"), text);
    // The tests may well run as root, for whom nobody asks sudo.
    script(&bin.path().join("id"), "echo 1000");
    let host = Local::new("here").path(bin.path().to_str().unwrap());
    (Site::new(host, "/bin/sh"), bin)
}

/// A host to whom writing takes long after all has arrived, as on a machine that has no time for us.
struct Reluctant(Local);

impl Host for Reluctant {
    fn name(&self) -> &HostName {
        self.0.name()
    }

    fn spawn(&self, cmd: &Cmd, deadlines: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>> {
        let (cmd, deadlines) = (cmd.clone(), *deadlines);
        async move {
            let process = self.0.spawn(&cmd, &deadlines).await?;
            Ok(Process { stdin: Box::pin(Late { pen: process.stdin, flushed: None }), ..process })
        }
        .boxed()
    }
}

/// Passes everything on at once, and says so 300 ms later.
struct Late {
    pen: Pin<Box<dyn AsyncWrite + Send>>,
    flushed: Option<Pin<Box<Sleep>>>,
}

impl AsyncWrite for Late {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.pen.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let pause = || Box::pin(tokio::time::sleep(Duration::from_millis(300)));
        ready!(self.flushed.get_or_insert_with(pause).as_mut().poll(cx));
        self.flushed = None;
        self.pen.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.pen.as_mut().poll_shutdown(cx)
    }
}
