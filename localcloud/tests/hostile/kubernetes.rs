//! The TLS port of a cluster: who is let in, and what those outside can do.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::{Answer, Wire};
use crate::{Local, cluster};

/// What the kubeconfig says, which only the folder's owner can read.
struct Access {
    port: u16,
    authority: String,
    certificate: String,
    key: String,
}

struct Scene {
    local: Local,
    client: kube::Client,
    access: Access,
}

impl Scene {
    async fn start() -> Self {
        let local = Local::start().await;
        let state = local.folder.path().join(".provision/local");
        let client = cluster(&local.rest(), &state).await;
        let config = std::fs::read(state.join("kubeconfig")).expect("a kubeconfig");
        let config: Value = serde_json::from_slice(&config).expect("JSON");
        let text =
            |pointer: &str| config.pointer(pointer).and_then(Value::as_str).expect("a field").to_owned();
        let pem = |pointer: &str| {
            let bytes = BASE64_STANDARD.decode(text(pointer)).expect("base64");
            String::from_utf8(bytes).expect("PEM")
        };
        let server = text("/clusters/0/cluster/server");
        let access = Access {
            port: server.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port"),
            authority: pem("/clusters/0/cluster/certificate-authority-data"),
            certificate: pem("/users/0/user/client-certificate-data"),
            key: pem("/users/0/user/client-key-data"),
        };
        Self { local, client, access }
    }

    async fn a_healthy_client_goes_on(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let begun = Instant::now();
        namespaces.list(&ListParams::default()).await.expect("namespaces");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

impl Access {
    /// A connection with a certificate and its key, or without.
    async fn connect(&self, shown: Option<(&str, &str)>) -> std::io::Result<Wire<TlsStream<TcpStream>>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).expect("PEM")).expect("a root");
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match shown {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                config.with_client_auth_cert(chain, key).expect("a config")
            }
        };
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        Ok(Wire(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }

    /// None if there is no answer at all.
    async fn ask(&self, shown: Option<(&str, &str)>, headers: &str) -> Option<Answer> {
        let mut wire = self.connect(shown).await.ok()?;
        wire.say(format!("GET /api/v1/namespaces HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).await;
        wire.answer().await
    }
}

/// A certificate for a name, signed by an authority whose certificate and key these are.
fn sign(authority: &str, authority_key: &str, name: &str) -> (String, String) {
    let issuer_key = KeyPair::from_pem(authority_key).expect("a key");
    let issuer = if authority.is_empty() {
        Issuer::new(CertificateParams::default(), issuer_key)
    } else {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, authority);
        Issuer::new(parameters, issuer_key)
    };
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::OrganizationName, "system:masters");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let signed = parameters.signed_by(&key, &issuer).expect("a certificate");
    (signed.pem(), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_administrators_own_certificate_lets_in() {
    let scene = Scene::start().await;
    let access = &scene.access;
    let host = format!("Host: 127.0.0.1:{}", access.port);
    let ours = (access.certificate.as_str(), access.key.as_str());
    assert_eq!(access.ask(Some(ours), &host).await.map(|answer| answer.status), Some(200));

    let refused = access.ask(None, &host).await.expect("an answer");
    assert_eq!((refused.status, refused.json()["reason"].clone()), (401, json!("Unauthorized")));
    let (foreign, foreign_key) =
        sign("", &KeyPair::generate().expect("a key").serialize_pem(), "kubernetes-admin");
    assert!(
        access.ask(Some((&foreign, &foreign_key)), &host).await.is_none(),
        "of an authority of their own"
    );

    // Signed by the cluster's own authority, for somebody else, and for somebody of the same name.
    let folder = scene.local.folder.path().join(".provision/local/clusters");
    let key = find(&folder, "ca.key").expect("the authority's key");
    let authority = common_name(&folder);
    for name in ["eve", "kube-apiserver", "kubernetes-admin"] {
        let (other, other_key) = sign(&authority, &key, name);
        let answer = access.ask(Some((&other, &other_key)), &host).await;
        assert!(answer.is_none_or(|answer| answer.status == 401), "{name} is let in");
    }
}

fn find(folder: &std::path::Path, name: &str) -> Option<String> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| match entry.path() {
        path if path.ends_with(name) => std::fs::read_to_string(path).ok(),
        path if path.is_dir() => find(&path, name),
        _ => None,
    })
}

