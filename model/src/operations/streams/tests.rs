//! Tests of the requests and answers of streams.

use super::*;
use crate::operations::stream_label;
use crate::value::{AttributeValue, Item};

const ARN: &str =
    "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-01-31T12:00:00.123";
const SHARD: &str = "shardId-00000001769860800123-00000007";

fn refused<T: std::fmt::Debug>(parsed: Result<T, crate::error::ApiError>) -> String {
    parsed.unwrap_err().message.unwrap()
}

#[test]
fn a_label_is_the_time_in_iso_with_milliseconds() {
    for (millis, label) in [
        (0, "1970-01-01T00:00:00.000"),
        (951_827_696_007, "2000-02-29T12:34:56.007"),
        (1_769_860_800_123, "2026-01-31T12:00:00.123"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000"),
    ] {
        assert_eq!(stream_label(millis), label);
    }
}

#[test]
fn an_arn_is_taken_apart_or_refused() {
    let parts = StreamArn::parse(ARN).unwrap();
    assert_eq!(parts.table_name, "orders");
    assert_eq!(parts.label, "2026-01-31T12:00:00.123");
    for malformed in [
        "",
        "orders",
        "arn:aws:dynamodb:us-east-1:000000000000:table/orders",
        "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/",
        "arn:aws:s3:us-east-1:000000000000:table/orders/stream/x",
    ] {
        let text = refused(StreamArn::parse(malformed));
        assert_eq!(text, "Invalid StreamArn", "{malformed}");
    }
}

#[test]
fn constraints_are_gathered_in_the_services_words() {
    assert_eq!(
        refused(DescribeStreamRequest::parse(b"{}")),
        "1 validation error detected: Value null at 'streamArn' failed to satisfy constraint: \
         Member must not be null"
    );
    assert_eq!(
        refused(DescribeStreamRequest::parse(
            br#"{"StreamArn":"short","Limit":0}"#
        )),
        "2 validation errors detected: Value 'short' at 'streamArn' failed to satisfy constraint: \
         Member must have length greater than or equal to 37; Value '0' at 'limit' failed to \
         satisfy constraint: Member must have value greater than or equal to 1"
    );
    assert_eq!(
        refused(GetRecordsRequest::parse(
            br#"{"ShardIterator":"x","Limit":1001}"#
        )),
        "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member \
         must have value less than or equal to 1000"
    );
    assert_eq!(
        refused(ListStreamsRequest::parse(br#"{"Limit":101}"#)),
        "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member \
         must have value less than or equal to 100"
    );
}

#[test]
fn an_iterator_begins_where_the_request_says() {
    let parse = |rest: &str| {
        let body = format!(r#"{{"StreamArn":"{ARN}","ShardId":"{SHARD}",{rest}}}"#);
        GetShardIteratorRequest::parse(body.as_bytes())
    };
    let number = "1208925819614629174706176";
    assert_eq!(
        parse(&format!(
            r#""ShardIteratorType":"AT_SEQUENCE_NUMBER","SequenceNumber":"{number}""#
        ))
        .unwrap()
        .start,
        ShardIteratorStart::AtSequenceNumber(number.to_owned())
    );
    assert_eq!(
        parse(r#""ShardIteratorType":"LATEST""#).unwrap().start,
        ShardIteratorStart::Latest
    );
    assert!(
        refused(parse(r#""ShardIteratorType":"AFTER_SEQUENCE_NUMBER""#))
            .contains("SequenceNumber is required")
    );
    assert!(
        refused(parse(r#""ShardIteratorType":"NEWEST""#)).contains("'shardIteratorType' failed")
    );
}

#[test]
fn a_record_has_the_services_shape_and_an_expiry_its_identity() {
    let keys = Item::from([("pk".to_owned(), AttributeValue::string("a"))]);
    let record = Record {
        event_id: "0".repeat(32),
        event_name: RecordEvent::Remove,
        aws_region: "us-east-1".to_owned(),
        approximate_creation_date_time: 1_769_860_800,
        keys: keys.clone(),
        new_image: None,
        old_image: Some(keys),
        sequence_number: "1208925819614629174706176".to_owned(),
        size_bytes: 6,
        stream_view_type: crate::table::StreamViewType::OldImage,
        by_expiry: true,
    };
    let response = GetRecordsResponse {
        records: vec![record],
        next_shard_iterator: None,
    };
    assert_eq!(
        String::from_utf8(response.to_json()).unwrap(),
        concat!(
            r#"{"Records":[{"eventID":"00000000000000000000000000000000","eventName":"REMOVE","#,
            r#""eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1","#,
            r#""dynamodb":{"ApproximateCreationDateTime":1769860800,"Keys":{"pk":{"S":"a"}},"#,
            r#""OldImage":{"pk":{"S":"a"}},"SequenceNumber":"1208925819614629174706176","#,
            r#""SizeBytes":6,"StreamViewType":"OLD_IMAGE"},"#,
            r#""userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}}]}"#
        )
    );
}
