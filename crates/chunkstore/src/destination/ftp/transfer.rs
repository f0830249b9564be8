//! The conversations: each is one thing done over one connection.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use suppaftp::{FtpError, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connect::Connection;

/// The longest listing of one folder: some 500,000 files.
pub(super) const MAX_LISTING_BYTES: u64 = 64 << 20;
/// What a buffer begins with, whatever length is told.
const MAX_RESERVED_BYTES: u64 = 32 << 20;

/// More than a server may say behind an upload.
const MAX_REST_BYTES: u64 = 64 << 10;

type Done<T> = Result<T, FtpError>;

fn cut(what: &str) -> FtpError {
    FtpError::ConnectionError(io::Error::other(what.to_owned()))
}

/// Writes a file, and sees to it that the server has all of it.
pub(super) async fn upload(connection: &mut Connection, name: String, body: Bytes) -> Done<()> {
    let stream = &mut connection.stream;
    let mut data = stream.put_with_stream(&name).await?;
    connection.in_step = false;
    data.write_all(&body)
        .await
        .map_err(FtpError::ConnectionError)?;
    // A connection that is closed while something in it was not read (TLS 1.3 sends tickets) is reset,
    // and the server loses what is under way: so it is the server that closes it.
    data.shutdown().await.map_err(FtpError::ConnectionError)?;
    let mut rest = (&mut data).take(MAX_REST_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink())
        .await
        .ok();
    stream.close_data_connection(data).await?;
    connection.in_step = true;
    match stream.size(&name).await? == body.len() {
        true => Ok(()),
        false => Err(cut("the server has not all that was sent")),
    }
}

/// Gives a file its name, whatever had it before.
pub(super) async fn rename(connection: &mut Connection, from: String, to: String) -> Done<()> {
    let stream = &mut connection.stream;
    match stream.rename(&from, &to).await {
        Err(FtpError::UnexpectedResponse(refused)) => {
            // Done by an attempt whose answer was lost, or the server does not replace files.
            if stream.size(&from).await.is_err() && stream.size(&to).await.is_ok() {
                return Ok(());
            }
            if stream.rm(&to).await.is_err() {
                return Err(FtpError::UnexpectedResponse(refused));
            }
            stream.rename(&from, &to).await
        }
        done => done,
    }
}

/// Length and time of a file.
pub(super) async fn stat(connection: &mut Connection, name: String) -> Done<(u64, DateTime<Utc>)> {
    let size = connection.stream.size(&name).await?;
    // Not every server tells.
    let modified = match connection.stream.mdtm(&name).await {
        Ok(time) => time.and_utc(),
        Err(FtpError::UnexpectedResponse(_)) => DateTime::default(),
        Err(error) => return Err(error),
    };
    Ok((size as u64, modified))
}

/// Reads a part of a file of `size` bytes.
pub(super) async fn download(
    connection: &mut Connection,
    name: String,
    range: Range<u64>,
    size: u64,
) -> Done<Bytes> {
    let (start, len) = (range.start, range.end - range.start);
    let stream = &mut connection.stream;
    if start > 0 {
        let start = usize::try_from(start).map_err(|_| cut("the file is too long"))?;
        stream.resume_transfer(start).await?;
    }
    let mut data = stream.retr_as_stream(&name).await?;
    connection.in_step = false;
    let mut bytes = Vec::with_capacity(len.min(MAX_RESERVED_BYTES) as usize);
    (&mut data)
        .take(len)
        .read_to_end(&mut bytes)
        .await
        .map_err(FtpError::ConnectionError)?;
    if range.end >= size {
        stream.finalize_retr_stream(data).await?;
        connection.in_step = true;
    } else {
        // The server finds the data connection closed, and says so once, or twice.
        let told = stream.finalize_retr_stream(data).await;
        let went_on = stream.noop().await;
        connection.in_step =
            went_on.is_ok() && matches!(told, Ok(()) | Err(FtpError::UnexpectedResponse(_)));
    }
    match bytes.len() as u64 == len {
        true => Ok(bytes.into()),
        false => Err(cut("the transfer ended early")),
    }
}

/// The text of a listing.
pub(super) async fn listing(connection: &mut Connection, command: String) -> Done<String> {
    let stream = &mut connection.stream;
    let begun = [Status::AboutToSend, Status::AlreadyOpen];
    let (_, mut data) = stream.custom_data_command(command, &begun).await?;
    connection.in_step = false;
    let mut bytes = Vec::new();
    (&mut data)
        .take(MAX_LISTING_BYTES + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(FtpError::ConnectionError)?;
    if bytes.len() as u64 > MAX_LISTING_BYTES {
        return Err(cut("the listing of a folder is too long"));
    }
    stream.close_data_connection(data).await?;
    connection.in_step = true;
    // Names that are not UTF-8 are not ours.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
