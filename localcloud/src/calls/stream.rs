//! What goes on within a stream: every acknowledgement, every change of a deadline, every delivery is
//! a call of its own, which is noted and struck like others.

use std::sync::Arc;

use tonic::Status;

use super::Calls;
use super::call::Call;
use super::connection::Connection;
use super::fault::Moment;
use super::log;
use super::methods::{self, Method};
use super::passage::Passage;

/// In the extensions of every request: whose it is, for what goes on within it.
#[derive(Clone)]
pub(crate) struct Within {
    calls: Calls,
    call: Call,
    connection: Option<Connection>,
}

/// Actions of one kind that passed the point before their effect.
#[derive(Default)]
pub(crate) struct Actions(Vec<Passage>);

impl Within {
    pub(super) fn new(calls: &Calls, call: &Call, connection: Option<&Connection>) -> Self {
        Self { calls: calls.clone(), call: call.clone(), connection: connection.cloned() }
    }

    /// Lets `count` actions of a method of the table pass the point before their effect. One that
    /// fails ends the stream.
    pub(crate) async fn before(&self, method: &str, count: usize) -> Result<Actions, Status> {
        let Some(method) = methods::named(method) else { return Ok(Actions::default()) };
        let mut actions = Actions(Vec::with_capacity(count));
        for _ in 0..count {
            let mut action = self.begin(method);
            if let Err(stopped) = action.pass(Moment::Before).await {
                return Err(stopped.status().await);
            }
            actions.0.push(action);
        }
        Ok(actions)
    }

    fn begin(&self, method: &'static Method) -> Passage {
        let call = Call { method, resource: Arc::clone(&self.call.resource), ..self.call.clone() };
        self.calls.begin(call, self.connection.clone())
    }
}

impl Actions {
    /// They took effect: lets them pass the point after it.
    pub(crate) async fn after(self) -> Result<(), Status> {
        for mut action in self.0 {
            action.effected(log::Status::Grpc(tonic::Code::Ok));
            if let Err(stopped) = action.pass(Moment::After).await {
                return Err(stopped.status().await);
            }
            action.answered();
        }
        Ok(())
    }
}
