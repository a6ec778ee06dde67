//! What the environment decides: proxies and certificates. It is read once a process, so each case is a process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

use crate::server::{Bench, Reply, Server, artifact, payload};

const SOURCE: &str = "KUBOARD_HA_TEST_SOURCE";

/// The child's half of the tests below: fetches what `SOURCE` names and prints the outcome. Does nothing in the
/// run that a person starts.
#[tokio::test]
async fn child_fetches_what_its_environment_names() {
    let Ok(source) = std::env::var(SOURCE) else { return };
    match Bench::new().fetch(&artifact(source, &payload())).await {
        Ok(bytes) => println!("outcome: {} bytes", bytes.len()),
        Err(error) => println!("outcome: {}: {error}", error.kind()),
    }
}

/// The outcome of a fetch in a process with just these variables.
async fn outcome(source: &str, variables: &[(&str, &str)]) -> String {
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environment::child_fetches_what_its_environment_names", "--nocapture"])
        .env_clear()
        .env(SOURCE, source)
        .envs(variables.iter().copied())
        .output();
    let Output { stdout, stderr, .. } = child.await.unwrap();
    let text = String::from_utf8(stdout).unwrap();
    match text.split_once("outcome: ") {
        Some((_, rest)) => rest.lines().next().unwrap().to_owned(),
        None => panic!("{text}\n{}", String::from_utf8_lossy(&stderr)),
    }
}

async fn server() -> Server {
    let body = payload();
    Server::start(move |_, _| Reply::whole(&body)).await
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_and_no_proxy_is_honoured() {
    let (proxy, direct) = (server().await, server().await);
    let http_proxy = format!("http://{}", proxy.address);
    let far = outcome("http://mirror.invalid/a", &[("http_proxy", &http_proxy)]).await;
    assert_eq!(far, "300000 bytes");
    assert_eq!(proxy.requests()[0].path, "http://mirror.invalid/a");
    let variables = [("http_proxy", http_proxy.as_str()), ("no_proxy", "127.0.0.1")];
    assert_eq!(outcome(&format!("http://{}/a", direct.address), &variables).await, "300000 bytes");
    assert_eq!((proxy.requests().len(), direct.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let proxy = Server::start(|_, _| Reply::status("407 Proxy Authentication Required")).await;
    let address = format!("http://{}", proxy.address);
    let variables = [("https_proxy", address.as_str()), ("http_proxy", address.as_str())];
    for source in ["https://mirror.invalid/a", "http://mirror.invalid/a"] {
        let told = outcome(source, &variables).await;
        assert!(told.starts_with("proxy: "), "{told}");
    }
}

#[tokio::test]
async fn a_machine_without_certificates_fetches_by_http_and_says_why_not_by_https() {
    let (server, empty) = (server().await, TempDir::new().unwrap());
    let variables = [("SSL_CERT_DIR", empty.path().to_str().unwrap())];
    assert_eq!(outcome(&format!("http://{}/", server.address), &variables).await, "300000 bytes");
    let told = outcome("https://127.0.0.1:1/", &variables).await;
    assert!(told.starts_with("tls: ") && told.contains("No CA certificates"), "{told}");
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_used_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ca.pem");
    let path = path.to_str().unwrap();
    for content in
        [None, Some("no certificate"), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    {
        if let Some(content) = content {
            std::fs::write(path, content).unwrap();
        }
        let told = outcome("https://127.0.0.1:1/", &[("SSL_CERT_FILE", path)]).await;
        assert!(told.starts_with("tls: ") && told.contains(path), "{content:?}: {told}");
    }
}

/// A server of https on loopback, with a certificate of a private authority.
struct Private {
    dir: TempDir,
    address: String,
    server: Child,
    /// It tells what it serves, and would die of a closed pipe.
    _said: BufReader<ChildStdout>,
}

impl Private {
    /// Serves the payload as `/a`. `None` where openssl is missing.
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    fn start() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "openssl is missing: apt-get install openssl");
            eprintln!("SKIPPED: openssl is missing (apt-get install openssl)");
            return None;
        }
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("a"), payload()).unwrap();
        let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        openssl(dir.path(), &format!("{new} -x509 -subj /CN=Lab -keyout ca.key -out ca.pem"));
        openssl(dir.path(), &format!("{new} -subj /CN=mirror -keyout key.pem -out request.pem"));
        std::fs::write(dir.path().join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(
            dir.path(),
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
        );
        let mut server = Command::new("openssl")
            .args("s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem -WWW".split(' '))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "openssl s_server does not listen");
        }
        let address = line["ACCEPT ".len()..].trim().to_owned();
        Some(Self { dir, address, server, _said: said })
    }

    fn authority(&self) -> String {
        self.dir.path().join("ca.pem").to_str().unwrap().to_owned()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn openssl(dir: &Path, arguments: &str) {
    let ran = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
    assert!(ran.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_the_environment_names_it() {
    let Some(server) = Private::start() else { return };
    let source = format!("https://{}/a", server.address);
    let authority = server.authority();
    assert_eq!(outcome(&source, &[("SSL_CERT_FILE", &authority)]).await, "300000 bytes");
    let stranger = outcome(&source, &[]).await;
    assert!(stranger.starts_with("tls: "), "{stranger}");
}
