use super::*;

#[test]
fn only_panics_of_tiny_http_and_for_want_of_threads_are_expected() {
    let file = "/home/me/.cargo/registry/src/index/tiny_http-0.12.0/src/client.rs";
    let table = [
        (file, "called `Option::unwrap()` on a `None` value", true),
        ("library/std/src/thread/functions.rs", "failed to spawn thread: Os { code: 11 }", true),
        ("src/answer/mod.rs", "called `Option::unwrap()` on a `None` value", false),
        ("library/alloc/src/raw_vec/mod.rs", "capacity overflow", false),
    ];
    for (file, text, is_expected) in table {
        assert_eq!(is_of_tiny_http(file, text), is_expected, "{file}: {text}");
    }
}
