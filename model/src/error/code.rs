//! The names of the service's errors.

/// An error of the DynamoDB or DynamoDB Streams API, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request breaks a rule.
    ValidationException,
    /// The body is not JSON, or a member has the wrong JSON type.
    SerializationException,
    /// A condition was false.
    ConditionalCheckFailedException,
    /// The table or index does not exist, or is being created.
    ResourceNotFoundException,
    /// The table exists already, or is being changed.
    ResourceInUseException,
    /// Too many control operations at once.
    LimitExceededException,
    /// The table or one of its partitions is out of capacity.
    ProvisionedThroughputExceededException,
    /// Requests come too fast.
    ThrottlingException,
    /// The account is out of capacity.
    RequestLimitExceeded,
    /// An item collection with a local index is above 10 GB.
    ItemCollectionSizeLimitExceededException,
    /// A transaction was cancelled; reasons come with it.
    TransactionCanceledException,
    /// Another transaction holds the item.
    TransactionConflictException,
    /// The transaction with this token still runs.
    TransactionInProgressException,
    /// The token was used with other parameters.
    IdempotentParameterMismatchException,
    /// Another Region writes the item.
    ReplicatedWriteConflictException,
    /// A PartiQL INSERT of an existing key.
    DuplicateItemException,
    /// A backup or global table call on a missing table.
    TableNotFoundException,
    /// The target table is being made or deleted.
    TableInUseException,
    /// The target table exists.
    TableAlreadyExistsException,
    /// The backup does not exist.
    BackupNotFoundException,
    /// The backup is being made or deleted.
    BackupInUseException,
    /// Continuous backups are not on.
    ContinuousBackupsUnavailableException,
    /// Point-in-time recovery is not on.
    PointInTimeRecoveryUnavailableException,
    /// The time to restore to is outside the window.
    InvalidRestoreTimeException,
    /// An export with this token has other parameters.
    ExportConflictException,
    /// The export does not exist.
    ExportNotFoundException,
    /// The time to export is outside the window.
    InvalidExportTimeException,
    /// An import with this token has other parameters.
    ImportConflictException,
    /// The import does not exist.
    ImportNotFoundException,
    /// The global table exists.
    GlobalTableAlreadyExistsException,
    /// The global table does not exist.
    GlobalTableNotFoundException,
    /// The replica exists.
    ReplicaAlreadyExistsException,
    /// The replica does not exist.
    ReplicaNotFoundException,
    /// The index does not exist.
    IndexNotFoundException,
    /// The resource has no policy.
    PolicyNotFoundException,
    /// A stream iterator is older than 15 minutes.
    ExpiredIteratorException,
    /// The stream records are older than 24 hours.
    TrimmedDataAccessException,
    /// The caller may not do this.
    AccessDeniedException,
    /// The access key or the session token is unknown.
    UnrecognizedClientException,
    /// The signature is wrong or out of its time.
    InvalidSignatureException,
    /// The request is not signed.
    MissingAuthenticationTokenException,
    /// Parts of the signature are missing.
    IncompleteSignatureException,
    /// The session token has expired.
    ExpiredTokenException,
    /// The service has no such operation.
    UnknownOperationException,
    /// The body is above 16 MB.
    RequestEntityTooLarge,
    /// The service failed. A write may or may not have happened.
    InternalServerError,
    /// The service cannot answer now.
    ServiceUnavailable,
}

/// Namespace of the exceptions that the service model defines.
const DYNAMODB: &str = "com.amazonaws.dynamodb.v20120810";
/// Namespaces of the exceptions that the service's framework raises.
const CORAL_SERVICE: &str = "com.amazon.coral.service";
const CORAL_VALIDATE: &str = "com.amazon.coral.validate";
const CORAL_AVAILABILITY: &str = "com.amazon.coral.availability";

