//! Stream, encryption and tags before their rules are checked.

use serde::de::MapAccess;

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
    /// Gathers the model's constraints. A key or a type without `Enabled` asks for KMS all the same.
    pub(crate) fn constrain(&self, constraints: &mut Constraints) -> SseSpecification {
        constraints.word(
            "sSESpecification.sSEType",
            self.sse_type.as_deref(),
            "[AES256, KMS]",
            |word| matches!(word, "AES256" | "KMS").then_some(()),
        );
        let asked = self.sse_type.as_deref() == Some("KMS") || self.kms_master_key_id.is_some();
        SseSpecification {
            enabled: self.enabled.unwrap_or(asked),
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

/// Gathers the model's constraints on tags.
pub(crate) fn constrain_tags(given: &[TagWire], constraints: &mut Constraints) {
    for (at, tag) in given.iter().enumerate() {
        for (member, value, min, max) in [
            ("key", &tag.key, 1, limits::TAG_KEY_LENGTH_MAX),
            ("value", &tag.value, 0, limits::TAG_VALUE_LENGTH_MAX),
        ] {
            let path = format!("tags.{}.member.{member}", at + 1);
            match value {
                None => constraints.add_null(&path),
                Some(value) => constraints.length(&path, value, min, max),
            }
        }
    }
}

/// The tags that passed [`constrain_tags`].
pub(crate) fn tags(given: &[TagWire]) -> Vec<Tag> {
    given
        .iter()
        .filter_map(|tag| {
            Some(Tag {
                key: tag.key.clone()?,
                value: tag.value.clone()?,
            })
        })
        .collect()
}
