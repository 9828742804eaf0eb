//! Probes over TLS: a page that offers HTTP/2, and forgets a connection once it has answered over it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::Acceptor;

use crate::{started, tick};

/// One connection, as the page saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// The protocols that the client offered.
    offered: Vec<String>,
    /// What was agreed on, and the head of the first request; nothing where the handshake failed.
    asked: Option<(String, String)>,
}

/// A page over TLS that would rather speak HTTP/2.
struct Page {
    url: String,
    /// The certificate, as `SSL_CERT_FILE` names it.
    trust: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Page {
    async fn start(name: &str) -> Self {
        let (certificate, key) = certificate();
        let trust = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
        let text = aws_smithy_types::base64::encode(&certificate);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        std::fs::write(&trust, pem).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate)], PrivatePkcs8KeyDer::from(key).into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/ready", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&config), Arc::clone(&record)));
            }
        });
        Self { url, trust, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers one request, keeps the connection open and says nothing on it any more.
async fn serve(stream: TcpStream, config: Arc<ServerConfig>, record: Arc<Mutex<Vec<Seen>>>) {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.unwrap();
    let hello = start.client_hello();
    let offered = hello.alpn().into_iter().flatten();
    let offered = offered.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let note = |asked| record.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { offered, asked });
    let Ok(stream) = start.into_stream(config).await else { return note(None) };
    let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default();
    let agreed = String::from_utf8_lossy(agreed).into_owned();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|n| n > 0) {}
    note((!head.is_empty()).then_some((agreed, head)));
    let answer = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok";
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.flush().await;
    std::future::pending::<()>().await;
}

/// A certificate of 127.0.0.1 that vouches for itself, and its key, both in DER.
fn certificate() -> (Vec<u8>, Vec<u8>) {
    const ECDSA_WITH_SHA256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    const EC_PUBLIC_KEY: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    const PRIME256V1: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const COMMON_NAME: &[u8] = &[6, 3, 0x55, 4, 3];
    const ALTERNATIVE_NAME: &[u8] = &[6, 3, 0x55, 0x1d, 0x11];
    const SEQUENCE: u8 = 0x30;
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
    // Bits begin with how many of the last octet are unused.
    let bits = |bytes: &[u8]| der(3, &[&[0], bytes]);
    let algorithm = der(SEQUENCE, &[ECDSA_WITH_SHA256]);
    let name = der(SEQUENCE, &[&der(0x31, &[&der(SEQUENCE, &[COMMON_NAME, &der(0x0c, &[b"probe"])])])]);
    let validity = der(SEQUENCE, &[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"491231235959Z"])]);
    let public =
        der(SEQUENCE, &[&der(SEQUENCE, &[EC_PUBLIC_KEY, PRIME256V1]), &bits(pair.public_key().as_ref())]);
    let names = der(4, &[&der(SEQUENCE, &[&der(0x87, &[&[127, 0, 0, 1]])])]);
    let extensions = der(0xa3, &[&der(SEQUENCE, &[&der(SEQUENCE, &[ALTERNATIVE_NAME, &names])])]);
    let (version, serial) = (der(0xa0, &[&der(2, &[&[2]])]), der(2, &[&[1]]));
    let signed =
        der(SEQUENCE, &[&version, &serial, &algorithm, &name, &validity, &name, &public, &extensions]);
    let signature = pair.sign(&random, &signed).unwrap();
    (der(SEQUENCE, &[&signed, &algorithm, &bits(signature.as_ref())]), key.as_ref().to_vec())
}

/// One value in DER: its tag, its length, its parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match length {
        [0, short @ 0..=0x7f] => vec![short],
        [0, low] => vec![0x81, low],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), &content].concat()
}

/// Over HTTP/2, or over a connection that is kept, one that died would answer for all confirmations.
#[tokio::test]
async fn each_probe_over_tls_is_a_fresh_connection_that_offers_http_1_1_alone() {
    let page = Page::start("trusted").await;
    let trust = page.trust.to_str().unwrap();
    let variables = [("HEALTH_ENDPOINTS", page.url.as_str()), ("SSL_CERT_FILE", trust)];
    let (_aws, _server, mut lambda, function) = started(&variables).await;
    for look in 1..=4 {
        let body = tick(&mut lambda).await;
        assert_eq!(body["reason"], "primary-healthy", "{body}");
        assert_eq!(page.seen().len(), look);
    }
    for Seen { offered, asked } in page.seen() {
        assert_eq!(offered, ["http/1.1"]);
        let (agreed, head) = asked.unwrap();
        assert_eq!(agreed, "http/1.1");
        assert!(head.starts_with("GET /ready HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{head}");
    }
    function.log().await;
}

/// Whoever answers there is not the page that was meant.
#[tokio::test]
async fn a_page_whose_certificate_nobody_vouches_for_does_not_answer() {
    let (page, other) = (Page::start("unknown").await, Page::start("other").await);
    let trust = other.trust.to_str().unwrap();
    let variables = [("HEALTH_ENDPOINTS", page.url.as_str()), ("SSL_CERT_FILE", trust)];
    let (aws, _server, mut lambda, function) = started(&variables).await;
    let body = crate::response(&mut lambda, serde_json::json!({"action": "status"})).await;
    assert_eq!(body["primary"]["health"], "unhealthy", "{body}");
    assert!(body["message"].as_str().unwrap().contains("the probes get no answer"), "{body}");
    assert!(page.seen().iter().all(|seen| seen.asked.is_none()), "nothing is asked of a stranger");
    assert_eq!(aws.world().writes().count(), 0);
    function.log().await;
}
