//! Inputs to start from: from the shared samples, where they are, and from this checkout.

use std::path::{Path, PathBuf};

/// Longest seed; a few samples have megabytes.
const MAX_BYTES: usize = 48 << 10;
/// Most seeds of a folder.
const MAX_FILES: usize = 400;

/// Files below a folder of the shared material whose path ends so.
fn shared(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let root = std::env::var_os("POSTKEEP_SHARED").map(PathBuf::from);
    root.map_or_else(Vec::new, |root| files(&root.join(folder), ending))
}

/// Files of this checkout.
fn own(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder),
        ending,
    )
}

fn files(folder: &Path, ending: &str) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    collect(folder, ending, &mut paths);
    paths.sort();
    // Evenly over everything rather than the first ones.
    let step = paths.len().div_ceil(MAX_FILES).max(1);
    let read = paths
        .iter()
        .step_by(step)
        .filter_map(|path| std::fs::read(path).ok());
    read.filter(|bytes| bytes.len() <= MAX_BYTES).collect()
}

fn collect(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, ending, into);
        } else if path.to_string_lossy().ends_with(ending) {
            into.push(path);
        }
    }
}

/// With a byte in front that a target reads first.
fn tagged(tag: &[u8], seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let seeds = seeds.into_iter();
    seeds.map(|seed| [tag, &seed].concat()).collect()
}

pub fn answers() -> Vec<Vec<u8>> {
    shared("ews/samples", ".response.xml")
}

pub fn streams() -> Vec<Vec<u8>> {
    let exports = shared("ews/samples/ExportItems", ".response.xml");
    let events = shared("ews/samples/GetStreamingEvents", ".response.xml");
    let faults = shared("ews/samples/_Fault", ".response.xml");
    [
        tagged(&[200], exports),
        tagged(&[41], events),
        tagged(&[100], faults),
    ]
    .concat()
}

pub fn beside() -> Vec<Vec<u8>> {
    let mut all = shared("ews/samples/Autodiscover-POX", ".xml");
    all.extend(shared("ews/samples/Autodiscover-SOAP", ".xml"));
    all.extend(own("crates/ews-client/tests", ".xml"));
    all.extend(
        [
            "{\"Protocol\":\"EWS\",\"Url\":\"https://mail.example.test/EWS/Exchange.asmx\"}",
            "<Rule><RuleId>1</RuleId><DisplayName>a</DisplayName><Priority>1</Priority>\
             <IsEnabled>true</IsEnabled><Conditions/><Actions><Delete>true</Delete></Actions></Rule>",
            "<PermissionSet><Permissions><Permission><UserId><DistinguishedUser>Default\
             </DistinguishedUser></UserId><PermissionLevel>None</PermissionLevel></Permission>\
             </Permissions></PermissionSet>",
            "Basic realm=\"a, b\", NTLM TlRMTVNTUAAC, Negotiate, Bearer a=\"b\"",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    let mut challenge = b"NTLMSSP\0\x02\0\0\0\x04\0\x04\0\x38\0\0\0\x33\x82\x8a\xe2".to_vec();
    challenge.extend([7; 8]);
    challenge.extend([0; 8]);
    challenge.extend(*b"\x10\0\x10\0\x3c\0\0\0\x06\x01\xb1\x1d\0\0\0\x0fa\0b\0");
    challenge.extend(*b"\x02\0\x04\0a\0b\0\x07\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0");
    all.push(challenge);
    all
}

pub fn native() -> Vec<Vec<u8>> {
    tagged(&[40], shared("ews/export-streams", ".bin"))
}

pub fn stored() -> Vec<Vec<u8>> {
    let streams = shared("ews/export-streams", ".bin");
    let mails = shared("corpus/difficult", ".eml");
    [
        tagged(&[0, 20], streams.clone()),
        tagged(&[3], streams),
        tagged(&[0, 21], mails),
    ]
    .concat()
}

pub fn written() -> Vec<Vec<u8>> {
    let words = [
        "{\"postkeep_export\":1,\"mailbox\":\"a\",\"format\":\"eml\",\"snapshot\":\"s\",\
         \"snapshot_time\":\"\",\"items\":0,\"files\":0,\"bytes\":0,\"entries\":[]}",
        "{\"mailbox\":\"a\",\"format\":\"eml\",\"snapshot\":\"s\",\"snapshot_time\":\"\"}\n",
        "!old@example.test,new@example.test\n",
        "!alice@example.test/archive",
        "!30d",
        "!latest",
        "!25 MB",
    ];
    let mut all = own("crates/operator/tests/it", ".toml");
    all.extend(words.map(|text| text.as_bytes().to_vec()));
    all.extend(
        [
            "daily 02:00",
            "every 4h",
            "mon-fri 22:00",
            "0 2 * * 1-5",
            "mon-fri 19:00-06:00",
            "1d 12h",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    all
}

pub fn requests() -> Vec<Vec<u8>> {
    shared("ews/samples", ".request.xml")
}

pub fn loaded() -> Vec<Vec<u8>> {
    let mails = shared("corpus/difficult", ".eml");
    let events = shared("corpus/calendar", ".ics");
    let cards = shared("corpus/contacts", ".vcf");
    [
        tagged(&[0], mails),
        tagged(&[1], events),
        tagged(&[2], cards),
    ]
    .concat()
}
