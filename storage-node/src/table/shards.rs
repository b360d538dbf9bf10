//! Shards of a stream: which there are, how they and their records are named. Pure.
//!
//! A partition's change log is cut into shards by marks that lie in it ([`ShardMark`]), so that a
//! record's place alone says which shard it is in. The first shard of a stream begins where the
//! stream was opened, a *rolled* mark ends one and begins its child, a *closed* one ends the last.
//! What ended longer ago than records are kept is not shown any more.

use super::change_log::{ChangePosition, MarkKind, ShardMark};

/// A shard of one stream in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamShard {
    /// When it began, milliseconds since 1970: what tells it from the others of its partition.
    pub start_millis: u64,
    /// Its records lie after this.
    pub start: ChangePosition,
    /// And before this, once it is closed.
    pub end: Option<ChangePosition>,
    /// The shard that it continues, by its beginning.
    pub parent_start_millis: Option<u64>,
}

/// The shards of a stream in one partition, oldest first, by the partition's marks in log order.
/// What ended before `horizon_millis` is left out.
#[must_use]
pub fn shards(
    marks: &[(ChangePosition, ShardMark)],
    stream_enabled_millis: u64,
    horizon_millis: u64,
) -> Vec<StreamShard> {
    let mut open = Some(StreamShard {
        start_millis: stream_enabled_millis,
        start: ChangePosition::FIRST,
        end: None,
        parent_start_millis: None,
    });
    let mut shards = Vec::new();
    let mut opened = false;
    let own = marks
        .iter()
        .filter(|(_, mark)| mark.stream_enabled_millis == stream_enabled_millis);
    for (position, mark) in own {
        let Some(mut shard) = open.take() else { break };
        match mark.kind {
            // A second one is the repetition of a first whose leader did not finish.
            MarkKind::Opened if opened => open = Some(shard),
            MarkKind::Opened => {
                shard.start = *position;
                opened = true;
                open = Some(shard);
            }
            MarkKind::Rolled | MarkKind::Closed => {
                opened = true;
                shard.end = Some(*position);
                let is_shown = mark.millis >= horizon_millis;
                if is_shown {
                    shards.push(shard);
                }
                open = (mark.kind == MarkKind::Rolled).then_some(StreamShard {
                    // Two shards of a partition never share a name, whatever the clock did.
                    start_millis: mark.millis.max(shard.start_millis + 1),
                    start: *position,
                    end: None,
                    parent_start_millis: is_shown.then_some(shard.start_millis),
                });
            }
        }
    }
    shards.extend(open);
    shards
}

/// The marks that nothing needs any more: those before a mark of the same stream that ended a shard
/// before `horizon_millis`, and a closed mark of that age itself.
#[must_use]
pub fn needless_marks(
    marks: &[(ChangePosition, ShardMark)],
    horizon_millis: u64,
) -> Vec<ChangePosition> {
    let ended = |mark: &ShardMark| mark.kind != MarkKind::Opened && mark.millis < horizon_millis;
    marks
        .iter()
        .enumerate()
        .filter(|(at, (_, mark))| {
            let followed = marks.iter().skip(at + 1).any(|(_, later)| {
                later.stream_enabled_millis == mark.stream_enabled_millis && ended(later)
            });
            followed || (mark.kind == MarkKind::Closed && ended(mark))
        })
        .map(|(_, (position, _))| *position)
        .collect()
}

/// The id of a shard: `shardId-`, 20 digits, `-`, at least 8 hexadecimal digits. Ids order by the
/// time at which shards begin, so a parent comes before its child.
#[must_use]
pub fn shard_id(start_millis: u64, partition_id: u64) -> String {
    format!("shardId-{start_millis:020}-{partition_id:08x}")
}

/// Start and partition in a shard's id; `None` for what is no such id.
#[must_use]
pub fn parse_shard_id(id: &str) -> Option<(u64, u64)> {
    let (start, partition) = id.strip_prefix("shardId-")?.split_once('-')?;
    let parsed = (
        start.parse().ok()?,
        u64::from_str_radix(partition, 16).ok()?,
    );
    (shard_id(parsed.0, parsed.1) == id).then_some(parsed)
}

const NUMBER_BITS: u32 = 16;
const INDEX_BITS: u32 = 64;

/// The sequence number of a record: 25 digits and more, ascending with positions.
#[must_use]
pub fn sequence_number(position: ChangePosition) -> String {
    // An epoch has at most 48 bits here; they are counted from 1 with every move of a partition.
    let epoch = u128::from(position.epoch) << (INDEX_BITS + NUMBER_BITS);
    let index = u128::from(position.log_index) << NUMBER_BITS;
    format!("{:021}", epoch | index | u128::from(position.number))
}

