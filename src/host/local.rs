//! This machine as a host. For tests only: nothing a user does leads here.

use std::process::Stdio;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::process::Command;

use super::{Cmd, Deadlines, Host, HostError, HostErrorKind, Process};
use crate::resource::HostName;

/// Starts commands here, through `/bin/sh -c` as a login shell would.
pub struct Local {
    name: HostName,
    login: String,
    path: Option<String>,
}

impl Local {
    /// This machine under a name.
    pub fn new(name: &str) -> Self {
        Self { name: HostName::new(name), login: "/bin/sh".to_owned(), path: None }
    }

    /// With another login shell: a program that takes `-c TEXT`.
    #[must_use]
    pub fn login(self, shell: &str) -> Self {
        Self { login: shell.to_owned(), ..self }
    }

    /// With folders searched before the usual ones.
    #[must_use]
    pub fn path(self, folders: &str) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        Self { path: Some(format!("{folders}:{path}")), ..self }
    }
}

impl Host for Local {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn spawn(&self, cmd: &Cmd, _: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>> {
        let cmd = cmd.clone();
        async move {
            let failed =
                |what: String| HostError::new(HostErrorKind::Local, format!("{}: {what}", self.login));
            let mut command = Command::new(&self.login);
            command.arg("-c").arg(&cmd.text);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            if let Some(path) = &self.path {
                command.env("PATH", path);
            }
            let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
            let (Some(stdin), Some(stdout), Some(stderr)) =
                (child.stdin.take(), child.stdout.take(), child.stderr.take())
            else {
                return Err(failed("its pipes are missing".to_owned()));
            };
            // Reaped when it ends; as over ssh, nobody kills it.
            tokio::spawn(async move { child.wait().await });
            Ok(Process { stdin: Box::pin(stdin), stdout: Box::pin(stdout), stderr: Box::pin(stderr) })
        }
        .boxed()
    }
}
