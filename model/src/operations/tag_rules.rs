//! Rules of tags that CreateTable and TagResource share.

use crate::error::ApiError;
use crate::limits;
use crate::table::Tag;

/// Reserved for the service.
const RESERVED_PREFIX: &str = "aws:";

/// Rules on a list of tags as such.
pub(crate) fn check_tags(tags: &[Tag]) -> Result<(), ApiError> {
    for (at, tag) in tags.iter().enumerate() {
        let lower = tag.key.get(..RESERVED_PREFIX.len());
        if lower.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED_PREFIX)) {
            return Err(ApiError::validation(format!(
                "Tag Key cannot be prefixed with {RESERVED_PREFIX}, Key: {}",
                tag.key
            )));
        }
        if tags.iter().take(at).any(|other| other.key == tag.key) {
            return Err(ApiError::validation(format!(
                "Duplicate Tag Keys provided as input: Duplicate Tag Key found {}",
                tag.key
            )));
        }
    }
    check_tag_count(tags.len())
}

/// How many tags a resource may have.
pub(crate) fn check_tag_count(count: usize) -> Result<(), ApiError> {
    if count > limits::TAGS_MAX {
        return Err(ApiError::validation(
            "Number of Tags exceed the current limit for the provided ResourceArn",
        ));
    }
    Ok(())
}

/// The tags of a resource after `added` were given: a key that is there already gets the new value.
///
/// # Errors
/// There would be too many.
pub fn merge_tags(current: &[Tag], added: &[Tag]) -> Result<Vec<Tag>, ApiError> {
    let mut merged = current.to_vec();
    for tag in added {
        match merged.iter_mut().find(|other| other.key == tag.key) {
            Some(other) => other.value.clone_from(&tag.value),
            None => merged.push(tag.clone()),
        }
    }
    check_tag_count(merged.len())?;
    Ok(merged)
}
