use stator_model::error::ErrorCode;

use super::*;

const PARTITION: u64 = 1;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn provisioned(read: f64, write: f64) -> Consumer<'static> {
    Consumer {
        storage_id: 7,
        table_arn: "arn",
        index_name: None,
        limits: Limits {
            read: Some(read),
            write: Some(write),
            ..Limits::default()
        },
    }
}

fn on_demand() -> Consumer<'static> {
    Consumer {
        limits: Limits {
            on_demand: true,
            ..Limits::default()
        },
        ..provisioned(0.0, 0.0)
    }
}

/// How many requests of `units` are admitted one after the other, up to `most`.
fn admitted(
    throttle: &Throttle,
    consumer: &Consumer<'_>,
    partition: u64,
    units: f64,
    most: usize,
    now: Duration,
) -> usize {
    (0..most)
        .take_while(|_| {
            let admitted = throttle
                .admit(consumer, Usage::Write, partition, now)
                .is_ok();
            if admitted {
                throttle.charge(consumer, Usage::Write, partition, units, now);
            }
            admitted
        })
        .count()
}

fn reason(throttle: &Throttle, consumer: &Consumer<'_>, partition: u64, now: Duration) -> String {
    let refused = throttle
        .admit(consumer, Usage::Write, partition, now)
        .unwrap_err();
    refused.throttling_reasons[0].reason.clone()
}

#[test]
fn five_minutes_of_unused_capacity_are_kept_and_no_more() {
    let throttle = Throttle::new(Throttling::Configured);
    let table = provisioned(1.0, 10.0);
    let count = |now| admitted(&throttle, &table, PARTITION, 1.0, 10_000, now);
    assert_eq!(count(at(0)), 3_000);
    assert_eq!(count(at(0)), 0);
    assert_eq!(count(at(1_000)), 10);
    assert_eq!(count(at(1_000_000)), 3_000);
    assert_eq!(
        reason(&throttle, &table, PARTITION, at(1_000_000)),
        "TableWriteProvisionedThroughputExceeded"
    );
    // The other usage has a bucket of its own.
    assert!(
        throttle
            .admit(&table, Usage::Read, PARTITION, at(1_000_000))
            .is_ok()
    );
}

#[test]
fn a_request_may_overdraw_and_the_debt_is_paid_before_the_next() {
    let throttle = Throttle::new(Throttling::Configured);
    let table = provisioned(1.0, 1.0);
    throttle.charge(&table, Usage::Write, PARTITION, 299.0, at(0));
    assert_eq!(admitted(&throttle, &table, PARTITION, 11.0, 10, at(0)), 1);
    assert_eq!(
        admitted(&throttle, &table, PARTITION, 1.0, 10, at(10_000)),
        0
    );
    assert_eq!(
        admitted(&throttle, &table, PARTITION, 1.0, 10, at(11_000)),
        1
    );
}

#[test]
fn one_hot_partition_can_use_the_capacity_of_the_whole_table() {
    let throttle = Throttle::new(Throttling::Full);
    let table = provisioned(1.0, 100.0);
    throttle.charge(&table, Usage::Write, PARTITION, 30_000.0, at(0));
    let later = at(10_000);
    assert_eq!(admitted(&throttle, &table, 2, 1.0, 10_000, later), 1_000);
    assert_eq!(
        reason(&throttle, &table, 2, later),
        "TableWriteProvisionedThroughputExceeded"
    );
}

#[test]
fn a_partition_has_a_ceiling_that_only_the_full_mode_knows() {
    let table = provisioned(1.0, 40_000.0);
    let full = Throttle::new(Throttling::Full);
    assert_eq!(admitted(&full, &table, 1, 1.0, 5_000, at(0)), 1_000);
    assert_eq!(
        reason(&full, &table, 1, at(0)),
        "TableWriteKeyRangeThroughputExceeded"
    );
    assert_eq!(admitted(&full, &table, 2, 1.0, 5_000, at(0)), 1_000);
    let configured = Throttle::new(Throttling::Configured);
    assert_eq!(admitted(&configured, &table, 1, 1.0, 5_000, at(0)), 5_000);
}

