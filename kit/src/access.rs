//! Who may call: the credentials file, the principals in it, and the seam where policies decide.
//!
//! Every process that takes requests reads one JSON file, a mounted Secret in Kubernetes:
//!
//! ```json
//! {"credentials": [{"accessKeyId": "...", "secretAccessKey": "...", "principal": "root"}]}
//! ```
//!
//! `sessionToken` and `expiration` (RFC 3339) are optional; unknown members are ignored. A changed
//! file is picked up while the process runs; one that cannot be read leaves the old one in force.

mod store;

use std::fmt;

pub(crate) use store::Credential;
pub use store::{CredentialsError, CredentialsStore};

/// Who a request comes from, once its signature is verified.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Principal {
    name: String,
}

impl Principal {
    /// A principal by its name, or by its whole ARN.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Whoever calls a process that verifies no signatures (`dev`, on loopback).
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new("anonymous")
    }

    /// The name, as the credentials file gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ARN: of an IAM user of the account, unless the name is an ARN already.
    #[must_use]
    pub fn arn(&self, account_id: &str) -> String {
        if self.name.starts_with("arn:") {
            self.name.clone()
        } else {
            format!("arn:aws:iam::{account_id}:user/{}", self.name)
        }
    }
}

/// The principal may not do this: `AccessDeniedException`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "User: {principal} is not authorized to perform: {action} on resource: {resource} because no \
     identity-based policy allows the {action} action"
)]
pub struct AccessDenied {
    /// The principal's name.
    pub principal: String,
    /// What was to be done, as `dynamodb:GetItem`.
    pub action: String,
    /// The ARN of what it was to be done to.
    pub resource: String,
}

/// Whether `principal` may do `action` (as `dynamodb:GetItem`) to `resource` (an ARN, or `*`).
/// Called for every request before anything of the table is looked at.
///
/// There are no policies yet: every principal of the credentials file may do everything. The
/// resource is anything that displays as an ARN, so that none is built until it is needed.
///
/// # Errors
/// [`AccessDenied`], whose text is meant for the client.
pub fn authorize<R>(principal: &Principal, action: &str, resource: &R) -> Result<(), AccessDenied>
where
    R: fmt::Display + ?Sized,
{
    // An empty name is no principal; the store refuses to load one.
    if principal.name.is_empty() {
        return Err(AccessDenied {
            principal: principal.name.clone(),
            action: action.to_owned(),
            resource: resource.to_string(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_made_from_a_name_and_kept_when_given() {
        let arn = Principal::new("bob").arn("000000000000");
        assert_eq!(arn, "arn:aws:iam::000000000000:user/bob");
        let role = "arn:aws:iam::123456789012:role/app";
        assert_eq!(Principal::new(role).arn("000000000000"), role);
    }

    #[test]
    fn a_known_principal_may_and_nobody_may_not() {
        let table = "arn:aws:dynamodb:us-east-1:000000000000:table/T";
        assert_eq!(
            authorize(&Principal::new("bob"), "dynamodb:GetItem", table),
            Ok(())
        );
        let denied = authorize(&Principal::new(""), "dynamodb:GetItem", table).unwrap_err();
        assert!(
            denied
                .to_string()
                .contains("perform: dynamodb:GetItem on resource: arn:aws:")
        );
    }
}
