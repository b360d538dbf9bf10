//! PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy.

use serde::Serialize;
use serde::de::MapAccess;
use serde_json::Value;

use crate::error::{ApiError, ErrorCode};
use crate::json::read::{Context, Member, Members, read_document};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::operations::resource_arn;

/// Longest id of a revision.
const REVISION_LENGTH_MAX: usize = 255;

/// What stands for "there must be no policy yet" in the place of a revision.
pub const NO_POLICY: &str = "NO_POLICY";

/// A PutResourcePolicy request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResourcePolicyRequest {
    /// The table's ARN.
    pub resource_arn: String,
    /// The policy, JSON.
    pub policy: String,
    /// The revision that must be there, or [`NO_POLICY`].
    pub expected_revision_id: Option<String>,
}

/// A GetResourcePolicy request, or a DeleteResourcePolicy request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePolicyRequest {
    /// The table's ARN.
    pub resource_arn: String,
    /// DeleteResourcePolicy: the revision that must be there.
    pub expected_revision_id: Option<String>,
}

/// The answer of all three; Put and Delete have no policy in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourcePolicyResponse {
    /// The policy, JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
}

impl PutResourcePolicyRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<PutResourcePolicyRequest, ApiError> {
        let wire = Wire::read(body)?;
        let mut constraints = wire.constraints();
        constraints.require("policy", wire.policy.as_ref());
        constraints.finish()?;
        let resource_arn = wire.resource_arn.unwrap_or_default();
        resource_arn::check_is_table(&resource_arn)?;
        let policy = wire.policy.unwrap_or_default();
        check_policy(&policy)?;
        Ok(PutResourcePolicyRequest {
            resource_arn,
            policy,
            expected_revision_id: wire.expected_revision_id,
        })
    }
}

impl ResourcePolicyRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ResourcePolicyRequest, ApiError> {
        let wire = Wire::read(body)?;
        wire.constraints().finish()?;
        let resource_arn = wire.resource_arn.unwrap_or_default();
        resource_arn::check_is_table(&resource_arn)?;
        Ok(ResourcePolicyRequest {
            resource_arn,
            expected_revision_id: wire.expected_revision_id,
        })
    }
}

impl ResourcePolicyResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The table has no policy, or not the revision that was expected.
pub fn policy_not_found(resource_arn: &str) -> ApiError {
    ApiError::new(
        ErrorCode::PolicyNotFoundException,
        format!("Resource-based policy not found for the provided ResourceArn: {resource_arn}"),
    )
}

/// A policy is a document of bounded size.
pub(crate) fn check_policy(policy: &str) -> Result<(), ApiError> {
    if policy.len() > limits::RESOURCE_POLICY_BYTES_MAX {
        return Err(ApiError::invalid_parameter(format!(
            "Maximum policy size of {} bytes exceeded",
            limits::RESOURCE_POLICY_BYTES_MAX
        )));
    }
    check_document(policy)
        .map_err(|why| ApiError::invalid_parameter(format!("Invalid policy document: {why}")))
}

/// The shape of a policy: a `Statement`, or several, each with what a statement must have. The error
/// is the service's reason.
fn check_document(policy: &str) -> Result<(), String> {
    let document = match serde_json::from_str(policy) {
        Ok(Value::Object(document)) => document,
        Ok(Value::Null) => return Err("This text appears not to be a policy".into()),
        _ => return Err("This policy contains invalid Json".into()),
    };
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(one) => std::slice::from_ref(one),
        // Where the parser of the service stood when it had seen everything.
        None => {
            let line = policy.lines().count();
            let column = policy.lines().last().map_or(0, |last| last.chars().count()) + 1;
            return Err(format!("Syntax error at position ({line},{column})"));
        }
    };
    if statements.is_empty() {
        return Err("Could not parse the policy: Statement is empty!".into());
    }
    for statement in statements {
        for (field, negation) in [
            ("Effect", "Effect"),
            ("Principal", "NotPrincipal"),
            ("Action", "NotAction"),
            ("Resource", "NotResource"),
        ] {
            if statement
                .get(field)
                .or_else(|| statement.get(negation))
                .is_none()
            {
                return Err(format!("Missing required field {field}"));
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Wire {
    resource_arn: Option<String>,
    policy: Option<String>,
    expected_revision_id: Option<String>,
}

impl Wire {
    fn read(body: &[u8]) -> Result<Wire, ApiError> {
        let mut wire = Wire::default();
        read_document(body, &Context::default(), &mut wire)?;
        Ok(wire)
    }

    fn constraints(&self) -> Constraints {
        let mut constraints = Constraints::default();
        resource_arn::constrain(self.resource_arn.as_ref(), &mut constraints);
        if let Some(revision) = &self.expected_revision_id {
            constraints.length("expectedRevisionId", revision, 1, REVISION_LENGTH_MAX);
        }
        constraints
    }
}

impl Members for Wire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ResourceArn" => self.resource_arn = value.text()?,
            "Policy" => self.policy = value.text()?,
            "ExpectedRevisionId" => self.expected_revision_id = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
