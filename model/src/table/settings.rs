//! Settings beside keys and capacity: stream, encryption, tags, warm throughput.
//!
//! Source: public service model, `StreamSpecification`, `SSESpecification`, `Tag`,
//! `WarmThroughput`.

use serde::{Deserialize, Serialize};

/// What a stream record tells of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamViewType {
    /// Only its key.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// Both.
    NewAndOldImages,
}

impl StreamViewType {
    /// Every view type.
    pub const ALL: [StreamViewType; 4] = [
        StreamViewType::KeysOnly,
        StreamViewType::NewImage,
        StreamViewType::OldImage,
        StreamViewType::NewAndOldImages,
    ];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            StreamViewType::KeysOnly => "KEYS_ONLY",
            StreamViewType::NewImage => "NEW_IMAGE",
            StreamViewType::OldImage => "OLD_IMAGE",
            StreamViewType::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    /// The view type of that name.
    pub fn from_name(name: &str) -> Option<StreamViewType> {
        StreamViewType::ALL
            .into_iter()
            .find(|view| view.as_str() == name)
    }

    /// Whether records hold the item as it was.
    pub fn has_old_image(self) -> bool {
        matches!(
            self,
            StreamViewType::OldImage | StreamViewType::NewAndOldImages
        )
    }

    /// Whether records hold the item as it became.
    pub fn has_new_image(self) -> bool {
        matches!(
            self,
            StreamViewType::NewImage | StreamViewType::NewAndOldImages
        )
    }
}

/// A stream specification: on, with a view type, or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamSpecification {
    /// Whether changes are recorded.
    pub stream_enabled: bool,
    /// What a record tells; there when the stream is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_view_type: Option<StreamViewType>,
}

impl StreamSpecification {
    /// A stream of that kind that is on.
    pub fn enabled(view_type: StreamViewType) -> StreamSpecification {
        StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(view_type),
        }
    }
}

/// Encryption under a key of KMS. Encryption under the service's own key is the absence of this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SseSpecification {
    /// Whether KMS is used.
    #[serde(rename = "Enabled")]
    pub enabled: bool,
    /// Id, alias or ARN of the key; absent for the account's default key.
    #[serde(
        rename = "KMSMasterKeyId",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub kms_master_key_id: Option<String>,
}

/// What a table or index shall serve at once, in units a second. Absent members are not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WarmThroughput {
    /// Read units a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_units_per_second: Option<i64>,
    /// Write units a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_units_per_second: Option<i64>,
}

/// A tag of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// The key: 1 to 128 characters.
    pub key: String,
    /// The value: up to 256 characters.
    pub value: String,
}
