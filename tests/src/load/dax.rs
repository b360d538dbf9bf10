//! The native DAX protocol, as far as reading one item needs it (protocol, sections 3, 5 and 10.1).

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use stator_kit::clock::{SystemWallClock, WallClock as _};
use stator_kit::sigv4::{AccessKey, sign_detached};

use super::Parsed;
use crate::client::Key;

/// The host that every client signs for.
const HOST: &str = "dax.amazonaws.com";
const SERVICE: u8 = 1;
const AUTHORIZE_CONNECTION: i64 = 1_489_122_155;
const GET_ITEM: i64 = 263_244_906;

type Encoded = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Preamble and authorisation: neither has an answer.
#[must_use]
pub fn opening(key: &Key, region: &str) -> Bytes {
    let access_key = AccessKey::new(key.id.clone(), key.secret.clone());
    let signed = sign_detached(&access_key, region, "dax", HOST, SystemWallClock.now());
    encoded(|encoder| {
        encoder.str("J7yne5G")?.u8(0)?.bytes(&[1; 16])?;
        encoder
            .map(1)?
            .str("UserAgent")?
            .str("stator-bench")?
            .u8(0)?;
        encoder.u8(SERVICE)?.i64(AUTHORIZE_CONNECTION)?;
        encoder.str(&key.id)?.str(&signed.signature)?;
        encoder.bytes(signed.string_to_sign.as_bytes())?;
        encoder.null()?.null()?;
        Ok(())
    })
}

/// GetItem, eventually consistent, of a table whose partition and sort keys are strings.
#[must_use]
pub fn get(table: &str, partition_key: &str, sort_key: &str) -> Bytes {
    let mut key = Encoder::new(Vec::new());
    // Into a vector, which takes everything.
    key.str(partition_key).ok();
    let key = [&key.into_writer()[..], sort_key.as_bytes()].concat();
    encoded(|encoder| {
        encoder.u8(SERVICE)?.i64(GET_ITEM)?;
        encoder.bytes(table.as_bytes())?.bytes(&key)?.null()?;
        Ok(())
    })
}

fn encoded(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Encoded) -> Bytes {
    let mut encoder = Encoder::new(Vec::new());
    // Into a vector, which takes everything.
    write(&mut encoder).ok();
    encoder.into_writer().into()
}

/// No error codes and an item are a success; an answer without an item, or an error, is none.
#[must_use]
pub fn parse(buffer: &[u8]) -> Option<Parsed> {
    let mut decoder = Decoder::new(buffer);
    let codes = decoder.array().ok()??;
    for _ in 0..codes {
        decoder.skip().ok()?;
    }
    let success = codes == 0 && decoder.datatype().ok()? == Type::Map;
    decoder.skip().ok()?;
    if codes > 0 {
        // Behind the message, its details.
        decoder.skip().ok()?;
    }
    let length = decoder.position();
    (length <= buffer.len()).then_some(Parsed { length, success })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_that_of_the_published_clients() {
        let request = get("tbl", "a", "b");
        assert_eq!(
            request,
            &b"\x01\x1a\x0f\xb0\xcc\x6a\x43tbl\x43\x61ab\xf6"[..]
        );
    }

    #[test]
    fn answers_end_where_they_end() {
        let check = |bytes: &[u8], expected: Option<(usize, bool)>| {
            let parsed = parse(bytes).map(|parsed| (parsed.length, parsed.success));
            assert_eq!(parsed, expected, "{bytes:?}");
        };
        check(b"\x80\xa1\x00\x41a\x80", Some((5, true)));
        check(b"\x80\xf6", Some((2, false)));
        check(b"\x84\x04\x17\x18\x1f\x18\x21\x61x\xf6", Some((10, false)));
        check(b"\x80\xa1\x00\x43a", None);
        check(b"\x80", None);
        check(b"", None);
    }
}
