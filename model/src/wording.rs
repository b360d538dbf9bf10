//! Texts of which the service has had two wordings, in one table.
//!
//! Clients match on words, and most of them were written against the classic ones; those are the default. A process chooses
//! once, at its start ([`choose`]); the nodes of a cluster should choose alike, since some refusals come from the node that
//! leads.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which wording a process speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// What the service said for years, and what clients and emulators know.
    #[default]
    Classic,
    /// What the service was heard to say in 2026.
    Current,
}

impl FromStr for Wording {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Wording, &'static str> {
        match name {
            "classic" => Ok(Wording::Classic),
            "current" => Ok(Wording::Current),
            _ => Err("either classic or current"),
        }
    }
}

impl fmt::Display for Wording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Wording::Classic => "classic",
            Wording::Current => "current",
        })
    }
}

static CURRENT: AtomicBool = AtomicBool::new(false);

/// Chooses the wording of this process.
pub fn choose(wording: Wording) {
    CURRENT.store(wording == Wording::Current, Ordering::Relaxed);
}

fn chosen() -> Wording {
    match CURRENT.load(Ordering::Relaxed) {
        true => Wording::Current,
        false => Wording::Classic,
    }
}

/// One text in both wordings; `{name}` stands for what [`Text::fill`] is told.
pub(crate) struct Text {
    classic: &'static str,
    current: &'static str,
}

/// UpdateTable that changes nothing.
pub(crate) const UPDATE_TABLE_OF_NOTHING: Text = Text {
    classic: "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
              GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
    current: "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
              GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, \
              MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, \
              DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required",
};
/// ADD or DELETE in an update expression with a value that it cannot take; behind the prefix of the expression.
pub(crate) const ACTION_OPERAND: Text = Text {
    classic: "Incorrect operand type for operator or function; operator: {operator}, operand type: \
              {type}",
    current: "Incorrect operand type for operator or function; operator: {operator}, operand type: \
              {type}, typeSet: ALLOWED_FOR_{operator}_OPERAND",
};
/// The resource of a tag or a policy that is no ARN.
pub(crate) const NOT_AN_ARN: Text = Text {
    classic: UNKNOWN_RESOURCE,
    current: "One or more parameter values were invalid: ARNs must start with 'arn:': {arn}",
};
/// The same, of another service.
pub(crate) const ARN_OF_ANOTHER_SERVICE: Text = Text {
    classic: UNKNOWN_RESOURCE,
    current: "One or more parameter values were invalid: Provided Arn is not a DynamoDB resource arn: \
              {arn}",
};
/// The same, of something that is neither a table nor a stream.
pub(crate) const ARN_OF_NO_TABLE: Text = Text {
    classic: UNKNOWN_RESOURCE,
    current: "One or more parameter values were invalid: Invalid resource arn provided, only table or \
              stream is accepted. Provided resource arn: {arn}",
};
const UNKNOWN_RESOURCE: &str = "Invalid TableArn: Invalid ResourceArn provided as input {arn}";

impl Text {
    /// The text in the wording of this process, with the values in their places.
    pub(crate) fn fill(&self, values: &[(&str, &str)]) -> String {
        self.fill_in(chosen(), values)
    }

    /// In one pass, so that a value which looks like a place stays what it is.
    fn fill_in(&self, wording: Wording, values: &[(&str, &str)]) -> String {
        let mut rest = match wording {
            Wording::Classic => self.classic,
            Wording::Current => self.current,
        };
        let mut text = String::with_capacity(rest.len());
        while let Some((before, behind)) = rest.split_once('{') {
            text.push_str(before);
            let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
            let value = values.iter().find(|(known, _)| *known == name);
            text.push_str(value.map_or("", |(_, value)| value));
            rest = behind;
        }
        text.push_str(rest);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_places_in_both_wordings() {
        let values = [("operator", "ADD"), ("type", "{operator}")];
        assert_eq!(
            ACTION_OPERAND.fill_in(Wording::Classic, &values),
            "Incorrect operand type for operator or function; operator: ADD, operand type: {operator}"
        );
        assert_eq!(
            ACTION_OPERAND.fill_in(Wording::Current, &values),
            "Incorrect operand type for operator or function; operator: ADD, operand type: {operator}, \
             typeSet: ALLOWED_FOR_ADD_OPERAND"
        );
    }

    #[test]
    fn wordings_are_chosen_by_name() {
        for wording in [Wording::Classic, Wording::Current] {
            assert_eq!(wording.to_string().parse(), Ok(wording));
        }
        assert!("modern".parse::<Wording>().is_err());
        // No test chooses: the others rely on the default.
        assert_eq!(chosen(), Wording::Classic);
    }
}
