//! A claimed request whose audio is not on this machine, since another has downloaded it or the file is gone. It gives the
//! engine's slot back while the audio is fetched, so that others are transcribed meanwhile, and then takes the next slot that
//! becomes free, before what is claimed later. It is held as `queued` for that time.

use stenobot_store::StoreError;
use tokio::sync::OwnedSemaphorePermit;
use tower::ServiceExt;

use super::{Delivery, Engine, Transcriber};
use crate::pipeline::cancels::CancelGuard;
use crate::pipeline::fetch::Fetch;
use crate::request::{Queued, Request, TranscribeFailure};

impl Transcriber {
    /// Fetches the audio of a request, waits for a slot of the engine, and starts the transcription. Ends early, and leaves the
    /// request to others, at the soft shutdown.
    pub(super) async fn fetch_and_start(
        &self,
        mut engine: Engine,
        request: Request<Queued>,
        guard: CancelGuard,
        delivery: Delivery,
        fetch: OwnedSemaphorePermit,
    ) -> Result<(), StoreError> {
        tracing::debug!(request = request.id().0, "the recording is not on this machine: it is fetched");
        let store = &self.worker.store;
        let work = async {
            self.fetchers.stack().oneshot(Fetch::of(&request)).await.map_err(TranscribeFailure::Fetch)?;
            engine.ready().await.map(drop)
        };
        let work = async {
            tokio::select! {
                done = work => done,
                () = guard.token().cancelled() => Err(TranscribeFailure::Cancelled),
            }
        };
        let held = self.worker.shutdown.soft.run_until_cancelled(request.hold(store, work)).await;
        let outcome = match held {
            None => request.release(store).await,
            Some(Err(lost)) => Err(lost),
            Some(Ok(Ok(()))) => return self.start(engine, request, guard, delivery).await,
            Some(Ok(Err(why))) => self.fail(request, &why).await,
        };
        drop(fetch);
        delivery.end();
        outcome
    }
}
