//! The AWS SDK for Rust against the endpoint in `AWS_ENDPOINT_URL`: see docs/testing.md.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::types::AttributeValue::{self, N, S};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, ConditionCheck, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, Put, PutRequest, ReturnValue, ScalarAttributeType, Select,
    TransactWriteItem, WriteRequest,
};

type Item = HashMap<String, AttributeValue>;
type Outcome<T> = Result<T, Box<dyn Error>>;

fn item(members: &[(&str, AttributeValue)]) -> Item {
    members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Outcome<AttributeDefinition> {
    Ok(AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(kind)
        .build()?)
}

fn key_element(name: &str, kind: KeyType) -> Outcome<KeySchemaElement> {
    Ok(KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let client = Client::new(&aws_config::load_from_env().await);
    let table = format!("sdk-rust-{}", std::process::id());
    create_table(&client, &table).await?;
    single_items(&client, &table).await?;
    many_items(&client, &table).await?;
    transaction_and_statement(&client, &table).await?;

    client.delete_table().table_name(&table).send().await?;
    client
        .wait_until_table_not_exists()
        .table_name(&table)
        .wait(Duration::from_secs(30))
        .await?;
    let missing = client
        .get_item()
        .table_name(&table)
        .set_key(Some(ann()))
        .send()
        .await
        .expect_err("the table is gone");
    assert!(
        missing
            .into_service_error()
            .is_resource_not_found_exception()
    );
    println!("Rust: all answers as expected");
    Ok(())
}

fn ann() -> Item {
    item(&[("customer", S("ann".into())), ("order", N("1".into()))])
}

async fn create_table(client: &Client, table: &str) -> Outcome<()> {
    client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("customer", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("order", ScalarAttributeType::N)?)
        .attribute_definitions(attribute("state", ScalarAttributeType::S)?)
        .key_schema(key_element("customer", KeyType::Hash)?)
        .key_schema(key_element("order", KeyType::Range)?)
        .global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name("by-state")
                .key_schema(key_element("state", KeyType::Hash)?)
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::All)
                        .build(),
                )
                .build()?,
        )
        .send()
        .await?;
    client
        .wait_until_table_exists()
        .table_name(table)
        .wait(Duration::from_secs(30))
        .await?;
    Ok(())
}

async fn single_items(client: &Client, table: &str) -> Outcome<()> {
    let mut order = ann();
    order.insert("state".into(), S("open".into()));
    order.insert("amount".into(), N("12.5".into()));
    let put = client
        .put_item()
        .table_name(table)
        .set_item(Some(order.clone()))
        .condition_expression("attribute_not_exists(customer)");
    put.clone().send().await?;
    let refused = put.send().await.expect_err("a second put is refused");
    assert!(
        refused
            .into_service_error()
            .is_conditional_check_failed_exception()
    );
    let got = client
        .get_item()
        .table_name(table)
        .set_key(Some(ann()))
        .consistent_read(true)
        .send()
        .await?;
    assert_eq!(got.item, Some(order));

    let updated = client
        .update_item()
        .table_name(table)
        .set_key(Some(ann()))
        .update_expression("SET #s = :s ADD amount :more")
        .expression_attribute_names("#s", "state")
        .expression_attribute_values(":s", S("paid".into()))
        .expression_attribute_values(":more", N("7.5".into()))
        .return_values(ReturnValue::UpdatedNew)
        .send()
        .await?;
    let image = item(&[("state", S("paid".into())), ("amount", N("20".into()))]);
    assert_eq!(updated.attributes, Some(image));
    Ok(())
}

async fn many_items(client: &Client, table: &str) -> Outcome<()> {
    let mut writes = Vec::new();
    for order in 0..25 {
        let item = item(&[
            ("customer", S("bob".into())),
            ("order", N(order.to_string())),
            ("state", S("open".into())),
        ]);
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        writes.push(WriteRequest::builder().put_request(put).build());
    }
    client
        .batch_write_item()
        .request_items(table, writes)
        .send()
        .await?;
    let found: Vec<Item> = client
        .query()
        .table_name(table)
        .key_condition_expression("customer = :c AND #o BETWEEN :low AND :high")
        .expression_attribute_names("#o", "order")
        .expression_attribute_values(":c", S("bob".into()))
        .expression_attribute_values(":low", N("3".into()))
        .expression_attribute_values(":high", N("19".into()))
        .into_paginator()
        .page_size(5)
        .items()
        .send()
        .try_collect()
        .await?;
    let orders: Vec<&AttributeValue> = found.iter().map(|one| &one["order"]).collect();
    let expected: Vec<AttributeValue> = (3..20).map(|n: i32| N(n.to_string())).collect();
    assert_eq!(orders, expected.iter().collect::<Vec<_>>());
    let scanned = client
        .scan()
        .table_name(table)
        .into_paginator()
        .page_size(10)
        .items()
        .send()
        .try_collect()
        .await?;
    assert_eq!(scanned.len(), 26);

    // A global secondary index follows its table within a moment.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let counted = client
            .query()
            .table_name(table)
            .index_name("by-state")
            .key_condition_expression("#s = :s")
            .expression_attribute_names("#s", "state")
            .expression_attribute_values(":s", S("open".into()))
            .select(Select::Count)
            .send()
            .await?;
        if counted.count == 25 {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "the index follows its table");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn transaction_and_statement(client: &Client, table: &str) -> Outcome<()> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item(&[
            ("customer", S("cleo".into())),
            ("order", N("1".into())),
        ])))
        .build()?;
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(ann()))
        .condition_expression("attribute_not_exists(customer)")
        .build()?;
    let cancelled = client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(put).build())
        .transact_items(TransactWriteItem::builder().condition_check(check).build())
        .send()
        .await
        .expect_err("the transaction is cancelled")
        .into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) = cancelled
    else {
        panic!("not cancelled but {cancelled:?}");
    };
    let reasons: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code().unwrap_or_default())
        .collect();
    assert_eq!(reasons, ["None", "ConditionalCheckFailed"]);

    let selected = client
        .execute_statement()
        .statement(format!(
            "SELECT amount FROM \"{table}\" WHERE customer = ? AND \"order\" = ?"
        ))
        .parameters(S("ann".into()))
        .parameters(N("1".into()))
        .send()
        .await?;
    assert_eq!(selected.items(), [item(&[("amount", N("20".into()))])]);
    Ok(())
}
