//! The options of an operation: a map of small numbers (protocol, section 9.4).

use std::borrow::Cow;

use super::super::cbor::{Read, Reader, unreadable};

/// The options of one request. Of an option that came twice the last counts: Python sends a condition first as text.
#[derive(Debug, Default)]
pub(super) struct Options<'b> {
    pub(super) projection: Option<Cow<'b, [u8]>>,
    pub(super) consistent_read: Option<bool>,
    pub(super) condition: Option<Cow<'b, [u8]>>,
    pub(super) update: Option<Cow<'b, [u8]>>,
    pub(super) filter: Option<Cow<'b, [u8]>>,
    pub(super) exclusive_start_key: Option<Cow<'b, [u8]>>,
    pub(super) index_name: Option<String>,
    pub(super) limit: Option<i128>,
    pub(super) scan_index_forward: Option<bool>,
    pub(super) segment: Option<i128>,
    pub(super) total_segments: Option<i128>,
    pub(super) client_request_token: Option<String>,
    return_consumed_capacity: Option<i128>,
    return_item_collection_metrics: Option<i128>,
    return_values: Option<i128>,
    select: Option<i128>,
}

/// The name of a number of an enumeration.
fn named(value: Option<i128>, names: &[(i128, &'static str)]) -> Read<Option<&'static str>> {
    let Some(value) = value else { return Ok(None) };
    let name = names.iter().find(|(number, _)| *number == value);
    name.map(|(_, name)| Some(*name))
        .ok_or_else(|| unreadable("an option has an unknown value"))
}

impl<'b> Options<'b> {
    pub(super) fn read(reader: &mut Reader<'b>) -> Read<Self> {
        let mut options = Self::default();
        if reader.take_null()? {
            return Ok(options);
        }
        reader.entries(|reader| options.take(reader))?;
        Ok(options)
    }

    fn take(&mut self, reader: &mut Reader<'b>) -> Read<()> {
        match reader.integer()? {
            0 => self.projection = reader.optional(Reader::bytes)?,
            2 => self.consistent_read = reader.optional(Reader::flag)?,
            3 => self.return_consumed_capacity = reader.optional(Reader::integer)?,
            4 => self.condition = reader.optional(Reader::bytes)?,
            6 => self.return_item_collection_metrics = reader.optional(Reader::integer)?,
            7 => self.return_values = reader.optional(Reader::integer)?,
            8 => self.update = reader.optional(Reader::bytes)?,
            9 => self.exclusive_start_key = reader.optional(Reader::bytes)?,
            10 => self.filter = reader.optional(Reader::bytes)?,
            11 => self.index_name = reader.optional(Reader::name)?,
            13 => self.limit = reader.optional(Reader::integer)?,
            14 => self.scan_index_forward = reader.optional(Reader::flag)?,
            15 => self.select = reader.optional(Reader::integer)?,
            16 => self.segment = reader.optional(Reader::integer)?,
            17 => self.total_segments = reader.optional(Reader::integer)?,
            19 => {
                let token = reader.optional(Reader::text)?;
                self.client_request_token = token.map(Cow::into_owned);
            }
            // Names and values as the caller wrote them (1, 5), which the trees have already, and what a later client
            // may bring.
            _ => reader.skip()?,
        }
        Ok(())
    }

    pub(super) fn return_consumed_capacity(&self) -> Read<Option<&'static str>> {
        named(
            self.return_consumed_capacity,
            &[(0, "NONE"), (1, "TOTAL"), (2, "INDEXES")],
        )
    }

    pub(super) fn return_item_collection_metrics(&self) -> Read<Option<&'static str>> {
        named(
            self.return_item_collection_metrics,
            &[(0, "NONE"), (1, "SIZE")],
        )
    }

    pub(super) fn return_values(&self) -> Read<Option<&'static str>> {
        let names = [
            (1, "NONE"),
            (2, "ALL_OLD"),
            (3, "UPDATED_OLD"),
            (4, "ALL_NEW"),
            (5, "UPDATED_NEW"),
        ];
        named(self.return_values, &names)
    }

    /// `ALL_ATTRIBUTES` is left out: Go sends it when the caller said nothing.
    pub(super) fn select(&self) -> Read<Option<&'static str>> {
        let names = [
            (2, "ALL_PROJECTED_ATTRIBUTES"),
            (3, "COUNT"),
            (4, "SPECIFIC_ATTRIBUTES"),
        ];
        named(self.select.filter(|select| *select != 1), &names)
    }
}
