//! The part of JSON (RFC 8259) that the program writes: no blanks, and one object a line. What is no JSON fails the test.

/// The value of a number.
pub fn number(line: &str, name: &str) -> u64 {
    raw(line, name).parse().unwrap_or_else(|_| panic!("no number {name} in {line}"))
}

/// The value of a string, without its quotes.
pub fn text(line: &str, name: &str) -> String {
    raw(line, name).trim_matches('"').to_owned()
}

/// The value of a member of the object itself, as it is written.
pub fn raw<'a>(line: &'a str, name: &str) -> &'a str {
    let members = members(line.trim_end()).unwrap_or_else(|| panic!("no JSON object: {line:?}"));
    let mut found = members.into_iter().filter(|(key, _)| *key == name);
    let (_, value) = found.next().unwrap_or_else(|| panic!("no {name} in {line}"));
    assert!(found.next().is_none(), "two of {name} in {line}");
    value
}

/// The names and values of an object that is all of `text`.
fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut members = Vec::new();
    let rest = list(text, '{', '}', |rest| {
        let after_key = string(rest)?;
        let after = value(after_key.strip_prefix(':')?)?;
        let key = rest[..rest.len() - after_key.len()].trim_matches('"');
        members.push((key, &after_key[1..after_key.len() - after.len()]));
        Some(after)
    })?;
    rest.is_empty().then_some(members)
}

/// Each of these returns what follows a value at the start of `text`, or `None` if there is no such value.
fn value(text: &str) -> Option<&str> {
    match text.chars().next()? {
        '{' => list(text, '{', '}', |rest| value(string(rest)?.strip_prefix(':')?)),
        '[' => list(text, '[', ']', value),
        '"' => string(text),
        _ => ["true", "false", "null"].iter().find_map(|word| text.strip_prefix(word)).or_else(|| number_at(text)),
    }
}

fn list<'a>(
    text: &'a str,
    start: char,
    end: char,
    mut element: impl FnMut(&'a str) -> Option<&'a str>,
) -> Option<&'a str> {
    let mut rest = text.strip_prefix(start)?;
    if let Some(rest) = rest.strip_prefix(end) {
        return Some(rest);
    }
    loop {
        rest = element(rest)?;
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.strip_prefix(end),
        }
    }
}

fn string(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix('"')?;
    loop {
        let stop = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let (special, after) = rest[stop..].split_at(1);
        match special {
            "\"" => return Some(after),
            "\\" if after.starts_with('u') => {
                rest = after.get(5..).filter(|_| after[1..5].bytes().all(|b| b.is_ascii_hexdigit()))?;
            }
            "\\" => rest = after.strip_prefix(['"', '\\', '/', 'b', 'f', 'n', 'r', 't'])?,
            _ => return None,
        }
    }
}

/// A number without an exponent, which the program never writes.
fn number_at(text: &str) -> Option<&str> {
    let digits = |text: &'_ str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(unsigned);
    if whole == 0 || (whole > 1 && unsigned.starts_with('0')) {
        return None;
    }
    let rest = &unsigned[whole..];
    match rest.strip_prefix('.') {
        Some(decimals) => Some(digits(decimals)).filter(|&count| count > 0).map(|count| &decimals[count..]),
        None => Some(rest),
    }
}
