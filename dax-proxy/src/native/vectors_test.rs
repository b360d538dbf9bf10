//! The byte vectors of the protocol's section 16, captured from published clients.

use std::collections::BTreeMap;

use http::StatusCode;
use stator_model::{KeySchema, ScalarType};

use super::answer::{Maps, encode_answer};
use super::key::tests::schema;
use super::lists::tests::Given;
use super::scan::Scanner;
use super::{
    AttributeList, Endpoint, Request, Translated, encode_endpoints, encode_key_schema,
    encode_list_id, encode_names,
};

fn schemas() -> BTreeMap<String, KeySchema> {
    BTreeMap::from([
        (
            "tbl".to_owned(),
            schema(("pk", ScalarType::S), Some(("sk", ScalarType::N))),
        ),
        ("hst".to_owned(), schema(("id", ScalarType::S), None)),
    ])
}

/// The lists that the capturing server handed out.
fn lists() -> Given {
    let all = vec![
        "age", "blob", "list", "map", "name", "nil", "nums", "ok", "score", "tags",
    ];
    Given(BTreeMap::from([
        (2, all),
        (3, vec!["name"]),
        (6, vec!["v"]),
    ]))
}

fn translated(hex: &str) -> Translated {
    let bytes = hex::decode(hex).unwrap();
    let frame = Scanner::default().request(&bytes).unwrap().unwrap();
    assert_eq!(frame.length, bytes.len());
    match Request::read(&frame, &bytes).unwrap() {
        Request::Data(request) => request.translate(&schemas(), &lists()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Vector, request, and what it is in DynamoDB JSON.
const REQUESTS: [(&str, &str, &str); 16] = [
    (
        "V6",
        "013a7d8e7e564374626c4b66757365722331c26c0010582802181e4201ff82617801a1616b617663416e6ef6\
         d90cfa820102f5c48220387cd90cf98261616162bf0300ff",
        r##"{"TableName":"tbl","Item":{"age":{"N":"30"},"blob":{"B":"Af8="},"list":{"L":[{"S":"x"},{"N":"1"}]},"map":{"M":{"k":{"S":"v"}}},"name":{"S":"Ann"},"nil":{"NULL":true},"nums":{"NS":["1","2"]},"ok":{"BOOL":true},"pk":{"S":"user#1"},"score":{"N":"-12.5"},"sk":{"N":"42"},"tags":{"SS":["a","b"]}},"ReturnConsumedCapacity":"NONE"}"##,
    ),
    (
        "V7",
        "011a0fb0cc6a4374626c4b66757365722331c26c0010bf0300ff",
        r##"{"TableName":"tbl","Key":{"pk":{"S":"user#1"},"sk":{"N":"42"}},"ReturnConsumedCapacity":"NONE"}"##,
    ),
    (
        "V9",
        "011a0fb0cc6a4374626c4b66757365722331c26c0010bf02f503010058268201848212646e616d658312636d\
         6170616b8312646c697374d90cfc01821266616273656e7401a162236e646e616d65ff",
        r##"{"TableName":"tbl","Key":{"pk":{"S":"user#1"},"sk":{"N":"42"}},"ConsistentRead":true,"ReturnConsumedCapacity":"TOTAL","ProjectionExpression":"#0, #1, #2, #3","ExpressionAttributeNames":{"#0":"absent","#1":"list","#2":"map","#3":"name"}}"##,
    ),
    (
        "V10",
        "011a0fb0cc6a4374626c46646e6f6e6580bf0300ff",
        r##"{"TableName":"tbl","Key":{"pk":{"S":"none"},"sk":{"N":"0"}},"ReturnConsumedCapacity":"NONE"}"##,
    ),
    (
        "V11",
        "013a7d8e7e564374626c4b66757365722331c26c001043036162bf03000458186174747269627574655f6e6f\
         745f65786973747328706b29044a8301820c821262706b80ff",
        r##"{"TableName":"tbl","Item":{"name":{"S":"b"},"pk":{"S":"user#1"},"sk":{"N":"42"}},"ConditionExpression":"attribute_not_exists(#0)","ReturnConsumedCapacity":"NONE","ExpressionAttributeNames":{"#0":"pk"}}"##,
    ),
    (
        "V12",
        "011a54f89c0f4374626c4b66757365722331c26c0010bf0705030004582d616765204245545745454e203a6c\
         6f20414e44203a6869204f5220636f6e7461696e7328746167732c203a732904582483018307840982126361\
         6765821100821101830f8212647461677382110283011863616108585c830185831382126361676583181982\
         126361676582110083138212657768657265831782126577686572658211018216821264626c6f6283148212\
         646869747382110083158212647461677382110283016468657265d90cf981616101a1622377657768657265\
         05a6633a68691863623a6901633a6c6f01623a736161623a74d90cf9816161623a7a6468657265ff",
        r##"{"TableName":"tbl","Key":{"pk":{"S":"user#1"},"sk":{"N":"42"}},"UpdateExpression":"SET #0 = #0 + :0, #1 = if_not_exists(#1, :1) REMOVE #2 ADD #3 :0 DELETE #4 :2","ConditionExpression":"#0 BETWEEN :3 AND :4 OR contains(#4, :5)","ReturnValues":"UPDATED_NEW","ReturnConsumedCapacity":"NONE","ExpressionAttributeNames":{"#0":"age","#2":"blob","#3":"hits","#4":"tags","#1":"where"},"ExpressionAttributeValues":{":0":{"N":"1"},":1":{"S":"here"},":2":{"SS":["a"]},":3":{"N":"1"},":4":{"N":"99"},":5":{"S":"a"}}}"##,
    ),
    (
        "V13",
        "013a3781c2ae4374626c5824830183068300821262706b8211008304821262736b8211018266757365722331\
         c482200fbf0d010e0103000a582983018306830a821263616765828211008211018208830382108212646e61\
         6d6582110283181e181f0901a162236e646e616d6505a5623a61181e623a62181f623a706675736572233162\
         3a73c482200f623a7a09ff",
        r##"{"TableName":"tbl","KeyConditionExpression":"#0 = :0 AND #1 > :1","FilterExpression":"#2 IN (:2, :3) AND NOT size(#3) >= :4","ScanIndexForward":true,"Limit":1,"ReturnConsumedCapacity":"NONE","ExpressionAttributeNames":{"#2":"age","#3":"name","#0":"pk","#1":"sk"},"ExpressionAttributeValues":{":0":{"S":"user#1"},":1":{"N":"1.5"},":2":{"N":"30"},":3":{"N":"31"},":4":{"N":"9"}}}"##,
    ),
    (
        "V14",
        "013a3781c2ae4374626c5483018300821262706b8211008166757365722331bf0d0103000048820181821262\
         736b05a1623a7066757365722331ff",
        r##"{"TableName":"tbl","KeyConditionExpression":"#0 = :0","Limit":1,"ReturnConsumedCapacity":"NONE","ProjectionExpression":"#1","ExpressionAttributeNames":{"#0":"pk","#1":"sk"},"ExpressionAttributeValues":{":0":{"S":"user#1"}}}"##,
    ),
    (
        "V15",
        "013a3781c2ae4374626c5483018300821262706b8211008166757365722331bf0b44677369310f030d010300\
         05a1623a7066757365722331ff",
        r##"{"TableName":"tbl","KeyConditionExpression":"#0 = :0","IndexName":"gsi1","Limit":1,"Select":"COUNT","ReturnConsumedCapacity":"NONE","ExpressionAttributeNames":{"#0":"pk"},"ExpressionAttributeValues":{":0":{"S":"user#1"}}}"##,
    ),
    (
        "V16",
        "013a6fc8309b4374626cbf0b44677369310f03095819bf62706b6675736572233162736b182a656773695f68\
         6178ff0300ff",
        r##"{"TableName":"tbl","IndexName":"gsi1","ExclusiveStartKey":{"gsi_h":{"S":"x"},"pk":{"S":"user#1"},"sk":{"N":"42"}},"Select":"COUNT","ReturnConsumedCapacity":"NONE"}"##,
    ),
    (
        "V17",
        "011a06ed585fa16368737484426b31420601426b32f6bf0300ff",
        r##"{"RequestItems":{"hst":[{"PutRequest":{"Item":{"id":{"S":"k1"},"v":{"N":"1"}}}},{"DeleteRequest":{"Key":{"id":{"S":"k2"}}}}]},"ReturnConsumedCapacity":"NONE"}"##,
    ),
    (
        "V18",
        "013a29985cdba26368737483f4f682426b3146756e70726f636374626c83f549820181821263616765814b66\
         757365722331c26c0010bf0301ff",
        r##"{"RequestItems":{"hst":{"ConsistentRead":false,"Keys":[{"id":{"S":"k1"}},{"id":{"S":"unproc"}}]},"tbl":{"ConsistentRead":true,"ProjectionExpression":"#0","Keys":[{"pk":{"S":"user#1"},"sk":{"N":"42"}}],"ExpressionAttributeNames":{"#0":"age"}}},"ReturnConsumedCapacity":"TOTAL"}"##,
    ),
    (
        "V19",
        "013a4524c569840209070c84436873744374626c4374626c43687374844274314b66757365722331c26c0010\
         4b66757365722331c26e8010426b3184420601f6f6f6f68402010101844a8301820c821262696480f6f64d83\
         01830082126176821100810184f6518301818313821263616765821100811832f6f6bf03011367746f6b656e\
         2d31ff",
        r##"{"TransactItems":[{"Put":{"TableName":"hst","Item":{"id":{"S":"t1"},"v":{"N":"1"}},"ConditionExpression":"attribute_not_exists(#0)","ReturnValuesOnConditionCheckFailure":"ALL_OLD","ExpressionAttributeNames":{"#0":"id"}}},{"Update":{"TableName":"tbl","Key":{"pk":{"S":"user#1"},"sk":{"N":"42"}},"UpdateExpression":"SET #0 = :0","ExpressionAttributeNames":{"#0":"age"},"ExpressionAttributeValues":{":0":{"N":"50"}}}},{"Delete":{"TableName":"tbl","Key":{"pk":{"S":"user#1"},"sk":{"N":"43"}}}},{"ConditionCheck":{"TableName":"hst","Key":{"id":{"S":"k1"}},"ConditionExpression":"#0 = :0","ExpressionAttributeNames":{"#0":"v"},"ExpressionAttributeValues":{":0":{"N":"1"}}}}],"ClientRequestToken":"token-1","ReturnConsumedCapacity":"TOTAL"}"##,
    ),
    (
        "V20",
        "011a6f3d49db8343687374436873744374626c83427431427a7a4b66757365722331c26c001083f6f6498201\
         81821263616765bf0301ff",
        r##"{"TransactItems":[{"Get":{"TableName":"hst","Key":{"id":{"S":"t1"}}}},{"Get":{"TableName":"hst","Key":{"id":{"S":"zz"}}}},{"Get":{"TableName":"tbl","Key":{"pk":{"S":"user#1"},"sk":{"N":"42"}},"ProjectionExpression":"#0","ExpressionAttributeNames":{"#0":"age"}}}],"ReturnConsumedCapacity":"TOTAL"}"##,
    ),
    (
        "V21",
        "013a4524c56982020782436873744368737482427431427439824101f6f6820201824a8301820c8212626964\
         80f682f6f6bf03001367746f6b656e2d32ff",
        r##"{"TransactItems":[{"Put":{"TableName":"hst","Item":{"id":{"S":"t1"}},"ConditionExpression":"attribute_not_exists(#0)","ReturnValuesOnConditionCheckFailure":"ALL_OLD","ExpressionAttributeNames":{"#0":"id"}}},{"Delete":{"TableName":"hst","Key":{"id":{"S":"t9"}}}}],"ClientRequestToken":"token-2","ReturnConsumedCapacity":"NONE"}"##,
    ),
    (
        "V22",
        "011a3c6962214374626c4b66757365722331c26c0010bf07020300ff",
        r##"{"TableName":"tbl","Key":{"pk":{"S":"user#1"},"sk":{"N":"42"}},"ReturnValues":"ALL_OLD","ReturnConsumedCapacity":"NONE"}"##,
    ),
];

#[test]
fn requests_become_what_they_mean() {
    for (vector, request, json) in REQUESTS {
        let body = translated(request).body;
        assert_eq!(str::from_utf8(&body).unwrap(), json, "{vector}");
    }
}

/// The answer of `shape` to these bytes, with the ids of the capture in place of ours.
fn encoded(request: &str, status: u16, json: &str, ids: &[(&str, &[&str])]) -> String {
    let shape = translated(request).shape;
    let status = StatusCode::from_u16(status).unwrap();
    let encoded = encode_answer(
        &shape,
        status,
        json.as_bytes(),
        Some("REQID-1"),
        Maps::Definite,
        &lists(),
    );
    let mut hex = hex::encode(encoded.bytes);
    for (captured, names) in ids {
        let list = AttributeList::new(names.iter().map(|name| (*name).to_owned()).collect());
        assert!(encoded.new_lists.contains(&list), "{names:?} is to be kept");
        let ours = format!("1b{:016x}", list.id);
        // The bytes around an id say how long they are: 8 bytes less.
        let place = hex.find(&ours).unwrap();
        let (before, after) = hex.split_at(place);
        let (before, length) = match before.strip_suffix("4a") {
            Some(before) => (before, 10),
            None => {
                let length = u8::from_str_radix(&before[before.len() - 2..], 16).unwrap();
                (
                    before[..before.len() - 2].strip_suffix("58").unwrap(),
                    length,
                )
            }
        };
        let length = length - 8;
        let head = if length < 24 {
            format!("{:02x}", 0x40 + length)
        } else {
            format!("58{length:02x}")
        };
        hex = format!("{before}{head}{captured}{}", &after[ours.len()..]);
    }
    hex
}

fn request(vector: &str) -> &'static str {
    let found = REQUESTS.iter().find(|(name, ..)| *name == vector);
    found.unwrap().1
}

#[test]
fn answers_are_what_clients_accepted() {
    let all = &[
        "age", "blob", "list", "map", "name", "nil", "nums", "ok", "score", "tags",
    ];
    let item = r#"{"pk":{"S":"user#1"},"sk":{"N":"42"},"age":{"N":"30"},"blob":{"B":"Af8="},
        "list":{"L":[{"S":"x"},{"N":"1"}]},"map":{"M":{"k":{"S":"v"}}},"name":{"S":"Ann"},"nil":{"NULL":true},
        "nums":{"NS":["1","2"]},"ok":{"BOOL":true},"score":{"N":"-12.5"},"tags":{"SS":["a","b"]}}"#;
    let get = format!(r#"{{"Item":{item}}}"#);
    assert_eq!(
        encoded(request("V7"), 200, &get, &[("02", all)]),
        "80a100582802181e4201ff82617801a1616b617663416e6ef6d90cfa820102f5c48220387cd90cf982616161\
         62"
    );
    let capacity = r#"{"Item":{"name":{"S":"Ann"},"map":{"M":{"k":{"S":"v"},"other":{"N":"1"}}},
        "list":{"L":[{"S":"x"},{"N":"1"}]}},"ConsumedCapacity":{"TableName":"tbl","CapacityUnits":0.5}}"#;
    assert_eq!(
        encoded(request("V9"), 200, capacity, &[]),
        "80a200a30063416e6e016176020101506374626cfb3fe0000000000000f6f6f6"
    );
    assert_eq!(encoded(request("V10"), 200, "{}", &[]), "80a0");
    let refused = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message":"The conditional request failed"}"#;
    assert_eq!(
        encoded(request("V11"), 400, refused, &[]),
        "8504182518261827182b781e54686520636f6e646974696f6e616c2072657175657374206661696c65648367\
         52455149442d31781f436f6e646974696f6e616c436865636b4661696c6564457863657074696f6e190190"
    );
    let updated = r#"{"Attributes":{"age":{"N":"31"},"hits":{"N":"1"},"tags":{"SS":["b"]},"where":{"S":"here"}}}"#;
    assert_eq!(
        encoded(
            request("V12"),
            200,
            updated,
            &[("04", &["age", "hits", "tags", "where"])]
        ),
        "80a1025404a400181f010102d90cf9816162036468657265"
    );
    let page = r#"{"Count":1,"ScannedCount":1,
        "LastEvaluatedKey":{"gsi_h":{"S":"x"},"pk":{"S":"user#1"},"sk":{"N":"42"}}}"#;
    // As captured, but for the order of the key's attributes.
    assert_eq!(
        encoded(request("V15"), 200, page, &[]),
        "80a308010a01095819bf656773695f68617862706b6675736572233162736b182aff"
    );
    let count = r#"{"Count":1,"ScannedCount":1}"#;
    assert_eq!(encoded(request("V16"), 200, count, &[]), "80a208010a01");
    let done = r#"{"UnprocessedItems":{}}"#;
    assert_eq!(encoded(request("V17"), 200, done, &[]), "80a080a0");
    let batch = r#"{"Responses":{"hst":[{"id":{"S":"k1"},"v":{"N":"1"}}],"tbl":[{"age":{"N":"31"}}]},
        "UnprocessedKeys":{"hst":{"Keys":[{"id":{"S":"unproc"}}],"ConsistentRead":false}},
        "ConsumedCapacity":[{"TableName":"hst","CapacityUnits":1.0},{"TableName":"tbl","CapacityUnits":1.0}]}"#;
    assert_eq!(
        encoded(request("V18"), 200, batch, &[("06", &["v"])]),
        "8082a26368737482426b314206016374626c81a100181fa1636873748146756e70726f63825063687374fb3f\
         f0000000000000f6f6f6506374626cfb3ff0000000000000f6f6f6"
    );
    let wrote = r#"{"ConsumedCapacity":[{"TableName":"hst","CapacityUnits":2.0},
        {"TableName":"tbl","CapacityUnits":2.0}]}"#;
    assert_eq!(
        encoded(request("V19"), 200, wrote, &[]),
        "80838082a201fb40000000000000000463687374a201fb4000000000000000046374626ca0"
    );
    let got = r#"{"Responses":[{"Item":{"id":{"S":"t1"},"v":{"N":"1"}}},{},{"Item":{"age":{"N":"50"}}}],
        "ConsumedCapacity":[{"TableName":"hst","CapacityUnits":2.0},{"TableName":"tbl","CapacityUnits":2.0}]}"#;
    assert_eq!(
        encoded(request("V20"), 200, got, &[("06", &["v"])]),
        "808283420601f6a100183282a201fb40000000000000000463687374a201fb4000000000000000046374626c"
    );
    let cancelled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None]",
        "CancellationReasons":[{"Code":"ConditionalCheckFailed","Message":"The conditional request failed",
            "Item":{"id":{"S":"t1"},"v":{"N":"1"}}},{"Code":"None"}]}"#;
    assert_eq!(
        encoded(request("V21"), 400, cancelled, &[("06", &["v"])]),
        "8504182518261827183a786c5472616e73616374696f6e2063616e63656c6c65642c20706c65617365207265\
         6665722063616e63656c6c6174696f6e20726561736f6e7320666f7220737065636966696320726561736f6e\
         73205b436f6e646974696f6e616c436865636b4661696c65642c204e6f6e655d846752455149442d31781c54\
         72616e73616374696f6e43616e63656c6564457863657074696f6e1901908676436f6e646974696f6e616c43\
         6865636b4661696c6564781e54686520636f6e646974696f6e616c2072657175657374206661696c65644206\
         01644e6f6e65f6f6"
    );
}

