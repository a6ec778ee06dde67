//! The archives that hosts get, from this machine's cache or their sources.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, OnceCell};

use crate::apply::ArtifactSource;
use crate::artifact::{self, Cache, Limits};
use crate::catalog;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::event::EventSink;
use crate::resource::{Artifact, Sha256Digest};

/// Archives as hosts get them: verified, and looked into so that nothing hostile is unpacked.
pub struct Archives {
    cache: Cache,
    /// What became of each: one fetch and one look into it, however many hosts ask.
    known: Mutex<BTreeMap<Sha256Digest, Arc<Known>>>,
}

/// Another version of this program may look for more.
const VERSION: &str = env!("CARGO_PKG_VERSION");

type Known = OnceCell<Result<PathBuf, artifact::Error>>;

impl Archives {
    /// Those of this user on this machine.
    pub fn here() -> Result<Self, CliError> {
        Ok(Self::of(Cache::new(cache_folder()?)))
    }

    fn of(cache: Cache) -> Self {
        Self { cache, known: Mutex::default() }
    }

    async fn fetched(&self, artifact: &Artifact, sink: &dyn EventSink) -> Result<PathBuf, artifact::Error> {
        let path = artifact::fetch(artifact, &self.cache, sink).await?;
        // The digest is that of the content: what was found in it once is so.
        let note = (path == self.cache.path(&artifact.sha256)).then(|| path.with_extension("sound"));
        let noted = note.as_ref().and_then(|note| std::fs::read_to_string(note).ok());
        if noted.as_deref() == Some(VERSION) {
            return Ok(path);
        }
        let (archive, is_image) = (path.clone(), artifact.product == catalog::IMAGE);
        let looked = tokio::task::spawn_blocking(move || {
            if is_image {
                artifact::image_names(&archive).map(|_| ())
            } else {
                artifact::inspect(&archive, Limits::default()).map(|_| ())
            }
        });
        let broken = |_| {
            let problem = artifact::Problem::Corrupt { why: "nobody can look into it".to_owned() };
            Err(artifact::Error::Archive { path: path.clone(), problem })
        };
        looked.await.unwrap_or_else(broken)?;
        if let Some(note) = note {
            // Without it the next run looks once more.
            let _ = std::fs::write(note, VERSION);
        }
        Ok(path)
    }
}

impl ArtifactSource for Archives {
    fn path<'a>(
        &'a self,
        artifact: &'a Artifact,
        sink: &'a dyn EventSink,
    ) -> BoxFuture<'a, Result<PathBuf, artifact::Error>> {
        Box::pin(async move {
            let known = Arc::clone(self.known.lock().await.entry(artifact.sha256.clone()).or_default());
            known.get_or_init(|| self.fetched(artifact, sink)).await.clone()
        })
    }
}

/// Where verified archives are kept on this machine.
fn cache_folder() -> Result<PathBuf, CliError> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("XDG_CACHE_HOME")
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .map(|folder| folder.join("kuboard-ha").join("artifacts"))
        .ok_or_else(|| {
            CliError::new(Exit::Unexpected, "there is no folder to keep downloads in")
                .hint("set HOME or XDG_CACHE_HOME")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_archive_is_looked_into_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let archives = Archives::of(Cache::new(folder.path()));
        let image = br#"[{"Config":"c.json","RepoTags":["eipwork/kuboard:v3.5.2.9"],"Layers":[]}]"#;
        for (product, member, content, good) in [
            (catalog::IMAGE, "manifest.json", &image[..], true),
            (catalog::IMAGE, "manifest.json", b"[", false),
            ("etcd", "etcd-v3/etcd", b"\x7fELF", false),
        ] {
            let mut tar = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, member, content).unwrap();
            // As `docker save` writes it: not compressed.
            let bytes = tar.into_inner().unwrap();
            let path = folder.path().join("archive.tar");
            std::fs::write(&path, &bytes).unwrap();
            let artifact = Artifact {
                product: product.to_owned(),
                version: "1".to_owned(),
                source: path.to_str().unwrap().to_owned(),
                sha256: crate::resource::Sha256Digest::of(&bytes),
            };
            let found = archives.path(&artifact, &crate::event::Silent).await;
            assert_eq!(found.is_ok(), good, "{product}: {found:?}");
        }
    }
}