impl ErrorCode {
    /// Every code.
    pub const ALL: [ErrorCode; 47] = [
        ErrorCode::ValidationException,
        ErrorCode::SerializationException,
        ErrorCode::ConditionalCheckFailedException,
        ErrorCode::ResourceNotFoundException,
        ErrorCode::ResourceInUseException,
        ErrorCode::LimitExceededException,
        ErrorCode::ProvisionedThroughputExceededException,
        ErrorCode::ThrottlingException,
        ErrorCode::RequestLimitExceeded,
        ErrorCode::ItemCollectionSizeLimitExceededException,
        ErrorCode::TransactionCanceledException,
        ErrorCode::TransactionConflictException,
        ErrorCode::TransactionInProgressException,
        ErrorCode::IdempotentParameterMismatchException,
        ErrorCode::ReplicatedWriteConflictException,
        ErrorCode::DuplicateItemException,
        ErrorCode::TableNotFoundException,
        ErrorCode::TableInUseException,
        ErrorCode::TableAlreadyExistsException,
        ErrorCode::BackupNotFoundException,
        ErrorCode::BackupInUseException,
        ErrorCode::ContinuousBackupsUnavailableException,
        ErrorCode::PointInTimeRecoveryUnavailableException,
        ErrorCode::InvalidRestoreTimeException,
        ErrorCode::ExportConflictException,
        ErrorCode::ExportNotFoundException,
        ErrorCode::InvalidExportTimeException,
        ErrorCode::ImportConflictException,
        ErrorCode::ImportNotFoundException,
        ErrorCode::GlobalTableAlreadyExistsException,
        ErrorCode::GlobalTableNotFoundException,
        ErrorCode::ReplicaAlreadyExistsException,
        ErrorCode::ReplicaNotFoundException,
        ErrorCode::IndexNotFoundException,
        ErrorCode::PolicyNotFoundException,
        ErrorCode::ExpiredIteratorException,
        ErrorCode::TrimmedDataAccessException,
        ErrorCode::AccessDeniedException,
        ErrorCode::UnrecognizedClientException,
        ErrorCode::InvalidSignatureException,
        ErrorCode::MissingAuthenticationTokenException,
        ErrorCode::IncompleteSignatureException,
        ErrorCode::ExpiredTokenException,
        ErrorCode::UnknownOperationException,
        ErrorCode::RequestEntityTooLarge,
        ErrorCode::InternalServerError,
        ErrorCode::ServiceUnavailable,
    ];

    /// The name, as in `__type` after the `#`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::ValidationException => "ValidationException",
            ErrorCode::SerializationException => "SerializationException",
            ErrorCode::ConditionalCheckFailedException => "ConditionalCheckFailedException",
            ErrorCode::ResourceNotFoundException => "ResourceNotFoundException",
            ErrorCode::ResourceInUseException => "ResourceInUseException",
            ErrorCode::LimitExceededException => "LimitExceededException",
            ErrorCode::ProvisionedThroughputExceededException => {
                "ProvisionedThroughputExceededException"
            }
            ErrorCode::ThrottlingException => "ThrottlingException",
            ErrorCode::RequestLimitExceeded => "RequestLimitExceeded",
            ErrorCode::ItemCollectionSizeLimitExceededException => {
                "ItemCollectionSizeLimitExceededException"
            }
            ErrorCode::TransactionCanceledException => "TransactionCanceledException",
            ErrorCode::TransactionConflictException => "TransactionConflictException",
            ErrorCode::TransactionInProgressException => "TransactionInProgressException",
            ErrorCode::IdempotentParameterMismatchException => {
                "IdempotentParameterMismatchException"
            }
            ErrorCode::ReplicatedWriteConflictException => "ReplicatedWriteConflictException",
            ErrorCode::DuplicateItemException => "DuplicateItemException",
            ErrorCode::TableNotFoundException => "TableNotFoundException",
            ErrorCode::TableInUseException => "TableInUseException",
            ErrorCode::TableAlreadyExistsException => "TableAlreadyExistsException",
            ErrorCode::BackupNotFoundException => "BackupNotFoundException",
            ErrorCode::BackupInUseException => "BackupInUseException",
            ErrorCode::ContinuousBackupsUnavailableException => {
                "ContinuousBackupsUnavailableException"
            }
            ErrorCode::PointInTimeRecoveryUnavailableException => {
                "PointInTimeRecoveryUnavailableException"
            }
            ErrorCode::InvalidRestoreTimeException => "InvalidRestoreTimeException",
            ErrorCode::ExportConflictException => "ExportConflictException",
            ErrorCode::ExportNotFoundException => "ExportNotFoundException",
            ErrorCode::InvalidExportTimeException => "InvalidExportTimeException",
            ErrorCode::ImportConflictException => "ImportConflictException",
            ErrorCode::ImportNotFoundException => "ImportNotFoundException",
            ErrorCode::GlobalTableAlreadyExistsException => "GlobalTableAlreadyExistsException",
            ErrorCode::GlobalTableNotFoundException => "GlobalTableNotFoundException",
            ErrorCode::ReplicaAlreadyExistsException => "ReplicaAlreadyExistsException",
            ErrorCode::ReplicaNotFoundException => "ReplicaNotFoundException",
            ErrorCode::IndexNotFoundException => "IndexNotFoundException",
            ErrorCode::PolicyNotFoundException => "PolicyNotFoundException",
            ErrorCode::ExpiredIteratorException => "ExpiredIteratorException",
            ErrorCode::TrimmedDataAccessException => "TrimmedDataAccessException",
            ErrorCode::AccessDeniedException => "AccessDeniedException",
            ErrorCode::UnrecognizedClientException => "UnrecognizedClientException",
            ErrorCode::InvalidSignatureException => "InvalidSignatureException",
            ErrorCode::MissingAuthenticationTokenException => "MissingAuthenticationTokenException",
            ErrorCode::IncompleteSignatureException => "IncompleteSignatureException",
            ErrorCode::ExpiredTokenException => "ExpiredTokenException",
            ErrorCode::UnknownOperationException => "UnknownOperationException",
            ErrorCode::RequestEntityTooLarge => "RequestEntityTooLarge",
            ErrorCode::InternalServerError => "InternalServerError",
            ErrorCode::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    /// The code with that name.
    pub fn from_name(name: &str) -> Option<ErrorCode> {
        ErrorCode::ALL
            .into_iter()
            .find(|code| code.as_str() == name)
    }

