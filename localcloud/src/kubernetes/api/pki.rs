//! A cluster's own certificates: its authority and its administrator's, kept in its folder for the
//! owner's eyes only; the server's, new at each start.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::folder::{self, private_file};

/// What proves a cluster to its clients, and its administrator to it.
pub(crate) struct Certificates {
    pub(crate) authority: String,
    pub(crate) client: String,
    pub(crate) client_key: String,
    pub(crate) server: Arc<ServerConfig>,
}

impl Certificates {
    /// Reads the certificates of a folder; what is not there is made.
    pub(crate) fn open(folder: &Path, cluster: &str) -> anyhow::Result<Self> {
        folder::make(folder).with_context(|| format!("could not make {}", folder.display()))?;
        let authority_key = kept(folder, "ca.key", || Ok(KeyPair::generate()?.serialize_pem()))?;
        let key = KeyPair::from_pem(&authority_key).context("ca.key does not hold a private key")?;
        let authority = kept(folder, "ca.crt", || Ok(authority(cluster).self_signed(&key)?.pem()))?;
        let issuer = Issuer::new(self::authority(cluster), key);
        let client_key = kept(folder, "client.key", || Ok(KeyPair::generate()?.serialize_pem()))?;
        let client = kept(folder, "client.crt", || {
            let key = KeyPair::from_pem(&client_key)?;
            Ok(leaf("kubernetes-admin", ExtendedKeyUsagePurpose::ClientAuth)?.signed_by(&key, &issuer)?.pem())
        })?;
        let server = Arc::new(server(&authority, &issuer)?);
        Ok(Self { authority, client, client_key, server })
    }
}

fn authority(cluster: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, format!("{cluster} local cluster authority"));
    parameters
}

fn leaf(name: &str, usage: ExtendedKeyUsagePurpose) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters =
        CertificateParams::new(vec!["127.0.0.1".to_owned(), "::1".to_owned(), "localhost".to_owned()])?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "system:masters");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![usage];
    Ok(parameters)
}

/// Clients may come without a certificate: they are told 401 in Kubernetes' words. One that another
/// authority signed ends the handshake.
fn server(authority: &str, issuer: &Issuer<'_, KeyPair>) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(
        CertificateDer::from_pem_slice(authority.as_bytes()).context("ca.crt does not hold a certificate")?,
    )?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let key = KeyPair::generate()?;
    let certificate = leaf("kube-apiserver", ExtendedKeyUsagePurpose::ServerAuth)?.signed_by(&key, issuer)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The text of a file, written once, for the owner only.
fn kept(folder: &Path, name: &str, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
    }
    let text = make()?;
    // Written aside and renamed: a kill leaves a whole file or none.
    let fresh = folder.join(format!("{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = private_file().create(true).write(true).truncate(true).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&fresh, &path)
    };
    write().with_context(|| format!("could not write {}", path.display()))?;
    Ok(text)
}
