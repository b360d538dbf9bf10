//! Writing requests and answers straight into a byte buffer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::value::{AttributeValue, Item, item_size_bytes};

/// Appends an item: `{"pk":{"S":"a"},…}`.
pub fn write_item(item: &Item, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    for (name, value) in item {
        write_value(value, object.member(name));
    }
    object.end();
}

/// Appends an attribute value: `{"S":"a"}`.
pub fn write_value(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) => {
            out.extend_from_slice(b"{\"S\":");
            write_text(text, out);
        }
        AttributeValue::N(number) => {
            out.extend_from_slice(b"{\"N\":\"");
            number.write_to(out);
            out.push(b'"');
        }
        AttributeValue::B(bytes) => {
            out.extend_from_slice(b"{\"B\":");
            write_base64(bytes, out);
        }
        AttributeValue::Ss(texts) => {
            out.extend_from_slice(b"{\"SS\":");
            write_list(texts, out, |text, out| write_text(text, out));
        }
        AttributeValue::Ns(numbers) => {
            out.extend_from_slice(b"{\"NS\":");
            write_list(numbers, out, |number, out| {
                out.push(b'"');
                number.write_to(out);
                out.push(b'"');
            });
        }
        AttributeValue::Bs(values) => {
            out.extend_from_slice(b"{\"BS\":");
            write_list(values, out, |bytes, out| write_base64(bytes, out));
        }
        AttributeValue::M(members) => {
            out.extend_from_slice(b"{\"M\":");
            write_item(members, out);
        }
        AttributeValue::L(members) => {
            out.extend_from_slice(b"{\"L\":");
            write_list(members, out, write_value);
        }
        AttributeValue::Bool(true) => out.extend_from_slice(b"{\"BOOL\":true"),
        AttributeValue::Bool(false) => out.extend_from_slice(b"{\"BOOL\":false"),
        AttributeValue::Null => out.extend_from_slice(b"{\"NULL\":true"),
    }
    out.push(b'}');
}

/// A guess at the length of an item's JSON that is seldom too small: types and punctuation take
/// about ten bytes a value.
pub(crate) fn item_json_bytes(item: &Item) -> usize {
    item_size_bytes(item) * 3 / 2 + item.len() * 12 + 16
}

/// A JSON object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Writes the opening brace.
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, empty: true }
    }

    /// Writes the name of a member; the value comes next.
    pub(crate) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        write_text(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Writes a member that is a string.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        write_text(value, self.member(name));
    }

    /// Writes a member that is a string, if there is one.
    pub(crate) fn optional_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Writes a member that is true or false, if there is one.
    pub(crate) fn optional_boolean(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            let word: &[u8] = if value { b"true" } else { b"false" };
            self.member(name).extend_from_slice(word);
        }
    }

    /// Writes a member that is a whole number.
    pub(crate) fn whole(&mut self, name: &str, value: u64) {
        write_whole(value, self.member(name));
    }

    /// Writes a member that is an item or a key, if there is one.
    pub(crate) fn optional_item(&mut self, name: &str, item: Option<&Item>) {
        if let Some(item) = item {
            write_item(item, self.member(name));
        }
    }

    /// Writes the closing brace.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends a JSON list.
pub(crate) fn write_list<T>(
    members: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    let mut first = true;
    for member in members {
        if !first {
            out.push(b',');
        }
        first = false;
        write(member, out);
    }
    out.push(b']');
}

/// Appends a JSON string. Only what must be escaped is; the rest is copied in stretches.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = special.split_first() else {
            break;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    digit(other >> 4),
                    digit(other & 0xF),
                ]);
            }
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte is that has to be escaped. Whole chunks are looked at without a branch, which compiles to
/// vector instructions: byte by byte it was a sixth of the time of a Query.
fn first_special(bytes: &[u8]) -> Option<usize> {
    const CHUNK: usize = 32;
    let special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    let is_plain = |chunk: &[u8]| {
        let found = chunk
            .iter()
            .fold(0, |found, byte| found | u8::from(special(*byte)));
        found == 0
    };
    let plain = bytes
        .chunks_exact(CHUNK)
        .take_while(|chunk| is_plain(chunk))
        .count()
        * CHUNK;
    let rest = bytes.get(plain..)?;
    Some(plain + rest.iter().position(|byte| special(*byte))?)
}

/// Appends a whole number.
pub(crate) fn write_whole(mut value: u64, out: &mut Vec<u8>) {
    /// Digits of the largest 64-bit number.
    const DIGITS_MAX: usize = 20;
    let mut digits = [b'0'; DIGITS_MAX];
    let mut count = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        count += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(DIGITS_MAX - count..).unwrap_or(&[]));
}

/// Appends a double as the service writes it: `0.5`, `1.0`.
pub(crate) fn write_double(value: f64, out: &mut Vec<u8>) {
    // The debug format always shows a fraction, and an exponent only far outside of what capacity
    // and sizes reach; both are JSON.
    out.extend_from_slice(format!("{value:?}").as_bytes());
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = out
        .get_mut(start..)
        .and_then(|slot| BASE64.encode_slice(bytes, slot).ok())
        .unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}
