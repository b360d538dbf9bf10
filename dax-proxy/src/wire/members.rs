//! A JSON object as its members' names and raw values.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Members of one object before it is refused. The largest request of the API has under 30.
const MEMBERS_MAX: usize = 256;

/// The members of an object, in the order in which they came. No name comes twice: where the proxy and
/// the store could differ about which one counts, a cached key could be another than the written one.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// Why a body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MembersError {
    /// Not a JSON object, or a member twice.
    #[error("not a JSON object with distinct members")]
    Malformed,
    /// A member of another JSON type than the API has.
    #[error("member has another type")]
    WrongType,
}

impl<'a> Members<'a> {
    /// Cuts an object into members. Values are checked for syntax, and not recursed into.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, MembersError> {
        serde_json::from_slice(json).map_err(|_| MembersError::Malformed)
    }

    /// The raw value of a member; `null` counts as absent, as it does for the service.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let raw = self
            .members
            .iter()
            .find(|(member, _)| member == name)
            .map(|(_, raw)| raw.get())?;
        (raw != "null").then_some(raw)
    }

    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, MembersError> {
        let Some(raw) = self.get(name) else {
            return Ok(None);
        };
        let text: Text<'a> = serde_json::from_str(raw).map_err(|_| MembersError::WrongType)?;
        Ok(Some(text.0))
    }

    /// A member that is a boolean; absent is `false`, the default of every boolean that is asked here.
    pub(crate) fn is_true(&self, name: &str) -> Result<bool, MembersError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(MembersError::WrongType),
        }
    }

    /// All members with their raw values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members
            .iter()
            .map(|(name, raw)| (name.as_ref(), raw.get()))
    }

    /// Whether every member is one of `known`. Others are still to be honoured by the store.
    pub(crate) fn are_among(&self, known: &[&str]) -> bool {
        self.iter()
            .all(|(name, raw)| raw == "null" || known.contains(&name))
    }

    /// The object again, with some members replaced, added or (`None`) left out.
    pub(crate) fn with(&self, changes: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
        let mut writer = ObjectWriter::new();
        for (name, raw) in self.iter() {
            if !changes.iter().any(|(changed, _)| *changed == name) {
                writer.member(name, raw.as_bytes());
            }
        }
        for (name, raw) in changes {
            if let Some(raw) = raw {
                writer.member(name, raw);
            }
        }
        writer.finish()
    }
}

/// Writes an object member by member from finished JSON.
pub(crate) struct ObjectWriter {
    json: Vec<u8>,
}

impl ObjectWriter {
    /// `{`
    pub(crate) fn new() -> Self {
        let mut json = Vec::with_capacity(256);
        json.push(b'{');
        Self { json }
    }

    /// One member; `value` is JSON.
    pub(crate) fn member(&mut self, name: &str, value: &[u8]) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        write_string(&mut self.json, name);
        self.json.push(b':');
        self.json.extend_from_slice(value);
    }

    /// One member that is a string.
    pub(crate) fn text_member(&mut self, name: &str, text: &str) {
        let mut json = Vec::with_capacity(text.len() + 2);
        write_string(&mut json, text);
        self.member(name, &json);
    }

    /// `}`
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.json.push(b'}');
        self.json
    }
}

/// A JSON array of finished members.
pub(crate) fn array<'a>(members: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![b'['];
    for member in members {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(member);
    }
    out.push(b']');
    out
}

/// Appends a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // A string always has a JSON form, and a vector takes all that is written.
    if serde_json::to_writer(&mut *out, text).is_err() {
        debug_assert!(false, "a string could not be written");
    }
}

/// A string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                use serde::de::Error as _;
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(8);
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    if members.len() >= MEMBERS_MAX {
                        return Err(M::Error::custom("too many members"));
                    }
                    if members.iter().any(|(known, _)| *known == name.0) {
                        return Err(M::Error::custom("a member came twice"));
                    }
                    members.push((name.0, map.next_value()?));
                }
                Ok(Members { members })
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_come_apart_and_together_again() {
        let json =
            br#"{"TableName":"t","Key":{"pk":{"S":"\u00e9"}},"ConsistentRead":true,"x":null}"#;
        let members = Members::parse(json).unwrap();
        assert_eq!(members.text("TableName").unwrap().as_deref(), Some("t"));
        assert_eq!(members.get("Key"), Some(r#"{"pk":{"S":"\u00e9"}}"#));
        assert_eq!(members.get("x"), None);
        assert!(members.is_true("ConsistentRead").unwrap());
        assert_eq!(members.is_true("TableName"), Err(MembersError::WrongType));
        assert_eq!(members.text("Key"), Err(MembersError::WrongType));
        let changed = members.with(&[("ConsistentRead", None), ("New", Some(b"1"))]);
        assert_eq!(
            std::str::from_utf8(&changed).unwrap(),
            r#"{"TableName":"t","Key":{"pk":{"S":"\u00e9"}},"x":null,"New":1}"#
        );
    }

    #[test]
    fn what_is_no_object_or_has_a_member_twice_is_refused() {
        for json in [
            "",
            "[]",
            "1",
            "{",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":1}x"#,
        ] {
            assert_eq!(
                Members::parse(json.as_bytes()).err(),
                Some(MembersError::Malformed),
                "{json}"
            );
        }
    }

    #[test]
    fn deep_nesting_does_not_end_the_process() {
        let json = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        // Taken or refused: the value is not recursed into.
        drop(Members::parse(json.as_bytes()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_survive_a_rewrite(json in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(members) = Members::parse(&json) {
                let again = members.with(&[]);
                let parsed = Members::parse(&again).unwrap();
                prop_assert!(members.iter().eq(parsed.iter()));
            }
        }
    }
}
