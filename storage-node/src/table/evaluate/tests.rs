use std::collections::BTreeMap;

use stator_model::error::ErrorCode;
use stator_model::expression::{ExpressionContext, ExpressionKind};
use stator_model::key::{KeyAttribute, ScalarType};
use stator_model::number::Number;

use super::*;
use crate::hlc::Hlc;

fn schema() -> KeySchema {
    KeySchema {
        partition_key: KeyAttribute {
            name: "pk".into(),
            scalar_type: ScalarType::S,
        },
        sort_key: None,
    }
}

fn item(pairs: &[(&str, AttributeValue)]) -> Item {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(Number::from(number))
}

fn stored(item: &Item) -> StoredItem {
    StoredItem::open(StoredItem::encode(item, Hlc(5))).unwrap()
}

fn values() -> BTreeMap<String, AttributeValue> {
    BTreeMap::from([(":one".to_owned(), n(1))])
}

fn operation(action: WriteAction) -> WriteOperation {
    WriteOperation {
        action,
        condition: None,
        return_values: ReturnValuesMessage::None,
        return_item_on_failure: false,
    }
}

fn update_of(text: &str) -> WriteOperation {
    let values = values();
    let context = ExpressionContext::new(None, Some(&values));
    let expression = UpdateExpression::parse(text, &context).unwrap();
    operation(WriteAction::Update {
        key: item(&[("pk", s("a"))]),
        expression: Some(expression),
    })
}

fn condition_of(text: &str) -> ConditionExpression {
    let values = values();
    let context = ExpressionContext::new(None, Some(&values));
    ConditionExpression::parse(ExpressionKind::Condition, text, &context).unwrap()
}

#[test]
fn a_put_inserts_modifies_or_changes_nothing() {
    let first = item(&[("pk", s("a")), ("v", n(1))]);
    let second = item(&[("pk", s("a")), ("v", n(2))]);
    let put = operation(WriteAction::Put(second.clone()));

    let inserted = evaluate(&put, ItemRules::of_key(&schema()), None).unwrap();
    assert_eq!(inserted.change, ChangeKind::Insert);
    let modified = evaluate(&put, ItemRules::of_key(&schema()), Some(&stored(&first))).unwrap();
    assert_eq!(modified.change, ChangeKind::Modify);
    assert_eq!(modified.mutation, Mutation::Put(Cow::Owned(second.clone())));
    let same = evaluate(&put, ItemRules::of_key(&schema()), Some(&stored(&second))).unwrap();
    assert_eq!(same.change, ChangeKind::None);
    assert_eq!(same.mutation, Mutation::Nothing);
    assert!(same.units >= 1.0, "a no-op is paid for");
}

#[test]
fn sets_in_another_order_are_the_same_item() {
    let one = item(&[
        ("pk", s("a")),
        ("v", AttributeValue::Ss(vec!["x".into(), "y".into()])),
    ]);
    let two = item(&[
        ("pk", s("a")),
        ("v", AttributeValue::Ss(vec!["y".into(), "x".into()])),
    ]);
    let put = operation(WriteAction::Put(two));
    assert_eq!(
        evaluate(&put, ItemRules::of_key(&schema()), Some(&stored(&one)))
            .unwrap()
            .change,
        ChangeKind::None
    );
}

#[test]
fn deleting_nothing_is_a_no_op_that_costs_one_unit() {
    let delete = operation(WriteAction::Delete);
    let nothing = evaluate(&delete, ItemRules::of_key(&schema()), None).unwrap();
    assert_eq!((nothing.change, nothing.units), (ChangeKind::None, 1.0));
    let old = item(&[("pk", s("a")), ("v", s(&"x".repeat(3000)))]);
    let removed = evaluate(&delete, ItemRules::of_key(&schema()), Some(&stored(&old))).unwrap();
    assert_eq!((removed.change, removed.units), (ChangeKind::Remove, 3.0));
}

#[test]
fn add_counts_from_nothing_and_returns_what_was_updated() {
    let mut add = update_of("ADD hits :one");
    add.return_values = ReturnValuesMessage::UpdatedNew;
    let created = evaluate(&add, ItemRules::of_key(&schema()), None).unwrap();
    assert_eq!(created.change, ChangeKind::Insert);
    assert_eq!(created.attributes, Some(item(&[("hits", n(1))])));
    let old = item(&[("pk", s("a")), ("hits", n(41))]);
    let added = evaluate(&add, ItemRules::of_key(&schema()), Some(&stored(&old))).unwrap();
    assert_eq!(added.change, ChangeKind::Modify);
    assert_eq!(added.attributes, Some(item(&[("hits", n(42))])));
}

#[test]
fn removing_from_nothing_creates_nothing() {
    let mut remove = update_of("REMOVE hits SET v = :one");
    remove.return_values = ReturnValuesMessage::AllNew;
    assert_eq!(
        evaluate(&remove, ItemRules::of_key(&schema()), None)
            .unwrap()
            .change,
        ChangeKind::Insert
    );
    let values = BTreeMap::new();
    let context = ExpressionContext::new(None, Some(&values));
    let expression = UpdateExpression::parse("REMOVE hits", &context).unwrap();
    let key = item(&[("pk", s("a"))]);
    let mut only = operation(WriteAction::Update {
        key,
        expression: Some(expression),
    });
    only.return_values = ReturnValuesMessage::AllNew;
    let nothing = evaluate(&only, ItemRules::of_key(&schema()), None).unwrap();
    assert_eq!(nothing.change, ChangeKind::None);
    assert_eq!(nothing.attributes, None);
}

#[test]
fn a_failed_condition_returns_the_item_only_when_asked() {
    let old = item(&[("pk", s("a")), ("v", n(2))]);
    let mut delete = operation(WriteAction::Delete);
    delete.condition = Some(condition_of("v = :one"));
    for asked in [false, true] {
        delete.return_item_on_failure = asked;
        let Err(EvaluateError::Api(error)) =
            evaluate(&delete, ItemRules::of_key(&schema()), Some(&stored(&old)))
        else {
            panic!("the condition is false");
        };
        assert_eq!(error.code, ErrorCode::ConditionalCheckFailedException);
        assert_eq!(error.item.is_some(), asked);
    }
    delete.condition = Some(condition_of("v <> :one"));
    assert!(evaluate(&delete, ItemRules::of_key(&schema()), Some(&stored(&old))).is_ok());
}

#[test]
fn an_update_may_not_grow_an_item_past_the_limit() {
    let old = item(&[
        ("pk", s("a")),
        ("big", s(&"x".repeat(ITEM_SIZE_BYTES_MAX - 8))),
    ]);
    let add = update_of("ADD hits :one");
    let Err(EvaluateError::Api(error)) =
        evaluate(&add, ItemRules::of_key(&schema()), Some(&stored(&old)))
    else {
        panic!("too large");
    };
    assert_eq!(
        error.message.as_deref(),
        Some("Item size to update has exceeded the maximum allowed size")
    );
}

#[test]
fn a_damaged_item_is_an_error_and_never_overwritten_by_an_update() {
    let mut bytes = StoredItem::encode(&item(&[("pk", s("a"))]), Hlc(1)).to_vec();
    bytes.pop();
    let damaged = StoredItem::open(bytes.into()).unwrap();
    let add = update_of("ADD hits :one");
    assert!(matches!(
        evaluate(&add, ItemRules::of_key(&schema()), Some(&damaged)),
        Err(EvaluateError::Stored(_))
    ));
}
