//! Texts of refusals that stand alone, word for word as the service has them.

/// `ConditionalOperator` without a map of conditions; prefixed as an invalid parameter.
pub(crate) const CONDITIONAL_OPERATOR_ALONE: &str =
    "ConditionalOperator cannot be used without Filter or Expected";
/// Query without a key condition of either form.
pub(crate) const KEY_CONDITION_MISSING: &str = "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.";
/// A `KeyConditions` map with no or more than two entries.
pub(crate) const KEY_CONDITION_COUNT: &str = "Conditions can be of length 1 or 2 only";
/// A comparison in `KeyConditions` that no place in the order of keys answers.
pub(crate) const KEY_CONDITION_NOT_INDEXABLE: &str =
    "Attempted conditional constraint is not an indexable operation";
/// A legacy BETWEEN whose bounds are the wrong way round.
pub(crate) const BETWEEN_BOUNDS_REVERSED: &str = "The BETWEEN condition was provided a range where the lower bound is greater than the upper \
     bound";
/// An entry of `AttributeUpdates` without a value; prefixed as an invalid parameter.
pub(crate) const UPDATE_WITHOUT_VALUE: &str =
    "Only DELETE action is allowed when no attribute value is specified";
/// BatchGetItem of nothing.
pub(crate) const BATCH_GET_WITHOUT_ITEMS: &str =
    "The requestItems parameter is required for BatchGetItem";
/// BatchWriteItem of nothing.
pub(crate) const BATCH_WRITE_WITHOUT_ITEMS: &str =
    "The requestItems parameter is required for BatchWriteItem";
/// A key that comes twice in one table of a batch.
pub(crate) const DUPLICATE_KEYS: &str = "Provided list of item keys contains duplicates";
