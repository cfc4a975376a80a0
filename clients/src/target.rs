//! Where a service's calls go and who makes them.

use std::sync::OnceLock;
use std::time::Duration;

use google_cloud_auth::credentials::{
    Builder, CacheableResource, Credentials, CredentialsProvider, EntityTag, anonymous, impersonated, mds,
};
use google_cloud_auth::errors::CredentialsError;
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

/// A token that was given out once, and is not renewed.
#[derive(Debug)]
struct Token {
    headers: http::HeaderMap,
    tag: EntityTag,
}

impl CredentialsProvider for Token {
    async fn headers(
        &self,
        extensions: http::Extensions,
    ) -> Result<CacheableResource<http::HeaderMap>, CredentialsError> {
        Ok(match extensions.get::<EntityTag>() {
            Some(tag) if *tag == self.tag => CacheableResource::NotModified,
            _ => CacheableResource::New { entity_tag: self.tag.clone(), data: self.headers.clone() },
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
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
    /// An endpoint is no address.
    #[error("cannot connect: {0}")]
    Endpoint(#[from] tonic::transport::Error),
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

    /// The same place, for a service account that these credentials may act as.
    pub fn acting_as(self, account: &str) -> Result<Self, TargetError> {
        install_tls();
        let builder = impersonated::Builder::from_source_credentials(self.credentials);
        let credentials = builder.with_target_principal(account).build();
        let credentials = credentials.map_err(|e| TargetError::NoCredentials(e.to_string()))?;
        Ok(Self { credentials, ..self })
    }

    /// The same place, for whoever holds this token.
    pub fn with_token(self, token: &str) -> Result<Self, TargetError> {
        let value = http::HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|e| TargetError::NoCredentials(e.to_string()))?;
        value.set_sensitive(true);
        let headers = [(http::header::AUTHORIZATION, value)].into_iter().collect();
        Ok(Self { credentials: Token { headers, tag: EntityTag::new() }.into(), ..self })
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

    /// The official client that pulls.
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
pub(crate) fn install_tls() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
