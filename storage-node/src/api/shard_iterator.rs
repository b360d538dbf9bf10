//! Shard iterators: opaque to the client, complete for any node, valid for 15 minutes.
//!
//! `<stream ARN>|1|<base64>`; inside are a checksum and the place in postcard. The checksum is keyed
//! with the cluster's id: it finds what was damaged, made up, or made by another cluster. It is no
//! signature and need not be: whoever sends an iterator is asked for leave to read its stream.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use stator_model::error::{ApiError, ErrorCode};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::table::change_log::ChangePosition;

/// How long an iterator can be used.
const VALID_MILLIS: u64 = 15 * 60 * 1_000;
const VERSION: &str = "1";
const CHECKSUM_LEN: usize = 8;

/// A place in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardPlace {
    /// Prefix of the table's keys.
    pub(super) storage_id: u64,
    /// The stream's identity within its table.
    pub(super) enabled_millis: u64,
    /// The partition.
    pub(super) partition_id: u64,
    /// When the shard began.
    pub(super) start_millis: u64,
    /// The first position to read.
    pub(super) from: ChangePosition,
    /// Pass over records before that time.
    pub(super) since_millis: Option<u64>,
    /// When the iterator was made.
    pub(super) issued_millis: u64,
}

impl ShardPlace {
    /// The iterator.
    pub(super) fn to_iterator(&self, stream_arn: &str, cluster_id: u128) -> String {
        let body = postcard::to_allocvec(self).unwrap_or_default();
        let mut bytes = checksum(stream_arn, &body, cluster_id)
            .to_be_bytes()
            .to_vec();
        bytes.extend_from_slice(&body);
        format!("{stream_arn}|{VERSION}|{}", BASE64.encode(bytes))
    }

    /// Reads an iterator: the stream's ARN and the place.
    ///
    /// # Errors
    /// ValidationException for what is no iterator of this cluster, ExpiredIteratorException for one
    /// that is too old at `now_millis`.
    pub(super) fn from_iterator(
        iterator: &str,
        cluster_id: u128,
        now_millis: u64,
    ) -> Result<(&str, Self), ApiError> {
        let (arn, place) = read(iterator, cluster_id)
            .ok_or_else(|| ApiError::validation("Invalid ShardIterator"))?;
        if now_millis.saturating_sub(place.issued_millis) > VALID_MILLIS {
            return Err(ApiError::new(
                ErrorCode::ExpiredIteratorException,
                "The shard iterator has expired and can no longer be used to retrieve stream \
                 records. A shard iterator expires 15 minutes after it is retrieved using the \
                 GetShardIterator action.",
            ));
        }
        Ok((arn, place))
    }
}

fn read(iterator: &str, cluster_id: u128) -> Option<(&str, ShardPlace)> {
    let (rest, encoded) = iterator.rsplit_once('|')?;
    let (arn, version) = rest.rsplit_once('|')?;
    if version != VERSION {
        return None;
    }
    let bytes = BASE64.decode(encoded).ok()?;
    let (sum, body) = bytes.split_first_chunk::<CHECKSUM_LEN>()?;
    if checksum(arn, body, cluster_id).to_be_bytes() != *sum {
        return None;
    }
    Some((arn, postcard::from_bytes(body).ok()?))
}

fn checksum(arn: &str, body: &[u8], cluster_id: u128) -> u64 {
    let [low, high] = [cluster_id, cluster_id >> 64]
        .map(|part| u64::try_from(part & u128::from(u64::MAX)).unwrap_or_default());
    xxh3_64_with_seed(&[arn.as_bytes(), &[0], body].concat(), low ^ high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARN: &str =
        "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-01-31T12:00:00.123";
    const ISSUED: u64 = 1_769_860_800_123;

    fn place() -> ShardPlace {
        ShardPlace {
            storage_id: 7,
            enabled_millis: 1,
            partition_id: 3,
            start_millis: 2,
            from: ChangePosition::FIRST,
            since_millis: None,
            issued_millis: ISSUED,
        }
    }

    #[test]
    fn an_iterator_is_read_back_for_fifteen_minutes() {
        let iterator = place().to_iterator(ARN, 42);
        let read = |after| ShardPlace::from_iterator(&iterator, 42, ISSUED + after);
        assert_eq!(read(VALID_MILLIS), Ok((ARN, place())));
        assert_eq!(
            read(VALID_MILLIS + 1).unwrap_err().code,
            ErrorCode::ExpiredIteratorException
        );
        let elsewhere = ShardPlace::from_iterator(&iterator, 43, ISSUED).unwrap_err();
        assert_eq!(elsewhere.code, ErrorCode::ValidationException);
    }

    proptest! {
        #[test]
        fn what_was_changed_or_made_up_is_refused(at in any::<proptest::sample::Index>(), with in "[a-zA-Z0-9|]", text in ".*") {
            let mut iterator = place().to_iterator(ARN, 42);
            let at = at.index(iterator.len());
            let before = iterator.clone();
            iterator.replace_range(at..=at, &with);
            if iterator != before {
                prop_assert!(ShardPlace::from_iterator(&iterator, 42, ISSUED).is_err());
            }
            prop_assert!(ShardPlace::from_iterator(&text, 42, ISSUED).is_err());
        }
    }
}