/// As the client for Java wants them.
#[test]
fn maps_may_end_at_a_break() {
    let shape = translated(request("V12")).shape;
    let json = br#"{"Attributes":{"age":{"N":"31"}}}"#;
    let encoded = encode_answer(
        &shape,
        StatusCode::OK,
        json,
        None,
        Maps::Indefinite,
        &lists(),
    );
    let id = format!("1b{:016x}", encoded.new_lists[0].id);
    assert_eq!(
        hex::encode(encoded.bytes),
        format!("80bf024e{id}bf00181fffff")
    );
    let page = translated(request("V16")).shape;
    let encoded = encode_answer(
        &page,
        StatusCode::OK,
        br#"{"Count":1}"#,
        None,
        Maps::Indefinite,
        &lists(),
    );
    assert_eq!(hex::encode(encoded.bytes), "80bf0801ff");
}

#[test]
fn small_answers_are_what_clients_accepted() {
    let names = [
        "age", "blob", "list", "map", "name", "nil", "nums", "ok", "score", "tags",
    ];
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        hex::encode(encode_names(&names)),
        "808a6361676564626c6f62646c697374636d6170646e616d65636e696c646e756d73626f6b6573636f726564\
         74616773"
    );
    assert_eq!(hex::encode(encode_list_id(2)), "8002");
    let schema = schema(("pk", ScalarType::S), Some(("sk", ScalarType::N)));
    assert_eq!(
        hex::encode(encode_key_schema(&schema)),
        "80a262706b615362736b614e"
    );
    let node = |node_id, port, leader| Endpoint {
        node_id,
        host_name: format!("node{}.cache.local", node_id - 1),
        address: [127, 0, 0, 1].into(),
        port,
        leader,
        availability_zone: format!("az{}", node_id - 1),
        leader_session_id: 4242,
    };
    assert_eq!(
        hex::encode(encode_endpoints(&[
            node(1, 18111, true),
            node(2, 18112, false)
        ])),
        "8082a7000101716e6f6465302e63616368652e6c6f63616c02447f000001031946bf04010563617a30061910\
         92a7000201716e6f6465312e63616368652e6c6f63616c02447f000001031946c004020563617a3106191092"
    );
}

/// Bytes that were a request, and are not any more.
#[test]
fn damaged_requests_are_refused_and_never_panic() {
    for (_, request, _) in REQUESTS {
        let bytes = hex::decode(request).unwrap();
        for place in 6..bytes.len() {
            for flip in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << flip;
                let Ok(Some(frame)) = Scanner::default().request(&damaged) else {
                    continue;
                };
                if let Ok(Request::Data(request)) = Request::read(&frame, &damaged) {
                    request.translate(&schemas(), &lists()).ok();
                }
            }
        }
    }
}
