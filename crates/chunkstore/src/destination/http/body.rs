//! Bodies of answers that are no objects.

use reqwest::Response;

/// The whole of a body that is no object: a listing, a token.
///
/// # Errors
/// Text where it is longer than `max` bytes, or does not come to its end.
pub(in crate::destination) async fn read_body(
    mut response: Response,
    max: usize,
) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| error.without_url().to_string())?
    {
        if text.len() + piece.len() > max {
            return Err(format!("the answer is longer than {max} bytes"));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}
