//! Asks the web whether inputs are still what was read, under the same rules as when they were:
//! `worker revisit`, which `provision runs retry --only stale` calls.

use contract::{HttpConfig, Input, InputState};
use futures::StreamExt as _;
use reqwest::header::{HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::timeout;

use super::Web;
use super::retry::Failed;
use crate::etl::host::Host;

/// Pages asked for at the same time.
const PARALLEL: usize = 8;

/// What is asked.
#[derive(Debug, Deserialize)]
pub struct Revisit {
    /// How the job asks the web.
    #[serde(default)]
    pub http: Option<HttpConfig>,
    /// What was read.
    pub inputs: Vec<Input>,
}

/// What became of each input.
pub async fn revisit(question: &Revisit, host: &Host) -> Vec<InputState> {
    let web = match Web::new(question.http.as_ref(), host) {
        Ok(web) => web,
        Err(wrong) => {
            let unknown = InputState::Unknown(format!("the web cannot be asked: {}", wrong.join("; ")));
            return vec![unknown; question.inputs.len()];
        }
    };
    let states = question.inputs.iter().map(|input| web.revisit(input));
    futures::stream::iter(states).buffered(PARALLEL).collect().await
}

impl Web {
    async fn revisit(&self, input: &Input) -> InputState {
        let unknown = |why: &str| InputState::Unknown(why.to_owned());
        let Some(condition) = condition(input) else {
            return unknown("its page gave neither ETag nor Last-Modified");
        };
        let Ok(url) = Url::parse(&input.uri) else { return unknown("the address of its page is broken") };
        match timeout(self.timeout, self.reach(&url, &condition)).await {
            Ok(Ok(answer)) => state(input, &answer),
            Ok(Err(Failed::Never(error) | Failed::Later(error, _))) => {
                tracing::debug!("cannot revisit an input: {error:#}");
                unknown("its page cannot be asked for from here")
            }
            Err(_) => unknown("its page does not answer"),
        }
    }
}

/// What asks for the page only if it is another one; none if nothing tells which it was.
fn condition(input: &Input) -> Option<HeaderMap> {
    let (name, text) = match (&input.etag, &input.last_modified) {
        (Some(etag), _) => (IF_NONE_MATCH, etag),
        (None, Some(date)) => (IF_MODIFIED_SINCE, date),
        (None, None) => return None,
    };
    Some([(name, HeaderValue::from_str(text).ok()?)].into_iter().collect())
}

fn state(input: &Input, answer: &Response) -> InputState {
    let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let compared = |then: &Option<String>, now: Option<&str>| match (then, now) {
        (Some(then), Some(now)) if then == now => Some(InputState::Same),
        (Some(_), Some(_)) => Some(InputState::Changed),
        _ => None,
    };
    match answer.status() {
        StatusCode::NOT_MODIFIED => InputState::Same,
        StatusCode::NOT_FOUND | StatusCode::GONE => InputState::Gone,
        // Not every server heeds conditions.
        status if status.is_success() => compared(&input.etag, text("etag"))
            .or_else(|| compared(&input.last_modified, text("last-modified")))
            .unwrap_or_else(|| InputState::Unknown("its page gives no identity any more".to_owned())),
        status => InputState::Unknown(format!("its page answers {status}")),
    }
}
