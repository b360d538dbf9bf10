//! Conditions and the other pieces of status that every kind shares.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition of an object, in the shape that ACK and `kubectl wait` expect.
///
/// Our own struct: the one of k8s-openapi has no schema without a costly feature of that crate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The name of the condition, see the constants beside this type.
    #[serde(rename = "type")]
    pub condition_type: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,
    /// A word for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When `status` last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: Option<String>,
    /// The generation of the object that this condition speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Requests can be served.
pub const AVAILABLE: &str = "Available";
/// Something is being created or changed.
pub const PROGRESSING: &str = "Progressing";
/// Something is wrong that has not (yet) stopped the service.
pub const DEGRADED: &str = "Degraded";
/// What `kubectl wait --for=condition=Ready` waits for.
pub const READY: &str = "Ready";
/// ACK: the service matches the spec.
pub const ACK_RESOURCE_SYNCED: &str = "ACK.ResourceSynced";
/// ACK: no progress until the spec changes.
pub const ACK_TERMINAL: &str = "ACK.Terminal";
/// ACK: a passing trouble, tried again.
pub const ACK_RECOVERABLE: &str = "ACK.Recoverable";
/// ACK: an existing table was taken over.
pub const ACK_ADOPTED: &str = "ACK.Adopted";

/// The three values of [`Condition::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// `True`
    True,
    /// `False`
    False,
    /// `Unknown`
    Unknown,
}

impl Truth {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl Condition {
    /// A condition without a time; [`merge`] sets it when it is written.
    pub fn new(
        condition_type: &str,
        status: impl Into<Truth>,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            condition_type: condition_type.to_owned(),
            status: status.into().as_str().to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.into()),
            last_transition_time: None,
            observed_generation: None,
        }
    }

    /// Whether it is `True`.
    pub fn is_true(&self) -> bool {
        self.status == Truth::True.as_str()
    }
}

/// The condition of that name.
pub fn find<'a>(conditions: &'a [Condition], condition_type: &str) -> Option<&'a Condition> {
    conditions
        .iter()
        .find(|condition| condition.condition_type == condition_type)
}

/// Gives each of `wanted` its generation and its time: the old time where the status has not changed, else `now`.
///
/// The result is ordered by type, so that two passes over an unchanged world give equal lists and nothing is written.
pub fn merge(
    old: &[Condition],
    wanted: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let now = format!("{:.0}", now);
    let mut merged: Vec<Condition> = wanted
        .into_iter()
        .map(|mut condition| {
            let before = find(old, &condition.condition_type);
            condition.last_transition_time = match before {
                Some(before) if before.status == condition.status => {
                    before.last_transition_time.clone()
                }
                _ => None,
            }
            .or_else(|| Some(now.clone()));
            condition.observed_generation = generation;
            condition
        })
        .collect();
    merged.sort_by(|left, right| left.condition_type.cmp(&right.condition_type));
    merged
}

/// The status of the kinds whose controller is not built yet, and the beginning of every other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AckResourceMetadata {
    /// The Amazon Resource Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The account, 12 digits.
    #[serde(rename = "ownerAccountID")]
    pub owner_account_id: String,
    /// The partition of the ARN, `aws`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The Region of the storage cluster.
    pub region: String,
}

/// Schema of a Kubernetes object that is handed through unread (affinity, resources, tolerations).
pub(crate) fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stays_while_the_status_stays() {
        let first = merge(
            &[],
            vec![Condition::new(READY, false, "A", "a")],
            Some(1),
            Timestamp::UNIX_EPOCH,
        );
        let later = Timestamp::from_second(1_000).unwrap();
        let second = merge(
            &first,
            vec![Condition::new(READY, false, "B", "b")],
            Some(2),
            later,
        );
        assert_eq!(
            second[0].last_transition_time.as_deref(),
            Some("1970-01-01T00:00:00Z")
        );
        let third = merge(
            &second,
            vec![Condition::new(READY, true, "B", "b")],
            Some(2),
            later,
        );
        assert_eq!(
            third[0].last_transition_time.as_deref(),
            Some("1970-01-01T00:16:40Z")
        );
    }
}
