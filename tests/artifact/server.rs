//! An HTTP server of one page that answers as its script says, and what the tests fetch from it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kuboard_ha::artifact::{Cache, Error, Patience, fetch};
use kuboard_ha::event::{Event, EventSink};
use kuboard_ha::resource::{Artifact, Sha256Digest};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    /// Where the range begins that was asked for.
    pub from: Option<usize>,
    pub authorization: Option<String>,
}

/// What it answers.
pub struct Reply {
    head: String,
    body: Vec<u8>,
    /// What comes after the body.
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    /// The connection closes.
    Close,
    /// It stays open and silent.
    Hold,
    /// The body again and again.
    Repeat,
}

impl Reply {
    pub fn status(status: &str) -> Self {
        Self {
            head: format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n"),
            body: Vec::new(),
            end: End::Close,
        }
    }

    /// The whole, whatever was asked for.
    pub fn whole(body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
        Self { head, body: body.to_vec(), end: End::Close }
    }

    /// The whole, without a word on how long it is.
    pub fn unmeasured(body: &[u8]) -> Self {
        Self { head: "HTTP/1.1 200 OK\r\n".into(), body: body.to_vec(), end: End::Close }
    }

    /// Again and again, without end.
    pub fn endless(body: &[u8]) -> Self {
        Self { end: End::Repeat, ..Self::unmeasured(body) }
    }

    /// What was asked for: the whole, or 206 with the rest.
    pub fn ranged(body: &[u8], request: &Request) -> Self {
        let Some(from) = request.from else { return Self::whole(body) };
        if from >= body.len() {
            return Self::status("416 Range Not Satisfiable");
        }
        let rest = body[from..].to_vec();
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\n",
            rest.len(),
            body.len() - 1,
            body.len()
        );
        Self { head, body: rest, end: End::Close }
    }

    /// The same, but the connection closes after `sent` bytes of the body.
    pub fn cut(mut self, sent: usize) -> Self {
        self.body.truncate(sent);
        self
    }

    /// The same, but after `sent` bytes of the body nothing comes any more.
    pub fn stall(self, sent: usize) -> Self {
        Self { end: End::Hold, ..self.cut(sent) }
    }

    pub fn header(mut self, line: &str) -> Self {
        self.head.push_str(line);
        self.head.push_str("\r\n");
        self
    }
}

pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `script` gets the number of the request, from 0, and the request.
    pub async fn start(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&log), Arc::clone(&script)));
            }
        });
        Self { address, requests }
    }

    /// `script` gets the body, too.
    pub async fn playing(
        body: &[u8],
        script: impl Fn(usize, &Request, &[u8]) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let body = body.to_vec();
        Self::start(move |number, request| script(number, request, &body)).await
    }

    /// An honest one.
    pub async fn of(body: &[u8]) -> Self {
        Self::playing(body, |_, request, body| Reply::ranged(body, request)).await
    }

    /// What this server should give, if it must come to `bytes`.
    pub fn artifact(&self, bytes: &[u8]) -> Artifact {
        artifact(format!("http://{}/", self.address), bytes)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Where each request's range began.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.requests().into_iter().map(|request| request.from).collect()
    }
}

async fn answer(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<Request>>>,
    script: Arc<impl Fn(usize, &Request) -> Reply>,
) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8(text).unwrap();
    let header = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let request = Request {
        path: text.split(' ').nth(1).unwrap().to_owned(),
        from: header("range").map(|range| range[6..].trim_end_matches('-').parse().unwrap()),
        authorization: header("authorization"),
    };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    let reply = script(number, &request);
    let _ = stream.write_all(format!("{}Connection: close\r\n\r\n", reply.head).as_bytes()).await;
    let _ = stream.write_all(&reply.body).await;
    match reply.end {
        End::Close => {}
        // Until the client gives up.
        End::Hold => drop(stream.read(&mut [0]).await),
        End::Repeat => while stream.write_all(&reply.body).await.is_ok() {},
    }
}

/// A cache in a folder of its own, with little patience, and what it told.
pub struct Bench {
    pub dir: TempDir,
    pub cache: Cache,
    pub events: Events,
}

#[derive(Default)]
pub struct Events(Mutex<Vec<Event>>);

impl EventSink for Events {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Events {
    /// `(bytes, cached)` of each finished download.
    pub fn finished(&self) -> Vec<(u64, bool)> {
        let pick = |event: &Event| match event {
            Event::DownloadFinished { bytes, cached, .. } => Some((*bytes, *cached)),
            _ => None,
        };
        self.0.lock().unwrap().iter().filter_map(pick).collect()
    }

    /// The last total that was told.
    pub fn total(&self) -> Option<u64> {
        let pick = |event: &Event| match event {
            Event::DownloadProgressed { total, .. } => *total,
            _ => None,
        };
        self.0.lock().unwrap().iter().rev().find_map(pick)
    }
}

pub fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        read: Duration::from_secs(20),
        overall: Duration::from_mins(1),
        tries: 3,
        backoff: Duration::from_millis(5),
        largest: 1 << 30,
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(patience())
    }

    pub fn with(patience: Patience) -> Self {
        let dir = TempDir::new().unwrap();
        let cache = Cache::with_patience(dir.path().join("artifacts"), patience);
        Self { dir, cache, events: Events::default() }
    }

    pub async fn fetch(&self, artifact: &Artifact) -> Result<Vec<u8>, Error> {
        fetch(artifact, &self.cache, &self.events).await.map(|path| std::fs::read(path).unwrap())
    }

    /// The bytes of the unfinished download, if there is one.
    pub fn part(&self, artifact: &Artifact) -> Option<Vec<u8>> {
        std::fs::read(self.cache.part_path(&artifact.sha256)).ok()
    }

    /// Leaves an unfinished download, as a killed run does.
    pub fn leave_part(&self, artifact: &Artifact, bytes: &[u8]) {
        let path = self.cache.part_path(&artifact.sha256);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// An artifact at `source` that must come to `bytes`.
pub fn artifact(source: impl Into<String>, bytes: &[u8]) -> Artifact {
    Artifact {
        product: "etcd".into(),
        version: "3.5.6".into(),
        source: source.into(),
        sha256: Sha256Digest::of(bytes),
    }
}

/// 300 kB that no one takes for text.
pub fn payload() -> Vec<u8> {
    (0..75_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}