    /// What stands before the `#` in `__type`.
    pub fn namespace(self) -> &'static str {
        match self {
            ErrorCode::SerializationException
            | ErrorCode::AccessDeniedException
            | ErrorCode::UnrecognizedClientException
            | ErrorCode::InvalidSignatureException
            | ErrorCode::MissingAuthenticationTokenException
            | ErrorCode::IncompleteSignatureException
            | ErrorCode::ExpiredTokenException
            | ErrorCode::UnknownOperationException
            | ErrorCode::RequestEntityTooLarge => CORAL_SERVICE,
            ErrorCode::ValidationException => CORAL_VALIDATE,
            ErrorCode::ThrottlingException => CORAL_AVAILABILITY,
            _ => DYNAMODB,
        }
    }

    /// The HTTP status. DynamoDB answers refused signatures with 400 too, not 403.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorCode::InternalServerError => 500,
            ErrorCode::ServiceUnavailable => 503,
            ErrorCode::RequestEntityTooLarge => 413,
            ErrorCode::ReplicatedWriteConflictException => 409,
            _ => 400,
        }
    }

    /// Whether SDKs send the same request again after this error.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            ErrorCode::ProvisionedThroughputExceededException
                | ErrorCode::ThrottlingException
                | ErrorCode::RequestLimitExceeded
                | ErrorCode::TransactionConflictException
                | ErrorCode::TransactionInProgressException
                | ErrorCode::ReplicatedWriteConflictException
                | ErrorCode::InternalServerError
                | ErrorCode::ServiceUnavailable
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(code));
        }
        assert_eq!(ErrorCode::from_name("NoSuchException"), None);
    }

    #[test]
    fn statuses_and_namespaces_are_the_services() {
        assert_eq!(
            ErrorCode::ValidationException.namespace(),
            "com.amazon.coral.validate"
        );
        assert_eq!(
            ErrorCode::SerializationException.namespace(),
            "com.amazon.coral.service"
        );
        assert_eq!(
            ErrorCode::ThrottlingException.namespace(),
            "com.amazon.coral.availability"
        );
        assert_eq!(
            ErrorCode::ConditionalCheckFailedException.namespace(),
            "com.amazonaws.dynamodb.v20120810"
        );
        assert_eq!(ErrorCode::AccessDeniedException.http_status(), 400);
        assert_eq!(ErrorCode::InternalServerError.http_status(), 500);
    }
}