/// The position that a sequence number names; `None` for what is no decimal number of that size.
#[must_use]
pub fn parse_sequence_number(text: &str) -> Option<ChangePosition> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u128 = text.parse().ok()?;
    Some(ChangePosition {
        epoch: u64::try_from(number >> (INDEX_BITS + NUMBER_BITS)).ok()?,
        log_index: u64::try_from(number >> NUMBER_BITS & u128::from(u64::MAX)).ok()?,
        number: u16::try_from(number & u128::from(u16::MAX)).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: u64 = 1_000;

    fn at(log_index: u64) -> ChangePosition {
        ChangePosition {
            epoch: 1,
            log_index,
            number: 0,
        }
    }

    fn mark(log_index: u64, millis: u64, kind: MarkKind) -> (ChangePosition, ShardMark) {
        let mark = ShardMark {
            stream_enabled_millis: STREAM,
            millis,
            kind,
        };
        (at(log_index), mark)
    }

    #[test]
    fn a_stream_without_marks_is_one_open_shard() {
        let only = StreamShard {
            start_millis: STREAM,
            start: ChangePosition::FIRST,
            end: None,
            parent_start_millis: None,
        };
        assert_eq!(shards(&[], STREAM, 0), [only]);
    }

    #[test]
    fn marks_cut_a_log_into_a_line_of_shards() {
        let other = ShardMark {
            stream_enabled_millis: STREAM - 1,
            millis: 900,
            kind: MarkKind::Closed,
        };
        let marks = [
            (at(3), other),
            mark(4, 1_001, MarkKind::Opened),
            mark(5, 1_002, MarkKind::Opened),
            mark(9, 2_000, MarkKind::Rolled),
            mark(20, 3_000, MarkKind::Closed),
            mark(21, 3_001, MarkKind::Rolled),
        ];
        let first = StreamShard {
            start_millis: STREAM,
            start: at(4),
            end: Some(at(9)),
            parent_start_millis: None,
        };
        let second = StreamShard {
            start_millis: 2_000,
            start: at(9),
            end: Some(at(20)),
            parent_start_millis: Some(STREAM),
        };
        assert_eq!(shards(&marks, STREAM, 0), [first, second]);
        let orphan = StreamShard {
            parent_start_millis: None,
            ..second
        };
        assert_eq!(shards(&marks, STREAM, 2_001), [orphan]);
        assert_eq!(shards(&marks, STREAM, 3_001), []);
    }

    proptest! {
        /// Removing the marks that nothing needs changes no shard that is shown.
        #[test]
        fn needless_marks_are_missed_by_nobody(
            kinds in proptest::collection::vec(prop_oneof![Just(MarkKind::Rolled), Just(MarkKind::Opened)], 0..6),
            closed in any::<bool>(),
            horizon in 0_u64..90,
        ) {
            let mut marks: Vec<_> = (1_u64..)
                .zip(kinds)
                .map(|(at, kind)| mark(at, at * 10, kind))
                .collect();
            if closed {
                marks.push(mark(70, 70, MarkKind::Closed));
            }
            for (_, mark) in &mut marks {
                mark.stream_enabled_millis = 5;
            }
            let needless = needless_marks(&marks, horizon);
            let kept: Vec<_> = marks
                .iter()
                .copied()
                .filter(|(position, _)| !needless.contains(position))
                .collect();
            let gone = closed && horizon > 70;
            if gone {
                prop_assert!(kept.is_empty());
            } else {
                prop_assert_eq!(shards(&kept, 5, horizon), shards(&marks, 5, horizon));
            }
        }

        #[test]
        fn sequence_numbers_order_as_positions_and_are_read_back(
            left in (1_u64..1 << 40, any::<u64>(), any::<u16>()),
            right in (1_u64..1 << 40, any::<u64>(), any::<u16>()),
        ) {
            let position = |(epoch, log_index, number)| ChangePosition { epoch, log_index, number };
            let (left, right) = (position(left), position(right));
            let (l, r) = (sequence_number(left), sequence_number(right));
            prop_assert!((21..=40).contains(&l.len()));
            prop_assert_eq!(parse_sequence_number(&l), Some(left));
            let as_numbers = l.parse::<u128>().unwrap().cmp(&r.parse::<u128>().unwrap());
            prop_assert_eq!(as_numbers, left.cmp(&right));
        }

        #[test]
        fn ids_are_read_back_and_anything_else_is_none(start in any::<u64>(), partition in any::<u64>(), text in ".*") {
            let id = shard_id(start, partition);
            prop_assert!((28..=65).contains(&id.len()));
            prop_assert_eq!(parse_shard_id(&id), Some((start, partition)));
            let _none = parse_shard_id(&text);
            let _none = parse_sequence_number(&text);
        }
    }
}
