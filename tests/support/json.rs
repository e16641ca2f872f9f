//! Just enough of JSON for the program's own lines: flat objects, and samples, whose runs are flat objects.

/// The value of a number.
pub fn number(line: &str, name: &str) -> u64 {
    raw(line, name).parse().unwrap_or_else(|_| panic!("no number {name} in {line}"))
}

/// The value of a string, without its quotes.
pub fn text(line: &str, name: &str) -> String {
    raw(line, name).trim_matches('"').to_owned()
}

/// Any value, as it is written.
pub fn raw<'a>(line: &'a str, name: &str) -> &'a str {
    let key = format!("\"{name}\":");
    let start = line.find(&key).unwrap_or_else(|| panic!("no {name} in {line}")) + key.len();
    let rest = &line[start..];
    let end = match rest.as_bytes()[0] {
        b'"' => rest[1..].find('"').unwrap() + 2,
        b'[' => rest.find(']').unwrap() + 1,
        b'{' => rest.find('}').unwrap() + 1,
        _ => rest.find([',', '}']).unwrap(),
    };
    &rest[..end]
}
