//! Where a service's calls go and who makes them.

use std::sync::OnceLock;
use std::time::Duration;

use google_cloud_auth::credentials::{Builder, Credentials, anonymous, mds};
use google_cloud_gax::client_builder;
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicyExt};
use google_cloud_pubsub::client::{BasePublisher, Subscriber};
use google_cloud_pubsub::retry_policy::RetryableErrors as PublishErrors;
use google_cloud_secretmanager_v1::client::SecretManagerService;
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::retry_policy::RetryableErrors;

/// Longest that one object operation is retried.
const RETRY_LIMIT: Duration = Duration::from_mins(1);

/// Longest wait for a token.
const TOKEN_LIMIT: Duration = Duration::from_secs(10);

/// An endpoint and the credentials for it.
#[derive(Clone, Debug)]
pub struct Target {
    /// `http://host:port`, or none for Google's own.
    pub endpoint: Option<String>,
    /// Who calls.
    pub credentials: Credentials,
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No credentials anywhere that Google's libraries look.
    #[error(
        "no Google Cloud credentials: run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS ({0})"
    )]
    NoCredentials(String),
    /// The client refused its own settings.
    #[error("cannot build a client: {0}")]
    Client(#[from] client_builder::Error),
}

impl Target {
    /// Google's own endpoint with Application Default Credentials.
    pub fn google() -> Result<Self, TargetError> {
        let credentials =
            Builder::default().build().map_err(|e| TargetError::NoCredentials(e.to_string()))?;
        Ok(Self { endpoint: None, credentials })
    }

    /// Asks for a token once, so that missing credentials are told as such, and soon: the calls
    /// themselves would go on trying.
    pub async fn check(&self) -> Result<(), TargetError> {
        let token = self.credentials.headers(http::Extensions::new());
        match tokio::time::timeout(TOKEN_LIMIT, token).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(TargetError::NoCredentials(innermost(&error))),
            Err(_) => Err(TargetError::NoCredentials(format!("no answer for {} s", TOKEN_LIMIT.as_secs()))),
        }
    }

    /// An emulator or the local cloud: no credentials.
    #[must_use]
    pub fn anonymous(endpoint: &str) -> Self {
        let scheme = if endpoint.contains("://") { "" } else { "http://" };
        let endpoint = format!("{scheme}{}", endpoint.trim_end_matches('/'));
        Self { endpoint: Some(endpoint), credentials: anonymous::Builder::new().build() }
    }

    /// The emulator that `variable` names (`PUBSUB_EMULATOR_HOST`, `STORAGE_EMULATOR_HOST`: no
    /// official Rust client reads them), or Google. Where `GCE_METADATA_HOST` names a metadata server
    /// as well, as for the local cloud's pods, its tokens say who calls; an emulator without one
    /// asks nobody.
    pub fn from_variable(variable: &str) -> Result<Self, TargetError> {
        let given = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        match given(variable) {
            Some(endpoint) => {
                let anonymous = Self::anonymous(&endpoint);
                match given("GCE_METADATA_HOST") {
                    Some(_) => Ok(Self { credentials: of_the_metadata_server()?, ..anonymous }),
                    None => Ok(anonymous),
                }
            }
            None => Self::google(),
        }
    }

    /// The two clients of Cloud Storage: object bodies, and everything else.
    pub async fn storage(&self) -> Result<(Storage, StorageControl), TargetError> {
        install_tls();
        let retry = || RetryableErrors.with_time_limit(RETRY_LIMIT);
        let mut data =
            Storage::builder().with_credentials(self.credentials.clone()).with_retry_policy(retry());
        let mut control =
            StorageControl::builder().with_credentials(self.credentials.clone()).with_retry_policy(retry());
        if let Some(endpoint) = &self.endpoint {
            data = data.with_endpoint(endpoint);
            control = control.with_endpoint(endpoint);
        }
        Ok((data.build().await?, control.build().await?))
    }

    /// The client that publishes.
    pub async fn publisher(&self) -> Result<BasePublisher, TargetError> {
        install_tls();
        let retry = PublishErrors.with_time_limit(RETRY_LIMIT);
        let mut builder =
            BasePublisher::builder().with_credentials(self.credentials.clone()).with_retry_policy(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        Ok(builder.build().await?)
    }

    /// The client of Secret Manager.
    pub async fn secrets(&self) -> Result<SecretManagerService, TargetError> {
        install_tls();
        let retry = Aip194Strict.with_time_limit(RETRY_LIMIT);
        let mut builder = SecretManagerService::builder()
            .with_credentials(self.credentials.clone())
            .with_retry_policy(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        Ok(builder.build().await?)
    }

    /// The client that pulls.
    pub async fn subscriber(&self) -> Result<Subscriber, TargetError> {
        install_tls();
        let mut builder = Subscriber::builder().with_credentials(self.credentials.clone());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        Ok(builder.build().await?)
    }
}

/// Tokens of the metadata server that `GCE_METADATA_HOST` names. It may be absent for the first
/// moments of a pod.
fn of_the_metadata_server() -> Result<Credentials, TargetError> {
    install_tls();
    let retry = Aip194Strict.with_time_limit(TOKEN_LIMIT);
    let credentials = mds::Builder::default().with_retry_policy(retry).build();
    credentials.map_err(|e| TargetError::NoCredentials(e.to_string()))
}

/// The root of a chain of errors: the libraries above it repeat themselves.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

/// The clients panic without a TLS provider, even for `http://`. Whoever installs first wins, and
/// everybody here means ring.
fn install_tls() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
