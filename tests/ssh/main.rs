//! Hosts over a real sshd on the loopback: the contract, and what only ssh can get wrong.
//!
//! Runs as root. The daemons get users of their own through bind mounts in a mount namespace of theirs, so nothing of
//! this machine's is changed.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bastions;
#[path = "../contract/mod.rs"]
mod contract;
mod deadlines;
mod fleets;
mod logins;
mod relay;
mod shells;
mod sshd;
mod sudo;

use std::path::Path;
use std::time::Duration;

use contract::Site;
use futures::future::join_all;
use kuboard_ha::host::cancel::Cancel;
use kuboard_ha::host::session::{Frame, Lease, Session, Sudo};
use kuboard_ha::host::{HostError, HostErrorKind};
use kuboard_ha::secret::Secret;
use sshd::Sshd;

async fn open(site: &Site) -> Result<Session, HostError> {
    Session::open(site.host.as_ref(), site.options("r1")).await
}

async fn look(site: &Site, sudo: Option<&str>) -> Result<String, HostError> {
    let mut options = site.options("r1");
    options.sudo = Some(Sudo { password: sudo.map(|text| Secret::new(text.to_owned())) });
    let mut session = Session::open(site.host.as_ref(), options).await?;
    let look = session.gather("id -un; echo \"${SUDO_USER:-itself}\"", Duration::from_secs(5)).await?;
    session.close().await?;
    Ok(look.text)
}

/// Why the host cannot be used; it must say more than that, and what to do.
async fn refused(site: &Site, sudo: Option<&str>) -> HostError {
    let error = look(site, sudo).await.expect_err("the login went well");
    assert!(error.hint.is_some(), "no way out of {error}");
    error
}

#[tokio::test]
async fn the_contract_holds_over_ssh() {
    let sshd = Sshd::start("").await;
    contract::all(&|| Sshd::site(sshd.settings(), None)).await;
}

#[tokio::test]
async fn one_connection_carries_many_sessions_and_ends_with_the_host() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    let sessions = join_all((0..6).map(|_| open(&site))).await;
    for session in sessions {
        session.unwrap().close().await.unwrap();
    }
    assert_eq!(sshd.logins(), 1);
    assert_eq!(sshd.masters().len(), 1);
    drop(site);
    contract::eventually("the master has ended", || sshd.masters().is_empty()).await;
}

#[tokio::test]
async fn a_lost_connection_leaves_the_lease_to_the_step_in_hand() {
    let sshd = Sshd::start("").await;
    let site = Sshd::site(sshd.settings(), None);
    let mut session = open(&site).await.unwrap();
    assert_eq!(session.lease().await.unwrap(), Lease::Leased { stale: false });
    let gate = site.path("gate");
    let script =
        contract::job(&[(&format!("until [ -e {gate} ]; do sleep 0.05; done"), 60), ("touch /never", 5)]);
    let kill = |frame: &Frame| {
        if *frame == Frame::Begin(0) {
            for master in sshd.masters() {
                contract::kill_9(&master);
            }
        }
    };
    let lost = session.job(&script, &Cancel::new(), &mut { kill }).await.unwrap_err();
    assert_eq!(lost.kind, HostErrorKind::Disconnected, "{lost}");
    // The same host is reached again by itself.
    let mut again = Session::open(site.host.as_ref(), site.options("r2")).await.unwrap();
    let Lease::Busy(holder) = again.lease().await.unwrap() else { panic!("the step still runs") };
    assert_eq!((holder.run.as_str(), holder.step.as_str()), ("r1", "job@here/0"));
    std::fs::write(&gate, "").unwrap();
    contract::lease_in_the_end(&mut again).await;
    assert!(!Path::new("/never").exists(), "no step begins without a controller");
    again.close().await.unwrap();
}