#[test]
fn an_on_demand_table_serves_twice_its_highest_second() {
    let throttle = Throttle::new(Throttling::Full);
    let table = on_demand();
    // Spread over ten partitions, none of which reaches its own ceiling.
    let second = |units: u64, at_second: u64| -> u64 {
        (0..units)
            .take_while(|request| {
                let partition = request % 100;
                let now = at(at_second * 1_000);
                let admitted = throttle.admit(&table, Usage::Write, partition, now).is_ok();
                if admitted {
                    throttle.charge(&table, Usage::Write, partition, 1.0, now);
                }
                admitted
            })
            .count() as u64
    };
    assert_eq!(second(10_000, 0), 4_000);
    assert_eq!(second(10_000, 1), 8_000);
    assert_eq!(second(16_000, 2), 16_000);
    assert_eq!(
        reason(&throttle, &table, 1, at(2_000)),
        "TableWriteAccountLimitExceeded"
    );
    let refused = throttle
        .admit(&table, Usage::Write, 1, at(2_000))
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::ThrottlingException);
}

#[test]
fn an_on_demand_table_is_held_to_the_maximum_it_asks_for() {
    let throttle = Throttle::new(Throttling::Configured);
    let mut table = on_demand();
    assert_eq!(admitted(&throttle, &table, 1, 1.0, 50_000, at(0)), 50_000);
    table.limits.write = Some(5.0);
    assert_eq!(admitted(&throttle, &table, 1, 1.0, 50_000, at(0)), 5);
    assert_eq!(
        reason(&throttle, &table, 1, at(0)),
        "TableWriteMaxOnDemandThroughputExceeded"
    );
    assert_eq!(admitted(&throttle, &table, 1, 1.0, 50_000, at(60_000)), 5);
}

#[test]
fn new_settings_are_followed_at_once() {
    let throttle = Throttle::new(Throttling::Configured);
    let small = provisioned(1.0, 1.0);
    assert_eq!(admitted(&throttle, &small, 1, 1.0, 1_000, at(0)), 300);
    let large = provisioned(1.0, 50.0);
    assert_eq!(admitted(&throttle, &large, 1, 1.0, 1_000, at(0)), 0);
    assert_eq!(admitted(&throttle, &large, 1, 1.0, 1_000, at(1_000)), 50);
}

#[test]
fn nothing_is_throttled_when_it_is_off() {
    let throttle = Throttle::new(Throttling::Off);
    let table = provisioned(1.0, 1.0);
    assert_eq!(admitted(&throttle, &table, 1, 1.0, 5_000, at(0)), 5_000);
    assert!(throttle.meters.lock().is_empty());
}

#[test]
fn meters_of_idle_tables_are_dropped_when_there_are_many() {
    let throttle = Throttle::new(Throttling::Configured);
    for storage_id in 0..METERS_MAX as u64 {
        let table = Consumer {
            storage_id,
            ..provisioned(1.0, 1.0)
        };
        throttle.charge(&table, Usage::Write, 1, 1.0, at(0));
    }
    let busy = Consumer {
        storage_id: 3,
        ..provisioned(1.0, 1.0)
    };
    throttle.charge(&busy, Usage::Write, 1, 300.0, at(400_000));
    let new = Consumer {
        storage_id: u64::MAX,
        ..provisioned(1.0, 1.0)
    };
    throttle.charge(&new, Usage::Write, 1, 1.0, at(400_000));
    let kept: Vec<u64> = throttle.meters.lock().keys().copied().collect();
    assert_eq!(kept, [3, u64::MAX]);
}

#[test]
fn an_index_is_named_by_its_own_arn() {
    let throttle = Throttle::new(Throttling::Configured);
    let index = Consumer {
        index_name: Some("by-date"),
        ..provisioned(1.0, 1.0)
    };
    throttle.charge(&index, Usage::Write, PARTITION, 300.0, at(0));
    let refused = throttle
        .admit(&index, Usage::Write, PARTITION, at(0))
        .unwrap_err();
    let reason = &refused.throttling_reasons[0];
    assert_eq!(reason.resource, "arn/index/by-date");
    assert_eq!(reason.reason, "IndexWriteProvisionedThroughputExceeded");
}
