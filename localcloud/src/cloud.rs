//! One local cloud: opens the state, starts all services, and serves them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::access::{self, Access};
use crate::activity::Activity;
use crate::admin::Admin;
use crate::artifact_registry::ArtifactRegistry;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::compute::Compute;
use crate::container::{Container, Surroundings};
use crate::environment::Endpoints;
use crate::folder;
use crate::gke;
use crate::iam::{Iam, Propagation, Use};
use crate::journal::Journal;
use crate::metadata::Metadata;
use crate::monitoring::Monitoring;
use crate::pubsub::Pubsub;
use crate::resource_manager::ResourceManager;
use crate::secret_manager::SecretManager;
use crate::server::{self, Server};
use crate::service_usage::{Gate, ServiceUsage};
use crate::storage::{Storage, Tending};

const TABLE: &str = "cloud";

/// What a local cloud is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `.provision/local`: all its state. No two local clouds may share one.
    pub folder: PathBuf,
    /// The stack's folder: where pods run commands.
    pub working_folder: PathBuf,
    /// What a container without a command of its own runs: the `worker` program.
    pub worker_program: PathBuf,
    /// The port on 127.0.0.1; 0 is the one of last time, or any.
    pub port: u16,
}

/// A local cloud that runs in this process.
pub struct Cloud {
    endpoints: Endpoints,
    port: u16,
    token: String,
    server: Server,
    activity: Activity,
    container: Arc<Container>,
    clock: Clock,
    calls: Calls,
    iam: Arc<Iam>,
    storage: Arc<Storage>,
    tending: Tending,
    stop_asked: CancellationToken,
}

impl Cloud {
    /// Starts it, with everything that it knew when it stopped.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let Settings { folder, working_folder, worker_program, port } = settings;
        let unusable = || format!("can't use {} for the local cloud's state", folder.display());
        folder::prepare(&folder).with_context(unusable)?;
        let folder = folder.canonicalize().with_context(unusable)?;
        let (journal, mut tables) = Journal::open(&folder.join("journal")).with_context(unusable)?;

        let last_port = tables.take::<u16>(TABLE)?.remove("port");
        let listener = server::bind(port, last_port)
            .await
            .with_context(|| format!("can't listen on 127.0.0.1:{port}"))?;
        let port = listener.local_addr()?.port();
        if last_port != Some(port) {
            journal.put(TABLE, "port", &port)?;
        }
        let endpoints = Endpoints { url: format!("http://127.0.0.1:{port}"), folder: folder.clone() };

        let clock = Clock::open(&journal, &mut tables)?;
        let iam = Iam::open(&journal, &mut tables, &clock)?;
        let calls = Calls::new(&clock, access::principals(&iam));
        let projects = ResourceManager::open(&journal, &mut tables, &clock, &iam)?;
        let pubsub = Pubsub::open(&journal, &mut tables, &clock, &iam)?;
        let storage = Storage::open(&journal, &mut tables, &clock, &iam, &folder)?;
        storage.serve_at(endpoints.url.clone());
        let secrets = SecretManager::open(&journal, &mut tables, &clock, &iam, &projects)?;
        let monitoring = {
            let pubsub = pubsub.clone();
            let backlogs = move || pubsub.status().into_iter().map(|of| (of.name, of.undelivered)).collect();
            Monitoring::new(&clock, Arc::new(backlogs))
        };
        let registry = ArtifactRegistry::open(&journal, &mut tables, &clock, &folder)?;
        let usage = ServiceUsage::open(&journal, &mut tables, &clock)?;
        let surroundings = Surroundings {
            folder,
            working_folder,
            worker_program,
            pod_environment: endpoints.emulators(),
            calls: calls.clone(),
            metadata: Metadata::new(&iam),
        };
        let container = Container::open(&journal, tables, &clock, &iam, surroundings).await?;

        let token = hex::encode(rand::random::<[u8; 32]>());
        let stop_asked = CancellationToken::new();
        let admin = Admin::new(&token, &endpoints, &container, &pubsub, &stop_asked);
        let steered = calls.admin(&clock).merge(container.admin()).merge(iam.admin()).merge(storage.admin());
        let compute = {
            let (running, ordered) = (container.clone(), container.clone());
            Compute {
                machines: Arc::new(move |project: &str, region: &str| running.machines(project, region)),
                quotas: Arc::new(move || ordered.orders().quotas),
            }
        };
        let rest = axum::Router::new()
            .merge(iam.rest())
            .merge(projects.rest())
            .merge(usage.rest())
            .merge(pubsub.rest())
            .merge(monitoring.rest())
            .merge(secrets.rest())
            .merge(registry.rest())
            .merge(compute.rest())
            .merge(storage.rest())
            .merge(container.rest())
            .merge(admin.rest(steered));
        let services = storage.grpc(pubsub.grpc(Routes::from(rest))).into_axum_router();
        let tending = storage.tend_daily();
        let activity = Activity::new();
        let access = Access::new(&iam, &projects, &pubsub, &secrets, &storage);
        let gate = {
            let storage = storage.clone();
            Gate::new(&usage, Arc::new(move |bucket: &str| storage.project_of(bucket)))
        };
        let services = services.layer(axum::middleware::from_fn_with_state(gate, Gate::pass));
        let frame = server::frame(services, port, activity.clone(), calls.clone(), access);
        let server = Server::start(listener, frame);
        Ok(Self {
            endpoints,
            port,
            token,
            server,
            activity,
            container,
            clock,
            calls,
            iam,
            storage,
            tending,
            stop_asked,
        })
    }

    /// `http://127.0.0.1:PORT`, of all Google services.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.endpoints.url
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What admin calls must carry.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.token
    }

    /// Where clients find it.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// What is called, and what goes wrong on purpose.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Has its GKE do something that no API asks for: hold operations, let them fail, run out of
    /// machines. Answers the orders that last.
    pub fn order(&self, order: &gke::Order) -> anyhow::Result<gke::Orders> {
        self.container.obey(order)
    }

    /// Its time, to be moved on or stopped.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// From now on, new service accounts and changes of policies take so long until they count.
    pub fn set_propagation(&self, propagation: Propagation) -> io::Result<()> {
        self.iam.set_propagation(propagation)
    }

    /// The bindings of policies that permitted something since it started, and what.
    #[must_use]
    pub fn uses(&self) -> Vec<Use> {
        self.iam.uses()
    }

    /// Has Google's limit on creating and deleting buckets (about one in two seconds for each
    /// project, else a 429) or, as at the start, none.
    pub fn limit_bucket_changes(&self, on: bool) {
        self.storage.limit_bucket_changes(on);
    }

    /// Ends pods, connections and services. What was acknowledged is there at the next start.
    pub async fn shutdown(self) {
        drop(self.tending);
        self.container.stop().await;
        self.server.stop().await;
    }

    /// Until an admin call asks for the end.
    pub(crate) async fn stop_asked(&self) {
        self.stop_asked.cancelled().await;
    }

    /// For how long nobody asked for anything and nothing ran.
    pub(crate) fn idle(&self) -> Duration {
        let others = self.container.idle();
        if others.is_zero() {
            self.activity.touch();
        }
        self.activity.idle().min(others)
    }
}