/// As the authority is called; its folder is called for the cluster.
fn common_name(folder: &std::path::Path) -> String {
    let certificate = find(folder, "ca.crt").expect("the authority");
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let text = String::from_utf8_lossy(&der).into_owned();
    let end = text.find(" local cluster authority").expect("its name");
    let start =
        text[..end].rfind(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).map_or(0, |at| at + 1);
    format!("{} local cluster authority", &text[start..end])
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_foreign_names_are_refused_even_with_the_certificate() {
    let scene = Scene::start().await;
    let access = &scene.access;
    let ours = Some((access.certificate.as_str(), access.key.as_str()));
    let host = format!("Host: 127.0.0.1:{}", access.port);
    for headers in [
        "Host: evil.example".to_owned(),
        format!("Host: evil.example:{}", access.port),
        "Host: 127.0.0.1:1".to_owned(),
        format!("{host}\r\nHost: evil.example"),
        format!("{host}\r\nOrigin: https://evil.example"),
        format!("{host}\r\nOrigin: null"),
        format!("{host}\r\nSec-Fetch-Site: cross-site"),
        format!("{host}\r\nSec-Fetch-Site: same-site"),
    ] {
        let answer = access.ask(ours, &headers).await.expect("an answer");
        assert_eq!((answer.status, answer.json()["reason"].clone()), (403, json!("Forbidden")), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_left_before_or_after_the_handshake_keep_nobody_out() {
    let scene = Scene::start().await;
    let mut left = Vec::new();
    let mut shaken = Vec::new();
    for number in 0..1500 {
        let mut wire =
            Wire(TcpStream::connect(("127.0.0.1", scene.access.port)).await.expect("a connection"));
        // The beginning of a TLS record, plain HTTP, or nothing.
        wire.say([&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"][number % 3]).await;
        left.push(wire);
        if number % 50 == 0 {
            shaken.push(scene.access.connect(None).await.expect("a handshake"));
            scene.a_healthy_client_goes_on().await;
        }
    }
    scene.a_healthy_client_goes_on().await;
    let ends = left[..3].iter_mut().map(|wire| wire.ends_within(Duration::from_secs(20)));
    assert_eq!(futures::future::join_all(ends).await, [true; 3]);
    for wire in &mut shaken[..1] {
        assert!(wire.ends_within(Duration::from_secs(20)).await, "nothing was asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_wrong_too_long_or_too_deep_get_a_status_that_says_so() {
    let scene = Scene::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let deep = |levels: usize| {
        format!(
            r#"{{"metadata":{{"name":"deep","annotations":{}1{}}}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let yaml_deep = format!("metadata: {}", "[".repeat(50_000));
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 0..12 {
        let (of, new) = (char::from(b'a' + level), char::from(b'b' + level));
        let _ = writeln!(bomb, "{new}: &{new} [{}]", vec![format!("*{of}"); 10].join(", "));
    }
    let long = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "x".repeat(4 << 20));
    for (what, kind, body, statuses) in [
        ("cut JSON", "application/json", "{".to_owned(), &[400][..]),
        ("a list", "application/json", "[]".to_owned(), &[400]),
        ("deep JSON", "application/json", deep(110), &[400]),
        ("deeper JSON", "application/json", deep(100_000), &[400]),
        ("deep YAML", "application/yaml", yaml_deep, &[400]),
        ("a bomb of aliases", "application/yaml", bomb, &[400]),
        ("no protobuf", "application/vnd.kubernetes.protobuf", "k8s\0\u{7f}\u{7f}".to_owned(), &[400]),
        ("an unknown type", "application/xml", "<a/>".to_owned(), &[415]),
        ("too much", "application/json", long, &[413]),
    ] {
        let request = http::Request::post(path)
            .header("content-type", kind)
            .body(body.into_bytes())
            .expect("a request");
        match scene.client.request::<Value>(request).await {
            Err(kube::Error::Api(status)) => assert!(statuses.contains(&status.code), "{what}: {status:?}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    // A patch that doubles the object with each operation.
    let create = http::Request::post(path)
        .body(br#"{"metadata":{"name":"m"},"data":{"a":"xxxxxxxxxxxxxxxx"}}"#.to_vec());
    scene.client.request::<Value>(create.expect("a request")).await.expect("a map");
    for operation in [
        json!({"op": "copy", "from": "/data", "path": "/data/b"}),
        json!({"op": "copy", "from": "", "path": "/data/c"}),
    ] {
        let operations = serde_json::to_vec(&vec![operation; 400]).expect("JSON");
        let request =
            http::Request::patch(format!("{path}/m")).header("content-type", "application/json-patch+json");
        match scene.client.request::<Value>(request.body(operations).expect("a request")).await {
            Err(kube::Error::Api(status)) => assert!(matches!(status.code, 400 | 413 | 422), "{status:?}"),
            other => panic!("{other:?}"),
        }
    }
    scene.a_healthy_client_goes_on().await;
    // What was stored meanwhile can be read at the next start.
    let Scene { local, .. } = scene;
    local.cloud.shutdown().await;
    let again =
        localcloud::Cloud::start(crate::settings(local.folder.path())).await.expect("it starts again");
    again.shutdown().await;
}
