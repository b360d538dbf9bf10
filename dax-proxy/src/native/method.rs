//! The methods of the protocol (protocol, section 4.1), and what stands in the way of an unauthorised one.

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Has no answer.
    AuthorizeConnection,
    Endpoints,
    DefineKeySchema,
    DefineAttributeListId,
    DefineAttributeList,
    GetItem,
    PutItem,
    DeleteItem,
    UpdateItem,
    Query,
    Scan,
    BatchGetItem,
    BatchWriteItem,
    TransactGetItems,
    TransactWriteItems,
}

/// Method, id on the wire, number of arguments.
const METHODS: [(Method, i32, usize); 15] = [
    (Method::AuthorizeConnection, 1_489_122_155, 5),
    (Method::Endpoints, 455_855_874, 0),
    (Method::DefineKeySchema, -742_646_399, 1),
    (Method::DefineAttributeListId, -1_230_579_644, 1),
    (Method::DefineAttributeList, 670_678_385, 1),
    (Method::GetItem, 263_244_906, 3),
    (Method::PutItem, -2_106_490_455, 4),
    (Method::DeleteItem, 1_013_539_361, 3),
    (Method::UpdateItem, 1_425_579_023, 3),
    (Method::Query, -931_250_863, 3),
    (Method::Scan, -1_875_390_620, 2),
    (Method::BatchGetItem, -697_851_100, 2),
    (Method::BatchWriteItem, 116_217_951, 2),
    (Method::TransactGetItems, 1_866_287_579, 4),
    (Method::TransactWriteItems, -1_160_037_738, 9),
];

impl Method {
    /// The method of an id; `None` for those that no client sends.
    pub(crate) fn from_id(id: i128) -> Option<Self> {
        let (method, ..) = METHODS.iter().find(|(_, of, _)| i128::from(*of) == id)?;
        Some(*method)
    }

    /// How many arguments a request has.
    pub(super) fn arguments(self) -> usize {
        METHODS
            .iter()
            .find(|(method, ..)| *method == self)
            .map_or(0, |(.., arguments)| *arguments)
    }

    /// The operation of the DynamoDB API behind it; `None` for what only this protocol has.
    pub(crate) fn operation(self) -> Option<&'static str> {
        Some(match self {
            Self::AuthorizeConnection
            | Self::Endpoints
            | Self::DefineKeySchema
            | Self::DefineAttributeListId
            | Self::DefineAttributeList => return None,
            Self::GetItem => "GetItem",
            Self::PutItem => "PutItem",
            Self::DeleteItem => "DeleteItem",
            Self::UpdateItem => "UpdateItem",
            Self::Query => "Query",
            Self::Scan => "Scan",
            Self::BatchGetItem => "BatchGetItem",
            Self::BatchWriteItem => "BatchWriteItem",
            Self::TransactGetItems => "TransactGetItems",
            Self::TransactWriteItems => "TransactWriteItems",
        })
    }
}

/// Why a connection is not authorised. The third code of the answer tells clients what to do (protocol, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthFailure {
    /// None came, it is too old, or its time is off: the client authorises again and retries.
    Missing,
    /// Unknown key or wrong signature: not retried.
    Wrong,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The id of the method at this place of the table.
    pub(crate) fn id(place: usize) -> i32 {
        METHODS[place].1
    }

    #[test]
    fn every_method_has_its_id_and_arguments() {
        for (method, id, arguments) in METHODS {
            assert_eq!(Method::from_id(id.into()), Some(method));
            assert_eq!(method.arguments(), arguments);
        }
        assert_eq!(Method::from_id(785_068_263), None);
    }
}
