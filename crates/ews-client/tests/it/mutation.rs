//! Damaged answers end in a result or an error, never in a panic or a hang.

use ews_client::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::operations::run as run_with;
use crate::samples::{run, samples};
use crate::support::{Answer, client};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

const OPERATIONS: [&str; 6] = [
    "ExportItems",
    "GetItem",
    "SyncFolderItems",
    "FindFolder",
    "ResolveNames",
    "ConvertId",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), operation in 0..OPERATIONS.len()) {
        let answer = || {
            let mut answer = Answer::xml("");
            answer.pieces = vec![Ok(Bytes::from(bytes.clone()))];
            answer
        };
        let (client, _, _) = client((0..10).map(|_| answer()));
        let _ = block_on(run_with(&client, OPERATIONS[operation], 3));
    }

    #[test]
    fn random_markup_never_panics(
        tokens in proptest::collection::vec(proptest::sample::select(vec![
            "<m:Data>", "</m:Data>", "<m:Data/>", "<m:ExportItemsResponseMessage ResponseClass=\"Success\">",
            "</m:ExportItemsResponseMessage>", "<m:ItemId Id=\"requested-0\"/>", "<m:ResponseCode>", "NoError",
            "</m:ResponseCode>", "QUJD", "=", "&#xD;", "&", ";", "<![CDATA[", "]]>", "<!--", "-->", "<s:Fault>", "</s:Fault>",
            "<?x ?>", "<", ">", " ", "é", "=== Truncated Data ===",
        ]), 0..40),
        size in 1_usize..50,
    ) {
        let text = format!("<s:Envelope><s:Body><m:R><m:ResponseMessages>{}</m:ResponseMessages></m:R></s:Body></s:Envelope>", tokens.concat());
        let (client, _, _) = client((0..10).map(|_| Answer::xml(text.clone()).in_pieces(size)));
        let _ = block_on(run_with(&client, "ExportItems", 2));
    }
}

#[test]
fn damaged_samples_never_panic() {
    let samples = samples();
    if samples.is_empty() {
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let damage = (
        0..samples.len(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<u8>(),
        0..4_u8,
    );
    for _ in 0..1500 {
        let (sample, at, to, byte, kind) = damage.new_tree(&mut runner).unwrap().current();
        let sample = &samples[sample];
        let mut bytes = sample.text.clone().into_bytes();
        if bytes.is_empty() || bytes.len() > 200_000 {
            continue;
        }
        let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
        match kind {
            0 => bytes[at] = byte,
            1 => bytes.truncate(at),
            2 => {
                bytes.drain(at.min(to)..at.max(to));
            }
            _ => {
                let copy = bytes[at.min(to)..at.max(to)].to_vec();
                bytes.splice(at..at, copy);
            }
        }
        let _ = block_on(run(&sample.operation, &String::from_utf8_lossy(&bytes)));
    }
}
