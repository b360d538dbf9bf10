use super::*;

fn map(members: &[(&str, AttributeValue)]) -> Item {
    members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn texts(members: &[&str]) -> AttributeValue {
    AttributeValue::Ss(members.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn sizes_follow_the_rules_of_the_guide() {
    let number = |text| AttributeValue::N(Number::parse(text).unwrap());
    for (value, bytes) in [
        (AttributeValue::string(""), 0),
        (AttributeValue::string("äb"), 3),
        (number("-42"), 3),
        (AttributeValue::B(Bytes::from_static(&[0; 5])), 5),
        (AttributeValue::Bool(false), 1),
        (AttributeValue::Null, 1),
        (texts(&["a", "bc"]), 3),
        (
            AttributeValue::Ns(vec![Number::from(1i64), Number::from(123i64)]),
            5,
        ),
        (AttributeValue::Bs(vec![Bytes::from_static(b"ab")]), 2),
        (AttributeValue::L(vec![]), 3),
        (
            AttributeValue::L(vec![AttributeValue::string("ab"), AttributeValue::Null]),
            3 + 3 + 2,
        ),
        (AttributeValue::M(Item::new()), 3),
        (
            AttributeValue::M(map(&[("key", AttributeValue::string("ab"))])),
            3 + 3 + 1 + 2,
        ),
    ] {
        assert_eq!(value.size_bytes(), bytes, "{value:?}");
    }
    let item = map(&[
        ("pk", AttributeValue::string("abc")),
        ("ä", AttributeValue::Null),
    ]);
    assert_eq!(item_size_bytes(&item), 2 + 3 + 2 + 1);
}

#[test]
fn sets_are_equal_without_order_at_any_depth() {
    let nested =
        |members| AttributeValue::L(vec![AttributeValue::M(map(&[("s", texts(members))]))]);
    assert!(texts(&["a", "b"]).data_equal(&texts(&["b", "a"])));
    assert!(nested(&["a", "b"]).data_equal(&nested(&["b", "a"])));
    assert!(!nested(&["a", "b"]).data_equal(&nested(&["a", "c"])));
    assert!(!texts(&["a"]).data_equal(&texts(&["a", "b"])));
    assert_ne!(texts(&["a", "b"]), texts(&["b", "a"]));
}

#[test]
fn lists_have_order_and_types_differ() {
    let list = |members: &[&str]| {
        AttributeValue::L(
            members
                .iter()
                .map(|text| AttributeValue::string(*text))
                .collect(),
        )
    };
    assert!(list(&["a", "b"]).data_equal(&list(&["a", "b"])));
    assert!(!list(&["a", "b"]).data_equal(&list(&["b", "a"])));
    assert!(!list(&["a"]).data_equal(&list(&["a", "b"])));
    assert!(!AttributeValue::string("1").data_equal(&AttributeValue::N(Number::from(1i64))));
    assert!(
        AttributeValue::N(Number::parse("1.0").unwrap())
            .data_equal(&AttributeValue::N(Number::parse("1e0").unwrap()))
    );
    let one = map(&[("a", AttributeValue::Null)]);
    let other = map(&[("b", AttributeValue::Null)]);
    assert!(!items_data_equal(&one, &other));
}

#[test]
fn a_value_is_no_larger_than_it_was() {
    // A number with an aligned 128-bit field would make this 48, in every item in memory.
    assert!(
        size_of::<AttributeValue>() <= 40,
        "{}",
        size_of::<AttributeValue>()
    );
}
