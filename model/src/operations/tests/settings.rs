//! Tags, TimeToLive, backups, insights, policies: the operations on one setting.

use super::{body, text};
use crate::operations::*;
use crate::table::Tag;

const ARN: &str = r#""ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/orders""#;
const NAME: &str = r#""TableName":"orders""#;

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn tags_are_set_by_arn() {
    let refused = |parts: &[&str]| text(TagResourceRequest::parse(&body(parts)).unwrap_err());
    let one = r#""Tags":[{"Key":"a","Value":"b"}]"#;
    assert_eq!(refused(&[one]), "Invalid TableArn");
    for arn in ["orders", "arn:aws:dynamodb:us-east-1:1:index/orders", ""] {
        assert_eq!(
            refused(&[&format!(r#""ResourceArn":"{arn}""#), one]),
            format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}")
        );
    }
    assert_eq!(
        refused(&[ARN]),
        "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member \
         must not be null"
    );
    assert_eq!(
        refused(&[ARN, r#""Tags":[]"#]),
        "Atleast one Tag needs to be provided as Input."
    );
    assert_eq!(
        refused(&[ARN, r#""Tags":[{"Key":"","Value":"b"}]"#]),
        "The Tag Key provided is invalid, Key: "
    );
    assert_eq!(
        refused(&[ARN, r#""Tags":[{"Value":"b"}]"#]),
        "The Tag Key provided is invalid, Key: null"
    );
    assert_eq!(
        refused(&[ARN, r#""Tags":[{"Key":"c"}]"#]),
        "The Tag Value provided is invalid, Value: null"
    );
    assert_eq!(
        refused(&[ARN, r#""Tags":[{"Key":"AWS:a","Value":"b"}]"#]),
        "Tag Key cannot be prefixed with aws:, Key: AWS:a"
    );
    let twice = r#""Tags":[{"Key":"a","Value":"b"},{"Key":"a","Value":"c"}]"#;
    assert_eq!(
        refused(&[ARN, twice]),
        "Duplicate Tag Keys provided as input: Duplicate Tag Key found a"
    );
    let request = TagResourceRequest::parse(&body(&[ARN, one])).unwrap();
    assert_eq!(request.tags, [tag("a", "b")]);
}

#[test]
fn tags_replace_and_are_at_most_fifty() {
    let many: Vec<Tag> = (0..50).map(|at| tag(&format!("k{at}"), "v")).collect();
    let merged = merge_tags(&many, &[tag("k7", "new")]).unwrap();
    assert_eq!(merged.len(), 50);
    assert_eq!(merged[7].value, "new");
    assert_eq!(
        text(merge_tags(&many, &[tag("other", "v")]).unwrap_err()),
        "Number of Tags exceed the current limit for the provided ResourceArn"
    );
}

#[test]
fn untagging_names_keys() {
    let refused = |parts: &[&str]| text(UntagResourceRequest::parse(&body(parts)).unwrap_err());
    assert_eq!(refused(&[r#""TagKeys":["a"]"#]), "Invalid TableArn");
    assert_eq!(
        refused(&[ARN, r#""TagKeys":[]"#]),
        "Atleast one Tag Key needs to be provided as Input."
    );
    let request = UntagResourceRequest::parse(&body(&[ARN, r#""TagKeys":["a","b"]"#])).unwrap();
    assert_eq!(request.tag_keys, ["a", "b"]);
    assert_eq!(
        text(ListTagsOfResourceRequest::parse(b"{}").unwrap_err()),
        "Invalid TableArn"
    );
    let answer = ListTagsOfResourceResponse {
        tags: vec![tag("a", "b")],
    };
    assert_eq!(answer.to_json(), br#"{"Tags":[{"Key":"a","Value":"b"}]}"#);
}

#[test]
fn expiry_is_switched_on_and_off() {
    let parse = |part: &str| UpdateTimeToLiveRequest::parse(&body(&[NAME, part]));
    assert_eq!(
        text(parse(r#""TimeToLiveSpecification":{"AttributeName":""}"#).unwrap_err()),
        "2 validation errors detected: Value null at 'timeToLiveSpecification.enabled' failed to \
         satisfy constraint: Member must not be null; Value '' at \
         'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must have \
         length greater than or equal to 1"
    );
    assert!(parse(r#""x":1"#).is_err());
    let set = |enabled: bool, name: &str| {
        parse(&format!(
            r#""TimeToLiveSpecification":{{"Enabled":{enabled},"AttributeName":"{name}"}}"#
        ))
        .unwrap()
    };
    let check = |enabled: bool, current: Option<&str>, expected: Option<&str>| {
        let outcome = set(enabled, "ttl").check(current);
        assert_eq!(outcome.err().map(text).as_deref(), expected);
    };
    check(true, None, None);
    check(true, Some("ttl"), Some("TimeToLive is already enabled"));
    let other = "TimeToLive is active on a different AttributeName: current AttributeName is other";
    check(true, Some("other"), Some(other));
    check(false, Some("other"), Some(other));
    check(false, None, Some("TimeToLive is already disabled"));
    check(false, Some("ttl"), None);
    assert_eq!(
        DescribeTimeToLiveResponse::of(Some("ttl")).to_json(),
        br#"{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"ttl"}}"#
    );
    assert_eq!(
        DescribeTimeToLiveResponse::of(None).to_json(),
        br#"{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}"#
    );
}

#[test]
fn backups_are_described() {
    let parse = |part: &str| UpdateContinuousBackupsRequest::parse(&body(&[NAME, part]));
    assert!(
        text(parse("\"x\":1").unwrap_err())
            .contains("Value null at 'pointInTimeRecoverySpecification'")
    );
    assert!(
        text(
            parse(r#""PointInTimeRecoverySpecification":{"RecoveryPeriodInDays":36}"#).unwrap_err()
        )
        .starts_with("2 validation errors detected: Value null at")
    );
    let request =
        parse(r#""PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true}"#).unwrap();
    assert!(request.enabled);
    assert_eq!(
        ContinuousBackupsResponse::default().to_json(),
        br#"{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"DISABLED"}}}"#
    );
}

#[test]
fn insights_are_asked_for_by_action() {
    let parse = |part: &str| UpdateContributorInsightsRequest::parse(&body(&[NAME, part]));
    assert!(text(parse(r#""x":1"#).unwrap_err()).contains("'contributorInsightsAction'"));
    assert!(
        text(parse(r#""ContributorInsightsAction":"ON""#).unwrap_err())
            .contains("[ENABLE, DISABLE]")
    );
    assert!(
        parse(r#""ContributorInsightsAction":"ENABLE""#)
            .unwrap()
            .enable
    );
    let list = ListContributorInsightsRequest::parse(&body(&[r#""MaxResults":101"#]));
    assert!(text(list.unwrap_err()).contains("less than or equal to 100"));
}

#[test]
fn policies_are_json_of_bounded_size() {
    let parse = |policy: &str| {
        let policy = serde_json::to_string(policy).unwrap();
        PutResourcePolicyRequest::parse(&body(&[ARN, &format!(r#""Policy":{policy}"#)]))
    };
    let statement = r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#;
    assert!(
        parse(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#
        ))
        .is_ok()
    );
    assert!(parse(&format!(r#"{{"Statement":{statement}}}"#)).is_ok());
    for (policy, why) in [
        ("{}", "Syntax error at position (1,3)"),
        ("", "This policy contains invalid Json"),
        ("[]", "This policy contains invalid Json"),
        ("{", "This policy contains invalid Json"),
        ("null", "This text appears not to be a policy"),
        (
            r#"{"Statement":[]}"#,
            "Could not parse the policy: Statement is empty!",
        ),
        (r#"{"Statement":[{}]}"#, "Missing required field Effect"),
        (
            r#"{"Statement":[{"Effect":"Allow","NotPrincipal":"*","NotAction":"*"}]}"#,
            "Missing required field Resource",
        ),
    ] {
        assert_eq!(
            text(parse(policy).unwrap_err()),
            format!("One or more parameter values were invalid: Invalid policy document: {why}")
        );
    }
    assert_eq!(
        text(parse(&format!("{{}}{}", " ".repeat(20 * 1024))).unwrap_err()),
        "One or more parameter values were invalid: Maximum policy size of 20480 bytes exceeded"
    );
    assert!(ResourcePolicyRequest::parse(&body(&[ARN])).is_ok());
    assert!(
        text(ResourcePolicyRequest::parse(b"{}").unwrap_err())
            .contains("Value null at 'resourceArn'")
    );
}

#[test]
fn limits_and_endpoints_are_told() {
    assert_eq!(
        DescribeLimitsResponse::default().to_json(),
        br#"{"AccountMaxReadCapacityUnits":80000,"AccountMaxWriteCapacityUnits":80000,"TableMaxReadCapacityUnits":40000,"TableMaxWriteCapacityUnits":40000}"#
    );
    let endpoint = DescribeEndpointsResponse {
        address: "localhost:8000".to_owned(),
    };
    assert_eq!(
        endpoint.to_json(),
        br#"{"Endpoints":[{"Address":"localhost:8000","CachePeriodInMinutes":1440}]}"#
    );
    assert!(parse_no_members(b"{}").is_ok());
    assert!(parse_no_members(b"[]").is_err());
}
