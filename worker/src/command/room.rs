//! Watches what a program does to the disk while it runs.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use contract::{CommandConfig, size};

use super::tree;
use super::workplace::Workplace;
use crate::handler::{HandlerError, permanent};

/// How often it is looked at, at most.
const PAUSE: Duration = Duration::from_millis(250);
/// Part of the time that looking may take: one in so many.
const SHARE: u32 = 10;

/// Ends with the reason when the program takes more of the disk than it may.
pub(super) async fn exceeded(place: &Workplace, config: &CommandConfig) -> HandlerError {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let started = Instant::now();
        for (folder, variable, key, most) in [
            (place.output().ok(), "PROVISION_OUTPUT", "max_output", config.max_output),
            (place.temporary().ok(), "PROVISION_SCRATCH", "max_scratch", config.max_scratch),
        ] {
            // A program that has removed its own folder has nothing in it.
            let Some(folder) = folder else { continue };
            match measured(folder).await {
                Ok(bytes) if bytes <= most => {}
                Ok(_) => {
                    let most = size::print(most);
                    return permanent!("the command was ended: more than {most} in {variable} (`{key}`)");
                }
                Err(error) => return permanent!("the command was ended: {variable}: {error}"),
            }
        }
        pause = PAUSE.max(started.elapsed() * SHARE);
    }
}

/// Bytes of disk that everything below a folder takes.
async fn measured(folder: OwnedFd) -> Result<u64, HandlerError> {
    let measure = move || {
        let mut blocks = 0_u64;
        tree::walk(&folder, &mut |found| {
            blocks = blocks.saturating_add(u64::try_from(found.stat.st_blocks).unwrap_or(0));
            Ok(())
        })?;
        Ok(blocks.saturating_mul(512))
    };
    tokio::task::spawn_blocking(measure).await.unwrap_or(Ok(0))
}
