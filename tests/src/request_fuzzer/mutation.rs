//! Small damages to a JSON value and to its text.

use serde_json::{Map, Value, json};
use stator_kit::rng::RandomSource;

/// Words of the expression and PartiQL grammars, and things that are nearly such.
const WORDS: [&str; 40] = [
    "AND",
    "OR",
    "NOT",
    "BETWEEN",
    "IN",
    "SET",
    "REMOVE",
    "ADD",
    "DELETE",
    "(",
    ")",
    ",",
    "=",
    "<>",
    "<=",
    "+",
    "-",
    ".",
    "[0]",
    "[99999999999]",
    "[-1]",
    "#n",
    "#",
    ":v",
    ":",
    "size",
    "size(a)",
    "attribute_exists(",
    "contains(a,",
    "list_append",
    "SELECT",
    "FROM",
    "WHERE",
    "VALUE",
    "{",
    "<<",
    "'",
    "\"",
    "?",
    "a.b.c",
];

/// Strings that a number, a name, a key or an enumeration should not be.
const STRINGS: [&str; 16] = [
    "",
    " ",
    "\0",
    "\u{10ffff}",
    "NaN",
    "Infinity",
    "1e126",
    "-1e-131",
    "0.0000",
    "00001",
    "1_000",
    "99999999999999999999999999999999999999",
    "ALL_OLD",
    "arn:aws:dynamodb:us-east-1:000000000000:table/fuzz",
    "fuzz",
    "====",
];

/// The type letters of attribute values, and one that is none.
const TYPES: [&str; 11] = [
    "S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL", "X",
];

/// Nesting that is deeper than any request may be.
const DEEP: usize = 300;

fn index(random: &dyn RandomSource, length: usize) -> usize {
    usize::try_from(random.below(length.max(1) as u64)).unwrap_or(0)
}

fn pick<'a>(random: &dyn RandomSource, from: &[&'a str]) -> &'a str {
    from.get(index(random, from.len())).copied().unwrap_or("")
}

/// The text of `request` with none to three damages.
pub fn damaged(mut request: Value, random: &dyn RandomSource) -> Vec<u8> {
    for _ in 0..random.below(4) {
        damage(&mut request, random);
    }
    let mut text = request.to_string().into_bytes();
    if random.below(20) == 0 {
        damage_bytes(&mut text, random);
    }
    text
}

/// Goes down to a random place and changes it.
fn damage(value: &mut Value, random: &dyn RandomSource) {
    // Members and elements are more often gone into than changed, or deep places would never be met.
    let stop = random.below(4) == 0;
    match value {
        Value::Object(members) if !stop && !members.is_empty() => {
            let at = index(random, members.len());
            if let Some((_, member)) = members.iter_mut().nth(at) {
                damage(member, random);
            }
        }
        Value::Array(elements) if !stop && !elements.is_empty() => {
            let at = index(random, elements.len());
            if let Some(element) = elements.get_mut(at) {
                damage(element, random);
            }
        }
        Value::Object(members) => damage_members(members, random),
        Value::Array(elements) => damage_elements(elements, random),
        Value::String(text) if random.below(4) > 0 => damage_text(text, random),
        other => *other = anything(random),
    }
}

fn damage_members(members: &mut Map<String, Value>, random: &dyn RandomSource) {
    let at = index(random, members.len());
    let Some(name) = members.keys().nth(at).cloned() else {
        members.insert(pick(random, &STRINGS).to_owned(), anything(random));
        return;
    };
    match random.below(4) {
        0 => drop(members.remove(&name)),
        1 => drop(members.insert(pick(random, &TYPES).to_owned(), anything(random))),
        2 => {
            if let Some(member) = members.remove(&name) {
                let mut renamed = name;
                damage_text(&mut renamed, random);
                members.insert(renamed, member);
            }
        }
        _ => drop(members.insert(name, anything(random))),
    }
}

fn damage_elements(elements: &mut Vec<Value>, random: &dyn RandomSource) {
    let at = index(random, elements.len());
    match (random.below(4), elements.get(at).cloned()) {
        (0, Some(_)) => drop(elements.remove(at)),
        (1, Some(element)) => elements.push(element),
        (2, Some(element)) => elements.extend(std::iter::repeat_n(element, 150)),
        _ => elements.push(anything(random)),
    }
}

fn damage_text(text: &mut String, random: &dyn RandomSource) {
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    let at = places
        .get(index(random, places.len()))
        .copied()
        .unwrap_or(0);
    match random.below(8) {
        0 => text.insert_str(at, pick(random, &WORDS)),
        1 => text.insert_str(at, &format!(" {} ", pick(random, &WORDS))),
        2 => text.truncate(at),
        3 if !text.is_empty() => drop(text.remove(at)),
        4 => *text = pick(random, &STRINGS).to_owned(),
        5 => *text = pick(random, &WORDS).repeat(index(random, 2000)),
        6 => text.insert_str(at, &"(".repeat(index(random, DEEP))),
        _ => text.push_str(pick(random, &STRINGS)),
    }
}

/// A value that is likely of the wrong type.
fn anything(random: &dyn RandomSource) -> Value {
    let text = || Value::from(pick(random, &STRINGS));
    match random.below(13) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 => json!(-1),
        3 => json!(random.next_u64()),
        4 => json!(1.5e300),
        5 => text(),
        6 => json!([]),
        7 => json!({}),
        8 => json!([text(), Value::Null]),
        9 => json!({ pick(random, &TYPES): text() }),
        10 => json!({ pick(random, &TYPES): [text(), text()] }),
        11 => "x".repeat(index(random, 500_000)).into(),
        _ => nested(index(random, DEEP), random),
    }
}

/// Lists or maps in one another.
fn nested(depth: usize, random: &dyn RandomSource) -> Value {
    let maps = random.below(2) == 0;
    (0..depth).fold(json!({"N": "1"}), |inner, _| {
        if maps {
            json!({"M": {"x": inner}})
        } else {
            json!({"L": [inner]})
        }
    })
}

fn damage_bytes(text: &mut Vec<u8>, random: &dyn RandomSource) {
    let at = index(random, text.len());
    match random.below(4) {
        0 => text.truncate(at),
        1 => text.insert(at, random.next_u64().to_le_bytes()[0]),
        2 => {
            if let Some(byte) = text.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        _ => text.extend_from_within(..at),
    }
}
