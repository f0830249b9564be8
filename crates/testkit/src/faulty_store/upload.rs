//! Multipart uploads, whose parts and completion are calls like any other.

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::FaultyStore;
use super::rule::Call;
use super::state::Verdict;

#[derive(Debug)]
pub(super) struct FaultyUpload {
    store: FaultyStore,
    location: Path,
    upload: Box<dyn MultipartUpload>,
    bytes: u64,
}

impl FaultyUpload {
    pub(super) fn new(
        store: FaultyStore,
        location: Path,
        upload: Box<dyn MultipartUpload>,
    ) -> Self {
        FaultyUpload {
            store,
            location,
            upload,
            bytes: 0,
        }
    }
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.bytes += data.content_length() as u64;
        let bytes = self.bytes;
        let store = self.store.clone();
        let location = self.location.clone();
        let part = self.upload.put_part(data);
        Box::pin(async move {
            let verdict = store.judge(Call::Put, &location).await;
            let lost = match verdict {
                Verdict::Refuse(error) => return Err(error),
                Verdict::Lose(error) => Some(error),
                Verdict::Pass | Verdict::Change(_) => None,
            };
            store.lock().check_space(&location, bytes)?;
            part.await?;
            lost.map_or(Ok(()), Err)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let lost = match self.store.judge(Call::Put, &self.location).await {
            Verdict::Refuse(error) => return Err(error),
            Verdict::Lose(error) => Some(error),
            Verdict::Pass | Verdict::Change(_) => None,
        };
        let done = self.upload.complete().await?;
        self.store.lock().wrote(&self.location, self.bytes);
        lost.map_or(Ok(done), Err)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
