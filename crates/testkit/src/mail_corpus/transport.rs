//! The lines that servers write on a mail's way, different for every copy.

use base64_simd::STANDARD;
use fastrand::Rng;

use super::message::Message;

/// The headers of one copy, each line with its end.
pub(super) fn headers(rng: &mut Rng, message: &Message, unix_seconds: i64) -> String {
    let mut text = String::new();
    if message.outside {
        text += &from_outside(rng, message, unix_seconds);
    }
    text += &hop(rng, unix_seconds + 3, "with mapi id 15.02");
    text += &format!(
        "X-Network-Message-Id: {}\r\nX-Auth-As: {}\r\nX-Spam-Level: {}\r\n\
         X-End-To-End-Latency: 00:00:0{}.{:07}\r\n",
        uuid(rng),
        if message.outside {
            "Anonymous"
        } else {
            "Internal"
        },
        rng.i8(-1..6),
        rng.u8(..10),
        rng.u32(..10_000_000)
    );
    text
}

fn from_outside(rng: &mut Rng, message: &Message, unix_seconds: i64) -> String {
    let mut text = hop(
        rng,
        unix_seconds + 2,
        "with SMTP (TLS1_2, ECDHE_RSA_AES_256) id 15.2",
    );
    text += &hop(rng, unix_seconds + 1, "with SMTP id 15.2");
    let domain = message.from.rsplit('@').next().unwrap_or_default();
    text += &format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=sel{};\r\n \
         h=from:to:subject:date:message-id:mime-version:content-type;\r\n bh={};\r\n b={}\r\n",
        rng.u8(1..4),
        random_text(rng, 32),
        folded(rng, 256)
    );
    text += &format!(
        "Received-SPF: Pass (domain of {} designates\r\n 203.0.113.{} as permitted sender)\r\n",
        message.from,
        rng.u8(1..251)
    );
    let score = rng.usize(120..420);
    text += &format!(
        "X-Antispam-Report: CIP:203.0.113.{};LANG:de;SCL:{};SFS:({})({});\r\n\
         X-Antispam-Message-Info: {}\r\nARC-Seal: i=1; a=rsa-sha256; cv=none; b={}\r\n\
         Authentication-Results: mx.contoso.example; dkim=pass header.d={domain}; spf=pass\r\n",
        rng.u8(1..251),
        rng.u8(..6),
        rng.u32(1_000_000..10_000_000),
        rng.u32(100_000_000..1_000_000_000),
        folded(rng, score),
        folded(rng, 256)
    );
    text
}

fn hop(rng: &mut Rng, unix_seconds: i64, how: &str) -> String {
    format!(
        "Received: from EX{:02}.contoso.example (10.1.{}.{}) by EX{:02}.contoso.example\r\n \
         (10.1.{}.{}) {how}.{}.{}; {}\r\n",
        rng.u8(1..5),
        rng.u8(..10),
        rng.u8(1..251),
        rng.u8(1..5),
        rng.u8(..10),
        rng.u8(1..251),
        rng.u32(1_000..2_000),
        rng.u8(1..41),
        date(unix_seconds)
    )
}

/// A date as RFC 5322 writes it, in UTC.
pub(super) fn date(unix_seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(unix_seconds).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Bytes as base64 without line ends.
pub(super) fn random_text(rng: &mut Rng, len: usize) -> String {
    let mut bytes = vec![0; len];
    rng.fill(&mut bytes);
    STANDARD.encode_to_string(bytes)
}

fn folded(rng: &mut Rng, len: usize) -> String {
    let text = random_text(rng, len);
    let lines = text.as_bytes().chunks(72).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join("\r\n ")
}

pub(super) fn uuid(rng: &mut Rng) -> String {
    let hex = format!("{:032x}", rng.u128(..));
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
