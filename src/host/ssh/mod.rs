//! Hosts over OpenSSH: the user's own `ssh`, `~/.ssh/config`, agent and known hosts decide what the inventory leaves
//! open. One connection per host, any number of commands over it.

mod bastion;
mod failure;
mod folder;
mod master;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use openssh::{Child, ChildStdout, Session, Stdio};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Mutex;

pub use self::bastion::Bastions;
use self::master::Login;
use super::{Cmd, Host, HostError, HostErrorKind, Process};
use crate::inventory::model;
use crate::resource::HostName;
use crate::secret::Secret;

/// A host behind an ssh connection, made when it is first needed and again when it was lost.
pub struct Ssh {
    name: HostName,
    settings: model::Ssh,
    password: Option<Secret<String>>,
    bastions: Bastions,
    connection: Mutex<Option<Arc<Session>>>,
    accept: Duration,
}

/// How long a host may take to accept a connection, unless said otherwise.
const ACCEPT: Duration = Duration::from_secs(10);

impl Ssh {
    /// A host reached by these settings. `password` is the login's, where the settings name one; hosts that share
    /// `bastions` share the connections to them.
    pub fn new(
        name: HostName,
        settings: model::Ssh,
        password: Option<Secret<String>>,
        bastions: &Bastions,
    ) -> Self {
        let (bastions, connection) = (bastions.clone(), Mutex::default());
        Self { name, settings, password, bastions, connection, accept: ACCEPT }
    }

    /// The same, given up unless the host accepts the connection and says who it is within that many whole seconds. A
    /// host that did has its time for all that follows.
    #[must_use]
    pub fn accepting_within(self, accept: Duration) -> Self {
        Self { accept, ..self }
    }

    /// The connection, and whether it was made just now.
    async fn connection(&self) -> Result<(Arc<Session>, bool), HostError> {
        let mut connection = self.connection.lock().await;
        if let Some(session) = &*connection {
            return Ok((Arc::clone(session), false));
        }
        let proxy = match &self.settings.proxy_jump {
            Some(jump) => Some(self.bastions.proxy_command(jump, &self.settings, self.accept).await?),
            None => None,
        };
        let login = Login {
            host: &self.settings.host,
            user: self.settings.user.as_deref(),
            port: self.settings.port,
            identity_file: self.settings.identity_file.as_deref(),
            host_keys: self.settings.host_keys,
            config_file: self.settings.config_file.as_deref(),
            password: self.password.as_ref(),
            proxy,
            jump: None,
            accept: self.accept,
        };
        let session = Arc::new(login.connect().await?);
        *connection = Some(Arc::clone(&session));
        Ok((session, true))
    }

    /// Drops a connection that was lost, unless another was made meanwhile.
    async fn forget(&self, lost: &Arc<Session>) {
        let mut connection = self.connection.lock().await;
        if connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, lost)) {
            *connection = None;
        }
    }
}

impl Host for Ssh {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn spawn(&self, cmd: &Cmd) -> BoxFuture<'_, Result<Process, HostError>> {
        let cmd = cmd.clone();
        async move {
            let (session, fresh) = self.connection().await?;
            match start(&session, &cmd).await {
                Ok(process) => Ok(process),
                Err(_) if !fresh => {
                    // The connection ended since it was last used; what ran over it has ended or says so itself.
                    self.forget(&session).await;
                    let (session, _) = self.connection().await?;
                    start(&session, &cmd).await
                }
                Err(error) => {
                    self.forget(&session).await;
                    Err(error)
                }
            }
        }
        .boxed()
    }
}

async fn start(session: &Arc<Session>, cmd: &Cmd) -> Result<Process, HostError> {
    let failed = |why: String| {
        HostError::new(HostErrorKind::Unreachable, format!("no command could be started: {why}"))
    };
    let mut child = Arc::clone(session)
        .arc_raw_command(&cmd.text)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .await
        .map_err(|error| failed(master::chain(&error)))?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin().take(), child.stdout().take(), child.stderr().take())
    else {
        return Err(failed("its pipes are missing".to_owned()));
    };
    let stdout = Output { stdout, _child: child };
    Ok(Process { stdin: Box::pin(stdin), stdout: Box::pin(stdout), stderr: Box::pin(stderr) })
}

/// Standard output, and with it the command's own line to the master process. The master drops what it has not yet
/// delivered once that line is closed, and an exit status may well arrive before the last output: so nobody waits for
/// one, and the line is held until the output was read. Whether all went well, frames tell.
struct Output {
    stdout: ChildStdout,
    _child: Child<Arc<Session>>,
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}
