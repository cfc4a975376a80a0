//! Images that can't be pulled. No image is pulled here at all; those that are said to be broken fail
//! in a real kubelet's words.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::events::Recorder;
use super::super::kinds::POD;
use super::pod::NotStarted;

/// An image that can't be pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenImage {
    /// As containers name it.
    pub image: String,
    /// What the registry says; without it, that there is no such image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The images that can't be pulled now.
#[derive(Default)]
pub(super) struct Images(Mutex<Vec<BrokenImage>>);

impl Images {
    pub(super) fn set(&self, broken: Vec<BrokenImage>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = broken;
    }

    /// Pulls a container's image, which the registry may have refused to the node; what can't be
    /// pulled is told as a kubelet tells it.
    pub(super) fn pull(
        &self,
        recorder: &Recorder,
        pod: &Value,
        image: &str,
        refused: Option<String>,
    ) -> Result<(), NotStarted> {
        let Some(error) = refused.or_else(|| self.error(image)) else { return Ok(()) };
        recorder.normal(&POD, pod, "Pulling", &format!("Pulling image \"{image}\""));
        recorder.warning(&POD, pod, "Failed", &format!("Failed to pull image \"{image}\": {error}"));
        let message = format!("Back-off pulling image \"{image}\"");
        Err(NotStarted {
            reason: "ErrImagePull",
            message: error,
            meanwhile: Some(("ImagePullBackOff", message)),
        })
    }

    /// Why a broken image can't be pulled.
    fn error(&self, image: &str) -> Option<String> {
        let broken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = broken.iter().find(|broken| broken.image == image)?;
        let missing = || {
            format!(
                "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": \
                 failed to resolve reference \"{image}\": {image}: not found"
            )
        };
        Some(broken.error.clone().unwrap_or_else(missing))
    }
}
