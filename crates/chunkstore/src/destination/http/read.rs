//! Reading objects.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetResult, Result};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};

use super::answer::{describe, refused};
use crate::destination::frame::{generic, reading};

/// Asks for an object, a range of it, or only what it is. Of a server that knows no ranges the range
/// is cut out of the whole.
pub(in crate::destination) async fn read<F>(
    store: &'static str,
    path: &Path,
    options: &GetOptions,
    ask: impl Fn(Method, HeaderMap) -> F,
) -> Result<GetResult>
where
    F: Future<Output = Result<Response>>,
{
    if options.head {
        return head(store, path, options, ask).await;
    }
    let mut headers = HeaderMap::new();
    if let Some(range) = &options.range {
        let value = HeaderValue::from_str(&range.to_string());
        headers.insert(header::RANGE, value.map_err(|e| generic(store, e))?);
    }
    let answer = ask(Method::GET, headers).await?;
    let status = answer.status();
    if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Err(refused(store, path, status));
    }
    let (meta, mut range) = describe(path, &answer).map_err(|e| generic(store, e))?;
    options.check_preconditions(&meta)?;
    let body = answer.bytes_stream();
    let body = body.map_err(move |error| generic(store, error.without_url()));
    let mut body = body.boxed();
    if let (Some(wanted), StatusCode::OK) = (&options.range, status) {
        let wanted = wanted.as_range(meta.size);
        range = wanted.map_err(|e| generic(store, e))?;
        body = part(body, range.clone());
    }
    Ok(reading(meta, range, body))
}

async fn head<F>(
    store: &'static str,
    path: &Path,
    options: &GetOptions,
    ask: impl Fn(Method, HeaderMap) -> F,
) -> Result<GetResult>
where
    F: Future<Output = Result<Response>>,
{
    let mut answer = ask(Method::HEAD, HeaderMap::new()).await?;
    if answer.status() == StatusCode::OK && !answer.headers().contains_key(header::CONTENT_LENGTH) {
        // Apache leaves the length out of a HEAD's answer where it is zero.
        answer = ask(Method::GET, HeaderMap::new()).await?;
    }
    match answer.status() {
        status if status.is_success() => {}
        status => return Err(refused(store, path, status)),
    }
    let (meta, _) = describe(path, &answer).map_err(|e| generic(store, e))?;
    options.check_preconditions(&meta)?;
    let range = 0..meta.size;
    Ok(reading(meta, range, stream::empty().boxed()))
}

/// The part of a body that was asked for, of a server that always sends all of it. What comes behind
/// the part is not waited for.
fn part(
    body: BoxStream<'static, Result<Bytes>>,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes>> {
    let pieces = stream::try_unfold((body, 0), move |(mut body, begin)| {
        let range = range.clone();
        async move {
            if begin >= range.end {
                return Ok(None);
            }
            let Some(piece) = body.try_next().await? else {
                return Ok(None);
            };
            let end = begin + piece.len() as u64;
            // Both are at most the length of the piece.
            let from = range.start.clamp(begin, end) - begin;
            let to = range.end.clamp(begin, end) - begin;
            Ok(Some((piece.slice(from as usize..to as usize), (body, end))))
        }
    });
    pieces.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_cut_out_of_pieces_and_what_follows_is_not_waited_for() {
        let whole: Vec<u8> = (0..100).collect();
        for piece in [1, 7, 100] {
            for range in [0..100, 0..1, 6..8, 99..100, 14..21, 50..50] {
                let pieces = whole.chunks(piece).map(|c| Ok(Bytes::copy_from_slice(c)));
                let pieces: Vec<_> = pieces.collect();
                let endless = stream::iter(pieces).chain(stream::pending());
                let body = part(endless.boxed(), range.start..range.end);
                let cut: Vec<Bytes> = body.try_collect().await.unwrap();
                let wanted = &whole[range.start as usize..range.end as usize];
                assert_eq!(cut.concat(), wanted, "{range:?} of pieces of {piece}");
            }
        }
    }
}
