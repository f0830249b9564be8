//! What reads the answers of servers, for `fuzz/`: listings, catalogues, refusals.
//!
//! What is seen in a listing is a name in its folder: none leads elsewhere.

use reqwest::Url;

use super::frame::is_name;
use super::{ftp, http, object_lock, swift, web, webdav};

/// A listing's folder, with a character that has to be escaped.
const FOLDER: &str = "http://host:81/a%20b/packs/";

/// Reads bytes as one of the answers, which the first byte chooses.
pub(crate) fn answer(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(data);
    let names = match which % 8 {
        0 => ftp::fuzzed_mlsd(&text),
        1 => ftp::fuzzed_list(&text),
        2 => web::fuzzed_page(data, &folder()),
        3 => webdav::fuzzed_listing(data, &folder()),
        4 => return swift::fuzzed_page(data),
        5 => return swift::fuzzed_catalogue(data),
        6 => return object_lock::fuzzed_answer(data),
        _ => return http::answer::fuzzed_header(&text),
    };
    for name in names {
        assert!(is_name(&name), "{name:?} is no name in a folder");
    }
}

fn folder() -> Url {
    Url::parse(FOLDER).expect("it is a URL")
}

/// Answers as servers give them, to start from.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let all: &[(u8, &str)] = &[
        (
            0,
            "type=cdir;modify=20261123021009; .\r\ntype=pdir; ..\r\n\
             Type=file;Size=1234;Modify=20261123021009.123;perm=r; a b;c\r\n\
             modify=20261123021009;type=dir;unique=8; packs\r\n",
        ),
        (
            1,
            "total 12\r\ndrwxr-xr-x   2 root root 4096 Nov 23 02:10 packs\r\n\
             -rw-r--r--   1 root root  987 Nov 23  2025 repository.json\r\n\
             lrwxrwxrwx   1 root root    4 Feb 29 23:59 a -> b\r\n",
        ),
        (
            1,
            "11-23-26  02:10AM       <DIR>          packs\r\n\
             11-23-2026  02:10PM                  987 repository.json\r\n",
        ),
        (
            2,
            "<html><head><title>Index of /a b/packs</title></head><a href=\"?C=N;O=D\">Name</a>\
             <a href=\"/a%20b/\">Parent Directory</a><a href=\"00/\">00/</a>\
             <a href='a%20%26b'>a &amp;b</a><A HREF = x.end>x</A></html>",
        ),
        (
            3,
            "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a%20b/packs/\
             </D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>\
             </D:propstat></D:response><D:response><D:href>http://host:81/a%20b/packs/one&amp;%32\
             </D:href><D:propstat><D:prop><D:getcontentlength>42</D:getcontentlength>\
             <D:getlastmodified>Mon, 05 Feb 2024 10:00:00 GMT</D:getlastmodified>\
             <D:getetag>\"x\"</D:getetag></D:prop></D:propstat></D:response></D:multistatus>",
        ),
        (
            4,
            "[{\"name\":\"p/a\",\"bytes\":7,\"last_modified\":\"2026-11-23T02:10:09.123456\",\
             \"hash\":\"00\",\"content_type\":\"x\"},{\"subdir\":\"p/b/\"}]",
        ),
        (
            5,
            "{\"token\":{\"catalog\":[{\"type\":\"object-store\",\"endpoints\":[{\"region_id\":\"one\",\
             \"interface\":\"public\",\"url\":\"http://one/v1/AUTH_a\"}]}]}}",
        ),
        (
            6,
            "<?xml version=\"1.0\"?><ListVersionsResult><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>p/a&amp;b</NextKeyMarker><NextVersionIdMarker>2</NextVersionIdMarker>\
             <Version><Key>p/a&#38;b</Key><VersionId>1</VersionId><IsLatest>false</IsLatest></Version>\
             <DeleteMarker><Key><![CDATA[p/a]]></Key><VersionId>2</VersionId><IsLatest>true</IsLatest>\
             </DeleteMarker></ListVersionsResult>",
        ),
        (
            6,
            "<Error><Code>InvalidRequest</Code><Message>Bucket is missing Object Lock Configuration\
             </Message></Error>",
        ),
        (7, "bytes 2-5/10"),
        (7, "Mon, 05 Feb 2024 10:00:00 GMT"),
    ];
    let tagged = |(tag, text): &(u8, &str)| [&[*tag], text.as_bytes()].concat();
    all.iter().map(tagged).collect()
}
