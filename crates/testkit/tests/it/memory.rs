use testkit::{peak_rss_bytes, rss_bytes};

#[test]
fn the_peak_grows_with_what_is_held_and_stays_when_it_is_freed() {
    let Some(before) = peak_rss_bytes() else {
        return;
    };
    let bytes = 64 << 20;
    let block = std::hint::black_box(vec![1_u8; bytes]);
    assert!(rss_bytes().unwrap() >= bytes as u64);
    drop(block);
    let after = peak_rss_bytes().unwrap();
    assert!(after >= before && after >= bytes as u64);
}
