//! Stream, encryption and tags before their rules are checked.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Member, Members};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::table::{SseSpecification, StreamSpecification, StreamViewType, Tag};

/// A stream specification before it is checked.
#[derive(Default)]
pub(crate) struct StreamWire {
    enabled: Option<bool>,
    view_type: Option<String>,
}

impl Members for StreamWire {
    const CLASS: &'static str = "StreamSpecification";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "StreamEnabled" => self.enabled = value.boolean()?,
            "StreamViewType" => self.view_type = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl StreamWire {
    /// Gathers the model's constraints.
    pub(crate) fn constrain(&self, constraints: &mut Constraints) -> StreamSpecification {
        constraints.require("streamSpecification.streamEnabled", self.enabled.as_ref());
        StreamSpecification {
            stream_enabled: self.enabled.unwrap_or_default(),
            stream_view_type: constraints.word(
                "streamSpecification.streamViewType",
                self.view_type.as_deref(),
                "[NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]",
                StreamViewType::from_name,
            ),
        }
    }
}

/// An encryption specification before it is checked.
#[derive(Default)]
pub(crate) struct SseWire {
    enabled: Option<bool>,
    sse_type: Option<String>,
    kms_master_key_id: Option<String>,
}

impl Members for SseWire {
    const CLASS: &'static str = "SSESpecification";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Enabled" => self.enabled = value.boolean()?,
            "SSEType" => self.sse_type = value.text()?,
            "KMSMasterKeyId" => self.kms_master_key_id = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl SseWire {
    /// Refuses members that do not go together.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let refused = match (
            self.enabled,
            self.sse_type.as_deref(),
            &self.kms_master_key_id,
        ) {
            (Some(false), Some(_), _) => "SSEType can not be specified if Enabled is false",
            (Some(false), None, Some(_)) => {
                "KMSMasterKeyId can not be specified if Enabled is false"
            }
            (_, Some("AES256"), _) => "SSEType AES256 is not supported",
            (_, None, Some(_)) => "SSEType KMS is required if KMSMasterKeyId is specified",
            _ => return Ok(()),
        };
        Err(ApiError::invalid_parameter(refused))
    }

    /// Gathers the model's constraints. A type without `Enabled` asks for KMS all the same.
    pub(crate) fn constrain(&self, constraints: &mut Constraints) -> SseSpecification {
        constraints.word(
            "sSESpecification.sSEType",
            self.sse_type.as_deref(),
            "[AES256, KMS]",
            |word| matches!(word, "AES256" | "KMS").then_some(()),
        );
        if let Some(key) = &self.kms_master_key_id {
            constraints.length("sSESpecification.kMSMasterKeyId", key, 1, usize::MAX);
        }
        SseSpecification {
            enabled: self.enabled.unwrap_or_else(|| self.sse_type.is_some()),
            kms_master_key_id: self.kms_master_key_id.clone(),
        }
    }
}

/// A tag before it is checked.
#[derive(Default)]
pub(crate) struct TagWire {
    key: Option<String>,
    value: Option<String>,
}

impl Members for TagWire {
    const CLASS: &'static str = "Tag";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Key" => self.key = value.text()?,
            "Value" => self.value = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// The tags as they are given, each of legal length.
///
/// # Errors
/// A ValidationException that shows the key or the value as it came, or `null`.
pub(crate) fn tags(given: &[TagWire]) -> Result<Vec<Tag>, ApiError> {
    given
        .iter()
        .map(|tag| {
            let key = check_tag_key(tag.key.as_deref())?;
            let value = tag.value.as_deref();
            match value {
                Some(value) if value.chars().count() <= limits::TAG_VALUE_LENGTH_MAX => Ok(Tag {
                    key: key.to_owned(),
                    value: value.to_owned(),
                }),
                _ => Err(ApiError::validation(format!(
                    "The Tag Value provided is invalid, Value: {}",
                    value.unwrap_or("null")
                ))),
            }
        })
        .collect()
}

/// A tag's key of legal length.
///
/// # Errors
/// A ValidationException that shows it as it came, or `null`.
pub(crate) fn check_tag_key(key: Option<&str>) -> Result<&str, ApiError> {
    let legal = |key: &&str| (1..=limits::TAG_KEY_LENGTH_MAX).contains(&key.chars().count());
    key.filter(legal).ok_or_else(|| {
        ApiError::validation(format!(
            "The Tag Key provided is invalid, Key: {}",
            key.unwrap_or("null")
        ))
    })
}
