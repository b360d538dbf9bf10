//! Settings that promise what this version does not do. `dev` stores and describes them, so that a
//! program written for the service runs; `serve` refuses them by name, before any effect.

use stator_model::error::ApiError;
use stator_model::operations::{CreateTableRequest, UpdateTableRequest};

/// What becomes of such settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnbackedSettings {
    /// They are refused.
    #[default]
    Refuse,
    /// They are stored and described.
    Store,
}

impl UnbackedSettings {
    /// Refuses a setting that is asked for, unless it is to be stored.
    ///
    /// # Errors
    /// A ValidationException that names the member.
    pub(super) fn check(self, member: &str, asked: bool) -> Result<(), ApiError> {
        match self {
            UnbackedSettings::Refuse if asked => Err(ApiError::not_supported(member)),
            _ => Ok(()),
        }
    }

    /// The settings of CreateTable.
    ///
    /// # Errors
    /// As [`UnbackedSettings::check`].
    pub(super) fn check_create(self, request: &CreateTableRequest) -> Result<(), ApiError> {
        let encrypted = request.settings.sse_specification.is_some();
        self.check("SSESpecification", encrypted)?;
        self.check("ResourcePolicy", request.resource_policy.is_some())
    }

    /// The settings of UpdateTable.
    ///
    /// # Errors
    /// As [`UnbackedSettings::check`].
    pub(super) fn check_update(self, request: &UpdateTableRequest) -> Result<(), ApiError> {
        let encrypted = request.sse_specification.as_ref();
        self.check("SSESpecification", encrypted.is_some_and(|sse| sse.enabled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_refused_and_by_name() {
        let refuse = UnbackedSettings::Refuse;
        assert!(refuse.check("SSESpecification", false).is_ok());
        let refused = refuse.check("SSESpecification", true).unwrap_err();
        assert!(refused.message.unwrap().contains("SSESpecification"));
        assert!(
            UnbackedSettings::Store
                .check("SSESpecification", true)
                .is_ok()
        );
    }
}
