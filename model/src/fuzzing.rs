//! Bodies of the fuzz targets: plain functions, so that property tests run them too.
//!
//! Each takes any bytes, must not panic, and asserts what has to hold for whatever it accepts.

use crate::expression::{
    ConditionExpression, ExpressionKind, KeyConditionExpression, ProjectionExpression,
    UpdateExpression, fuzzing,
};
use crate::json;
use crate::key::{KeyAttribute, KeySchema, ScalarType};
use crate::operations::{
    BatchGetItemRequest, BatchWriteItemRequest, DeleteItemRequest, Expressions, GetItemRequest,
    PutItemRequest, QueryRequest, ScanRequest, UpdateItemRequest,
};
use crate::partiql::{Statement, print};
use crate::value::AttributeValue;

/// Item JSON: what is accepted is written and read back to the same item, and the request parsers
/// around it survive anything.
pub fn item_json(data: &[u8]) {
    if let Ok(item) = json::parse_item(data) {
        let text = json::item_to_json(&item);
        let again = json::parse_item(&text);
        assert_eq!(
            again.as_ref(),
            Ok(&item),
            "an item does not survive its own JSON"
        );
        assert!(
            crate::value::items_data_equal(&item, &item),
            "an item does not equal itself"
        );
    }
    if let Ok(request) = PutItemRequest::parse(data) {
        assert_eq!(
            PutItemRequest::parse(&request.to_json()).as_ref(),
            Ok(&request),
            "a PutItem request does not survive its own JSON"
        );
    }
    if let Ok(request) = BatchWriteItemRequest::parse(data) {
        assert_eq!(
            BatchWriteItemRequest::parse(&request.to_json()).as_ref(),
            Ok(&request),
            "a BatchWriteItem request does not survive its own JSON"
        );
    }
}

/// Requests on items: what is accepted is written and read back to the same request, and legacy
/// parameters that pass their own checks are expressions that pass theirs.
pub fn requests(data: &[u8]) {
    macro_rules! check {
        ($($request:ident)+) => {$(
            if let Ok(mut request) = $request::parse(data) {
                assert_eq!(
                    $request::parse(&request.to_json()).as_ref(),
                    Ok(&request),
                    concat!("a ", stringify!($request), " does not survive its own JSON")
                );
                if let Ok(expressions) = request.take_expressions() {
                    check_rewritten(&expressions);
                }
            }
        )+};
    }
    check!(PutItemRequest UpdateItemRequest DeleteItemRequest QueryRequest ScanRequest);
    if let Ok(mut request) = QueryRequest::parse(data)
        && let Ok(Some(key_condition)) = request.take_key_conditions()
    {
        check_rewritten(&key_condition);
    }
    if let Ok(mut request) = GetItemRequest::parse(data) {
        check_rewritten(&request.take_expressions());
    }
    if let Ok(request) = BatchGetItemRequest::parse(data) {
        for table in request.request_items.values() {
            check_rewritten(&table.expressions());
        }
    }
}

fn check_rewritten(expressions: &Expressions) {
    if !expressions.from_legacy {
        return;
    }
    let context = expressions.context();
    let condition = |kind, text: &Option<String>| {
        text.as_deref()
            .is_none_or(|text| ConditionExpression::parse(kind, text, &context).is_ok())
    };
    assert!(condition(ExpressionKind::Condition, &expressions.condition));
    assert!(condition(ExpressionKind::Filter, &expressions.filter));
    if let Some(text) = &expressions.update {
        assert!(UpdateExpression::parse(text, &context).is_ok());
    }
    if let Some(text) = &expressions.key_condition {
        assert!(KeyConditionExpression::parse(text, &context).is_ok());
    }
    if let Some(text) = &expressions.projection {
        assert!(ProjectionExpression::parse(text, &context).is_ok());
    }
    assert!(context.finish().is_ok());
}

/// Expressions: any text, taken as each kind of expression, is refused or can be applied to items.
pub fn expressions(data: &[u8]) {
    fuzzing::parse_and_apply(&String::from_utf8_lossy(data), &fuzzing::item());
}

/// PartiQL: any text is refused, or is a statement that survives being written and can be planned.
pub fn partiql(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parameters = [
        AttributeValue::string("a"),
        AttributeValue::L(vec![AttributeValue::Null]),
        AttributeValue::B(bytes::Bytes::from_static(b"b")),
    ];
    let Ok(statement) = Statement::parse(&text, &parameters) else {
        return;
    };
    let (text, parameters) = print(&statement);
    assert_eq!(
        Statement::parse(&text, &parameters).as_ref(),
        Ok(&statement),
        "a statement does not survive its own text"
    );
    use_statement(&statement);
}

/// Checks a statement and plans it for tables with and without a sort key.
pub(crate) fn use_statement(statement: &Statement) {
    let key = |name: &str| KeyAttribute {
        name: name.to_owned(),
        scalar_type: ScalarType::S,
    };
    drop(statement.check());
    for sort_key in [None, Some(key("a"))] {
        let schema = KeySchema {
            partition_key: key("pk"),
            sort_key,
        };
        statement.target(&schema);
        match statement {
            Statement::Select(select) | Statement::Exists(select) => {
                drop(select.plan(&schema));
                drop(select.plan_check(&schema));
                drop(select.single_key(&schema));
            }
            Statement::Insert(insert) => drop(insert.plan(&schema)),
            Statement::Update(update) => drop(update.plan(&schema)),
            Statement::Delete(delete) => drop(delete.plan(&schema)),
        }
    }
}
