//! PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy.

use serde::Serialize;
use serde::de::{IgnoredAny, MapAccess};

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

/// A policy is a JSON object of bounded size.
pub(crate) fn check_policy(policy: &str) -> Result<(), ApiError> {
    if policy.len() > limits::RESOURCE_POLICY_BYTES_MAX {
        return Err(ApiError::invalid_parameter(format!(
            "Policy size exceeds the limit of {} bytes",
            limits::RESOURCE_POLICY_BYTES_MAX
        )));
    }
    let is_object =
        policy.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(policy).is_ok();
    if !is_object {
        return Err(ApiError::invalid_parameter(
            "The policy is not a JSON document",
        ));
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
