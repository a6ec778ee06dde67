//! A wire between a client and a server that can be made slow, cut or silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the wire does. Copies share it.
#[derive(Clone, Default)]
pub struct Wire {
    /// Carries nothing any more, and stays open.
    frozen: Arc<AtomicBool>,
    /// So many bytes from the server, then it freezes; 0: without end.
    most: Arc<AtomicU64>,
    /// Bytes a second from the client; 0: as fast as it goes.
    pace: Arc<AtomicU64>,
}

impl Wire {
    pub fn that_freezes_after(bytes: u64) -> Self {
        let wire = Self::default();
        wire.most.store(bytes, Ordering::SeqCst);
        wire
    }

    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }

    pub fn trickle(&self, bytes_a_second: u64) {
        self.pace.store(bytes_a_second, Ordering::SeqCst);
    }

    /// Leads from the port that is returned to `port`, both on the loopback, for as long as the runtime lives.
    pub async fn lead_to(&self, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap().port();
        let wire = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(wire.clone().carry(from_client, to_server, true));
                tokio::spawn(wire.clone().carry(from_server, to_client, false));
            }
        });
        ours
    }

    async fn carry(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, is_client: bool) {
        let mut chunk = vec![0; 1024];
        let mut carried = 0;
        loop {
            let Ok(size @ 1..) = from.read(&mut chunk).await else { return };
            carried += size as u64;
            let most = self.most.load(Ordering::SeqCst);
            if most > 0 && !is_client && carried > most {
                self.freeze();
            }
            if self.frozen.load(Ordering::SeqCst) {
                // Both ends stay open, and nothing moves.
                std::future::pending::<()>().await;
            }
            let pace = self.pace.load(Ordering::SeqCst);
            if pace > 0 && is_client {
                tokio::time::sleep(Duration::from_micros(1_000_000 * size as u64 / pace)).await;
            }
            if to.write_all(&chunk[..size]).await.is_err() {
                return;
            }
        }
    }
}

/// A port on the loopback that accepts, says this, and no more.
pub async fn that_says(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.write_all(words.as_bytes()).await;
            held.push(client);
        }
    });
    port
}
