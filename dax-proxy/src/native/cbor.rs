//! CBOR items out of and into buffers, on `minicbor` (protocol, section 7).
//!
//! Read is any form that a client may send; written is only what every client takes: definite lengths, the shortest
//! headers, and floats of 64 bits.

use std::borrow::Cow;

use minicbor::data::{Int, Tag, Type};
use minicbor::{Decoder, Encoder};
use stator_model::ApiError;

/// Outcome of reading; an error is the client's answer. Boxed, for it is large and the readers of trees recurse.
pub(super) type Read<T> = Result<T, Box<ApiError>>;

/// A request that was framed and cannot be understood.
pub(super) fn unreadable(what: &str) -> Box<ApiError> {
    Box::new(ApiError::validation(format!(
        "The request cannot be read: {what}"
    )))
}

/// Reads items one after another.
pub(super) struct Reader<'b> {
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            decoder: Decoder::new(bytes),
        }
    }

    /// Whether all has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.decoder.position() >= self.decoder.input().len()
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'b [u8] {
        let input = self.decoder.input();
        input.get(self.decoder.position()..).unwrap_or_default()
    }

    /// The type of the next item.
    pub(super) fn kind(&self) -> Read<Type> {
        self.decoder
            .datatype()
            .map_err(|_| unreadable("an item is missing"))
    }

    /// Text, in one piece or in many.
    pub(super) fn text(&mut self) -> Read<Cow<'b, str>> {
        let bad = |_| unreadable("not a text");
        if self.kind()? == Type::StringIndef {
            let pieces = self.decoder.str_iter().map_err(bad)?;
            return Ok(Cow::Owned(
                pieces.collect::<Result<String, _>>().map_err(bad)?,
            ));
        }
        self.decoder.str().map(Cow::Borrowed).map_err(bad)
    }

    /// Bytes, in one piece or in many.
    pub(super) fn bytes(&mut self) -> Read<Cow<'b, [u8]>> {
        let bad = |_| unreadable("not a byte string");
        if self.kind()? == Type::BytesIndef {
            let pieces = self.decoder.bytes_iter().map_err(bad)?;
            let pieces: Vec<&[u8]> = pieces.collect::<Result<_, _>>().map_err(bad)?;
            return Ok(Cow::Owned(pieces.concat()));
        }
        self.decoder.bytes().map(Cow::Borrowed).map_err(bad)
    }

    /// Bytes that are UTF-8: how names of tables and indexes come.
    pub(super) fn name(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?.into_owned()).map_err(|_| unreadable("a name is not UTF-8"))
    }

    /// An integer of up to 65 bits.
    pub(super) fn integer(&mut self) -> Read<i128> {
        self.decoder
            .int()
            .map(i128::from)
            .map_err(|_| unreadable("not an integer"))
    }

    /// True or false, as itself or as 1 or 0.
    pub(super) fn flag(&mut self) -> Read<bool> {
        if self.kind()? == Type::Bool {
            return self.decoder.bool().map_err(|_| unreadable("not a boolean"));
        }
        Ok(self.integer()? != 0)
    }

    /// A float of any width but 16 bits.
    pub(super) fn float(&mut self) -> Read<f64> {
        self.decoder.f64().map_err(|_| unreadable("not a float"))
    }

    /// The tag of the next item.
    pub(super) fn tag(&mut self) -> Read<u64> {
        self.decoder
            .tag()
            .map(|tag| tag.as_u64())
            .map_err(|_| unreadable("not a tag"))
    }

    /// Whether the next item is null; then it is taken.
    pub(super) fn take_null(&mut self) -> Read<bool> {
        let null = matches!(self.kind()?, Type::Null | Type::Undefined);
        if null {
            self.skip()?;
        }
        Ok(null)
    }

    /// One item or null.
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<Option<T>> {
        if self.take_null()? {
            Ok(None)
        } else {
            read(self).map(Some)
        }
    }

    /// Passes over one item.
    pub(super) fn skip(&mut self) -> Read<()> {
        self.decoder
            .skip()
            .map_err(|_| unreadable("an item is damaged"))
    }

    /// The head of an array whose elements the caller reads; its length.
    pub(super) fn array_of(&mut self) -> Read<u64> {
        match self.decoder.array() {
            Ok(Some(length)) => Ok(length),
            Ok(None) | Err(_) => Err(unreadable("not an array of known length")),
        }
    }

    /// Calls `read` at each element of an array.
    pub(super) fn elements(&mut self, mut read: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        let length = self
            .decoder
            .array()
            .map_err(|_| unreadable("not an array"))?;
        self.times(length, &mut read)
    }

    /// Calls `read` at each key of a map; it takes key and value.
    pub(super) fn entries(&mut self, mut read: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        let length = self.decoder.map().map_err(|_| unreadable("not a map"))?;
        self.times(length, &mut read)
    }

    fn times(
        &mut self,
        length: Option<u64>,
        read: &mut dyn FnMut(&mut Self) -> Read<()>,
    ) -> Read<()> {
        match length {
            // Each round takes at least a byte or fails, so that a lie about the length ends at the end of the bytes.
            Some(length) => (0..length).try_for_each(|_| read(self)),
            None => {
                while self.kind()? != Type::Break {
                    read(self)?;
                }
                self.skip_break()
            }
        }
    }

    fn skip_break(&mut self) -> Read<()> {
        self.decoder.set_position(self.decoder.position() + 1);
        Ok(())
    }
}

/// Writes items one after another.
pub(super) struct Writer {
    encoder: Encoder<Vec<u8>>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            encoder: Encoder::new(Vec::with_capacity(256)),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.encoder.into_writer()
    }

    // A vector takes all that is written: the results below carry no error.

    pub(super) fn integer(&mut self, value: i128) {
        // Beyond 65 bits a number is a big one, which is for the caller to know.
        if let Ok(value) = Int::try_from(value) {
            self.encoder.int(value).ok();
        }
    }

    pub(super) fn count(&mut self, value: usize) {
        self.integer(value.try_into().unwrap_or(i128::MAX));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.encoder.str(text).ok();
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.encoder.bytes(bytes).ok();
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.encoder.bool(value).ok();
    }

    pub(super) fn null(&mut self) {
        self.encoder.null().ok();
    }

    pub(super) fn float(&mut self, value: f64) {
        self.encoder.f64(value).ok();
    }

    pub(super) fn tag(&mut self, tag: u64) {
        self.encoder.tag(Tag::new(tag)).ok();
    }

    pub(super) fn array(&mut self, length: usize) {
        self.encoder.array(length as u64).ok();
    }

    pub(super) fn map(&mut self, length: usize) {
        self.encoder.map(length as u64).ok();
    }

    /// The head of a map that [`Writer::end`] ends.
    pub(super) fn begin_map(&mut self) {
        self.encoder.begin_map().ok();
    }

    pub(super) fn end(&mut self) {
        self.encoder.end().ok();
    }

    /// Items that are written already.
    pub(super) fn raw(&mut self, items: &[u8]) {
        self.encoder.writer_mut().extend_from_slice(items);
    }
}
