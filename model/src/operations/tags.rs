//! TagResource, UntagResource and ListTagsOfResource.

use serde::Serialize;
use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, List, Member, Members, Text, read_document};
use crate::operations::constraints::Constraints;
use crate::operations::control_wire::{TagWire, check_tag_key, tags};
use crate::operations::resource_arn::tagged_resource;
use crate::operations::tag_rules::check_tags;
use crate::table::Tag;

/// A TagResource request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagResourceRequest {
    /// The table's ARN.
    pub resource_arn: String,
    /// The tags to set; at least one.
    pub tags: Vec<Tag>,
}

/// An UntagResource request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntagResourceRequest {
    /// The table's ARN.
    pub resource_arn: String,
    /// Keys of the tags to remove; at least one.
    pub tag_keys: Vec<String>,
}

/// A ListTagsOfResource request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTagsOfResourceRequest {
    /// The table's ARN.
    pub resource_arn: String,
    /// Where to go on.
    pub next_token: Option<String>,
}

/// A ListTagsOfResource answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListTagsOfResourceResponse {
    /// The tags.
    pub tags: Vec<Tag>,
}

impl TagResourceRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<TagResourceRequest, ApiError> {
        let wire = Wire::read(body)?;
        let mut constraints = Constraints::default();
        constraints.require("tags", wire.tags.as_ref());
        let given = wire.tags.unwrap_or_default();
        if wire.resource_arn.is_some() {
            constraints.finish()?;
        }
        let resource_arn = tagged_resource(wire.resource_arn)?;
        if given.is_empty() {
            return Err(ApiError::validation(
                "Atleast one Tag needs to be provided as Input.",
            ));
        }
        let tags = tags(&given)?;
        check_tags(&tags)?;
        Ok(TagResourceRequest { resource_arn, tags })
    }
}

impl UntagResourceRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<UntagResourceRequest, ApiError> {
        let wire = Wire::read(body)?;
        let mut constraints = Constraints::default();
        constraints.require("tagKeys", wire.tag_keys.as_ref());
        let given = wire.tag_keys.unwrap_or_default();
        let tag_keys: Vec<String> = given.into_iter().flatten().collect();
        if wire.resource_arn.is_some() {
            constraints.finish()?;
        }
        let resource_arn = tagged_resource(wire.resource_arn)?;
        if tag_keys.is_empty() {
            return Err(ApiError::validation(
                "Atleast one Tag Key needs to be provided as Input.",
            ));
        }
        for key in &tag_keys {
            check_tag_key(Some(key))?;
        }
        Ok(UntagResourceRequest {
            resource_arn,
            tag_keys,
        })
    }
}

impl ListTagsOfResourceRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ListTagsOfResourceRequest, ApiError> {
        let wire = Wire::read(body)?;
        Ok(ListTagsOfResourceRequest {
            resource_arn: tagged_resource(wire.resource_arn)?,
            next_token: wire.next_token,
        })
    }
}

impl ListTagsOfResourceResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[derive(Default)]
struct Wire {
    resource_arn: Option<String>,
    tags: Option<Vec<TagWire>>,
    tag_keys: Option<Vec<Option<String>>>,
    next_token: Option<String>,
}

impl Wire {
    fn read(body: &[u8]) -> Result<Wire, ApiError> {
        let mut wire = Wire::default();
        read_document(body, &Context::default(), &mut wire)?;
        Ok(wire)
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
            "Tags" => self.tags = value.structures()?,
            "TagKeys" => self.tag_keys = value.read(List(Text))?,
            "NextToken" => self.next_token = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
