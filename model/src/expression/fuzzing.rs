//! The body of the fuzz target for expressions, a plain function that property tests run as well.

use std::collections::BTreeMap;

use crate::{
    key::{KeyAttribute, KeySchema, ScalarType},
    number::Number,
    value::{AttributeValue, Item},
};

use super::{
    ConditionExpression, ExpressionContext, ExpressionKind, KeyConditionExpression,
    ProjectionExpression, UpdateExpression,
};

/// An item with some of what [`parse_and_apply`]'s placeholders and short names point to.
pub(crate) fn item() -> Item {
    let list = AttributeValue::L(vec![
        AttributeValue::N(Number::from(1_i64)),
        AttributeValue::Null,
    ]);
    let map = BTreeMap::from([("b".to_owned(), list.clone())]);
    Item::from([
        ("a".to_owned(), AttributeValue::M(map)),
        ("b".to_owned(), AttributeValue::Ss(vec!["x".to_owned()])),
        ("cc".to_owned(), list),
    ])
}

/// Parses the text as each kind of expression and uses on the item what parsed.
///
/// The only outcome of interest is that it returns.
pub(crate) fn parse_and_apply(text: &str, item: &Item) {
    let names = BTreeMap::from([("#a".to_owned(), "a".to_owned())]);
    let values = BTreeMap::from([
        (":v".to_owned(), AttributeValue::N(Number::from(7_i64))),
        (":l".to_owned(), AttributeValue::L(Vec::new())),
    ]);
    let context = ExpressionContext::new(Some(&names), Some(&values));
    let attribute = |name: &str| KeyAttribute {
        name: name.to_owned(),
        scalar_type: ScalarType::N,
    };
    let schema = KeySchema {
        partition_key: attribute("a"),
        sort_key: Some(attribute("b")),
    };
    for kind in [ExpressionKind::Condition, ExpressionKind::Filter] {
        if let Ok(condition) = ConditionExpression::parse(kind, text, &context) {
            condition.evaluate(Some(item));
            condition.evaluate(None);
            condition.attributes();
        }
    }
    if let Ok(condition) = KeyConditionExpression::parse(text, &context) {
        drop(condition.resolve(&schema));
    }
    if let Ok(projection) = ProjectionExpression::parse(text, &context) {
        projection.project(item);
    }
    if let Ok(update) = UpdateExpression::parse(text, &context) {
        for old in [Some(item), None] {
            if let Ok(outcome) = update.apply(old, &Item::new()) {
                update.updated_old(old);
                update.updated_new(outcome.item.as_ref());
            }
        }
        drop(update.check_key_targets(&schema));
    }
    drop(context.finish());
}
