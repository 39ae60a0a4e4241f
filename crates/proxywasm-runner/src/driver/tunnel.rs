//! Connections that were upgraded to another protocol, as WebSocket does: their bytes pass from client to upstream and back, and no
//! plugin sees them.

use super::exchange::Driver;
use super::record::Recording;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// Both ends of a connection that is to be upgraded.
#[derive(Debug)]
pub(super) struct Tunnel {
    downstream: OnUpgrade,
    upstream: OnUpgrade,
    /// The stream that it began with, which is over when it is. There is none without plugins.
    driver: Option<Driver>,
    recording: Recording,
}

// === impl Tunnel ===

impl Tunnel {
    pub(super) fn new(
        downstream: OnUpgrade,
        upstream: OnUpgrade,
        driver: Option<Driver>,
        recording: Recording,
    ) -> Self {
        Self {
            downstream,
            upstream,
            driver,
            recording,
        }
    }

    /// Moves bytes until both sides have ended.
    pub(super) async fn run(self) {
        let both = async {
            let downstream = self.downstream.await?;
            let upstream = self.upstream.await?;
            hyper::Result::Ok((TokioIo::new(downstream), TokioIo::new(upstream)))
        };
        match both.await {
            Ok((mut downstream, mut upstream)) => {
                match copy_bidirectional(&mut downstream, &mut upstream).await {
                    Ok((received, sent)) => {
                        let record = self.recording.record();
                        record.add_received(usize::try_from(received).unwrap_or(usize::MAX));
                        record.add_sent(usize::try_from(sent).unwrap_or(usize::MAX));
                    }
                    Err(error) => tracing::debug!(%error, "an upgraded connection broke off"),
                }
            }
            Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
        }
        if let Some(driver) = self.driver {
            driver.complete();
        }
    }
}
