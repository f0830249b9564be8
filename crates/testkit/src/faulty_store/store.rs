//! The store itself: judge the call, carry it out, count what moved.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};

use super::FaultyStore;
use super::answer::damage;
use super::rule::{Call, Fault};
use super::state::Verdict;
use super::upload::FaultyUpload;

impl FaultyStore {
    /// Judges a call, and sits out a delay.
    pub(super) async fn judge(&self, call: Call, path: &Path) -> Verdict {
        let verdict = self.lock().judge(call, path);
        if let Verdict::Change(Fault::Delay(duration)) = verdict {
            tokio::time::sleep(duration).await;
            return Verdict::Pass;
        }
        verdict
    }

    async fn delete_one(&self, location: Path) -> Result<Path> {
        let lost = match self.judge(Call::Delete, &location).await {
            Verdict::Refuse(error) => return Err(error),
            Verdict::Lose(error) => Some(error),
            Verdict::Pass | Verdict::Change(_) => None,
        };
        self.inner.delete(&location).await?;
        self.lock().deleted(&location);
        lost.map_or(Ok(location), Err)
    }

    fn list_after_judging(
        &self,
        prefix: Option<&Path>,
        listing: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let folder = prefix.cloned().unwrap_or_default();
        let judged = async move {
            match store.judge(Call::List, &folder).await {
                Verdict::Refuse(error) | Verdict::Lose(error) => {
                    stream::once(async move { Err(error) }).boxed()
                }
                Verdict::Pass | Verdict::Change(_) => listing,
            }
        };
        stream::once(judged).flatten().boxed()
    }

    /// Copies and renames never damage anything here: only whether they happen is decided.
    async fn judge_copy(&self, from: &Path) -> Result<Option<object_store::Error>> {
        match self.judge(Call::Copy, from).await {
            Verdict::Refuse(error) => Err(error),
            Verdict::Lose(error) => Ok(Some(error)),
            Verdict::Pass | Verdict::Change(_) => Ok(None),
        }
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let mut lost = None;
        match self.judge(Call::Put, location).await {
            Verdict::Refuse(error) => return Err(error),
            Verdict::Lose(error) => lost = Some(error),
            Verdict::Change(Fault::IgnoreCreate) if options.mode == PutMode::Create => {
                options.mode = PutMode::Overwrite;
            }
            Verdict::Pass | Verdict::Change(_) => {}
        }
        let bytes = payload.content_length() as u64;
        self.lock().check_space(location, bytes)?;
        let done = self.inner.put_opts(location, payload, options).await?;
        self.lock().wrote(location, bytes);
        lost.map_or(Ok(done), Err)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        // Not a call of its own: nothing is stored before the completion.
        let upload = self.inner.put_multipart_opts(location, options).await?;
        let store = self.clone();
        Ok(Box::new(FaultyUpload::new(store, location.clone(), upload)))
    }

    // `get_ranges` keeps its default, which comes here once for each run of neighbouring ranges.
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let call = if head { Call::Head } else { Call::Get };
        let fault = match self.judge(call, location).await {
            Verdict::Refuse(error) | Verdict::Lose(error) => return Err(error),
            Verdict::Change(fault) => Some(fault),
            Verdict::Pass => None,
        };
        let answer = self.inner.get_opts(location, options).await?;
        if head {
            return Ok(answer);
        }
        self.lock().read(answer.range.end - answer.range.start);
        match fault {
            Some(fault) => damage(answer, &fault).await,
            None => Ok(answer),
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move { store.delete_one(location?).await }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after_judging(prefix, self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_after_judging(prefix, self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        match self.judge(Call::List, &folder).await {
            Verdict::Refuse(error) | Verdict::Lose(error) => Err(error),
            Verdict::Pass | Verdict::Change(_) => self.inner.list_with_delimiter(prefix).await,
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let lost = self.judge_copy(from).await?;
        self.inner.copy_opts(from, to, options).await?;
        lost.map_or(Ok(()), Err)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let lost = self.judge_copy(from).await?;
        self.inner.rename_opts(from, to, options).await?;
        self.lock().deleted(from);
        lost.map_or(Ok(()), Err)
    }
}
