//! Hosts over OpenSSH: the user's own `ssh`, `~/.ssh/config`, agent and known hosts decide what the inventory leaves
//! open. One connection per host, any number of commands over it.

mod advice;
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
use super::{Cmd, Deadlines, Host, HostError, HostErrorKind, Process};
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
}

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
        Self { name, settings, password, bastions, connection }
    }

    /// The connection, and whether it was made just now.
    async fn connection(&self, deadlines: &Deadlines) -> Result<(Arc<Session>, bool), HostError> {
        let mut connection = self.connection.lock().await;
        if let Some(session) = &*connection {
            return Ok((Arc::clone(session), false));
        }
        let way = match &self.settings.proxy_jump {
            Some(jump) => Some(self.bastions.way(jump, &self.settings, deadlines).await?),
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
            proxy: way.as_ref().map(|way| way.command.clone()),
            jump: self.settings.proxy_jump.as_deref(),
            bastion: way.as_ref().map(|way| way.log.as_path()),
            deadlines,
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

    fn spawn(&self, cmd: &Cmd, deadlines: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>> {
        let (cmd, deadlines) = (cmd.clone(), *deadlines);
        async move {
            let (session, fresh) = self.connection(&deadlines).await?;
            match start(&session, &cmd, deadlines.answer).await {
                Ok(process) => Ok(process),
                Err(_) if !fresh => {
                    // The connection ended since it was last used; what ran over it has ended or says so itself.
                    self.forget(&session).await;
                    let (session, _) = self.connection(&deadlines).await?;
                    start(&session, &cmd, deadlines.answer).await
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

async fn start(session: &Arc<Session>, cmd: &Cmd, patience: Duration) -> Result<Process, HostError> {
    let failed = |why: String| {
        HostError::new(HostErrorKind::Unreachable, format!("no command could be started: {why}"))
    };
    let mut command = Arc::clone(session).arc_raw_command(&cmd.text);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::time::timeout(patience, command.spawn())
        .await
        .map_err(|_| failed(format!("no answer within {} s", patience.as_secs())))?
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
