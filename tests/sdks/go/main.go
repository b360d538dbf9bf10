// The AWS SDK for Go v2 against the endpoint in AWS_ENDPOINT_URL: see docs/testing.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type item = map[string]types.AttributeValue

func text(value string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: value} }
func number(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(holds bool, what string, seen ...any) {
	if !holds {
		log.Fatal(what, ": ", fmt.Sprintf("%#v", seen))
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := dynamodb.NewFromConfig(must(config.LoadDefaultConfig(ctx)))
	table := aws.String(fmt.Sprintf("sdk-go-%d", os.Getpid()))

	must(client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("customer"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("order"), AttributeType: types.ScalarAttributeTypeN},
			{AttributeName: aws.String("state"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("customer"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("order"), KeyType: types.KeyTypeRange},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String("by-state"),
			KeySchema:  []types.KeySchemaElement{{AttributeName: aws.String("state"), KeyType: types.KeyTypeHash}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}))
	described := &dynamodb.DescribeTableInput{TableName: table}
	if err := dynamodb.NewTableExistsWaiter(client).Wait(ctx, described, 30*time.Second); err != nil {
		log.Fatal(err)
	}

	key := item{"customer": text("ann"), "order": number("1")}
	put := &dynamodb.PutItemInput{
		TableName:           table,
		Item:                item{"customer": text("ann"), "order": number("1"), "state": text("open"), "amount": number("12.5")},
		ConditionExpression: aws.String("attribute_not_exists(customer)"),
	}
	must(client.PutItem(ctx, put))
	_, err := client.PutItem(ctx, put)
	var failed *types.ConditionalCheckFailedException
	check(errors.As(err, &failed), "a second put is refused", err)
	got := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key, ConsistentRead: aws.Bool(true)}))
	check(reflect.DeepEqual(got.Item, put.Item), "the item comes back", got.Item)

	updated := must(client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 table,
		Key:                       key,
		UpdateExpression:          aws.String("SET #s = :s ADD amount :more"),
		ExpressionAttributeNames:  map[string]string{"#s": "state"},
		ExpressionAttributeValues: item{":s": text("paid"), ":more": number("7.5")},
		ReturnValues:              types.ReturnValueUpdatedNew,
	}))
	check(reflect.DeepEqual(updated.Attributes, item{"state": text("paid"), "amount": number("20")}), "the update's image", updated.Attributes)

	var writes []types.WriteRequest
	for n := range 25 {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{
			Item: item{"customer": text("bob"), "order": number(strconv.Itoa(n)), "state": text("open")},
		}})
	}
	must(client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*table: writes}}))
	pages := dynamodb.NewQueryPaginator(client, &dynamodb.QueryInput{
		TableName:                 table,
		KeyConditionExpression:    aws.String("customer = :c AND #o BETWEEN :low AND :high"),
		ExpressionAttributeNames:  map[string]string{"#o": "order"},
		ExpressionAttributeValues: item{":c": text("bob"), ":low": number("3"), ":high": number("19")},
		Limit:                     aws.Int32(5),
	})
	next := 3
	for pages.HasMorePages() {
		for _, one := range must(pages.NextPage(ctx)).Items {
			check(reflect.DeepEqual(one["order"], number(strconv.Itoa(next))), "the query's order", next, one)
			next++
		}
	}
	check(next == 20, "the query's end", next)
	scanned := int32(0)
	scan := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: table, Limit: aws.Int32(10)})
	for scan.HasMorePages() {
		scanned += must(scan.NextPage(ctx)).Count
	}
	check(scanned == 26, "the scan's count", scanned)

	_, err = client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: table, Item: item{"customer": text("cleo"), "order": number("1")}}},
		{ConditionCheck: &types.ConditionCheck{TableName: table, Key: key, ConditionExpression: aws.String("attribute_not_exists(customer)")}},
	}})
	var cancelled *types.TransactionCanceledException
	check(errors.As(err, &cancelled), "the transaction is cancelled", err)
	check(len(cancelled.CancellationReasons) == 2 && *cancelled.CancellationReasons[0].Code == "None" &&
		*cancelled.CancellationReasons[1].Code == "ConditionalCheckFailed", "the reasons", cancelled.CancellationReasons)

	// A global secondary index follows its table within a moment.
	for {
		counted := must(client.Query(ctx, &dynamodb.QueryInput{
			TableName:                 table,
			IndexName:                 aws.String("by-state"),
			KeyConditionExpression:    aws.String("#s = :s"),
			ExpressionAttributeNames:  map[string]string{"#s": "state"},
			ExpressionAttributeValues: item{":s": text("open")},
			Select:                    types.SelectCount,
		}))
		if counted.Count == 25 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}

	selected := must(client.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{
		Statement:  aws.String(fmt.Sprintf(`SELECT amount FROM "%s" WHERE customer = ? AND "order" = ?`, *table)),
		Parameters: []types.AttributeValue{text("ann"), number("1")},
	}))
	check(reflect.DeepEqual(selected.Items, []item{{"amount": number("20")}}), "the statement", selected.Items)

	must(client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: table}))
	if err := dynamodb.NewTableNotExistsWaiter(client).Wait(ctx, described, 30*time.Second); err != nil {
		log.Fatal(err)
	}
	_, err = client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key})
	var missing *types.ResourceNotFoundException
	check(errors.As(err, &missing), "the table is gone", err)
	fmt.Println("Go v2: all answers as expected")
}
