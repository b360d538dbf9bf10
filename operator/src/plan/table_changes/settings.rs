//! How stream, expiry and tags of a table differ from its manifest.

use std::collections::BTreeMap;

use crate::crd::table::{TableSpec, Tag};

use super::{ServiceTable, TableChange};

/// Expiry of items, as DescribeTimeToLive shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTimeToLive {
    /// On, or being switched on.
    pub enabled: bool,
    /// The attribute.
    pub attribute_name: Option<String>,
}

/// The next change of the stream, the expiry or the tags.
pub(super) fn next_change(spec: &TableSpec, table: &ServiceTable) -> Option<TableChange> {
    stream_change(spec, table)
        .or_else(|| expiry_change(spec, table))
        .or_else(|| tags_change(spec, table))
}

/// A stream keeps its view for life, so another view is a stream off and a stream on.
fn stream_change(spec: &TableSpec, table: &ServiceTable) -> Option<TableChange> {
    let wanted = spec.stream_specification.as_ref()?;
    let view = match wanted.stream_enabled? {
        true => Some(wanted.stream_view_type.as_deref()?),
        false => None,
    };
    match (view, table.stream_view_type.as_deref()) {
        (Some(view), None) => Some(TableChange::EnableStream(view.to_owned())),
        (Some(view), Some(real)) if view == real => None,
        (_, Some(_)) => Some(TableChange::DisableStream),
        (None, None) => None,
    }
}

/// The attribute is changed by switching off and on.
fn expiry_change(spec: &TableSpec, table: &ServiceTable) -> Option<TableChange> {
    let wanted = spec.time_to_live.as_ref()?;
    let real = table.time_to_live.as_ref()?;
    let name = wanted.attribute_name.as_deref()?;
    let enabled = wanted.enabled?;
    let same = real.attribute_name.as_deref() == Some(name);
    match (enabled, real.enabled) {
        (true, false) => Some(TableChange::TimeToLive {
            attribute_name: name.to_owned(),
            enabled: true,
        }),
        (false, true) | (true, true) if !enabled || !same => Some(TableChange::TimeToLive {
            attribute_name: real
                .attribute_name
                .clone()
                .unwrap_or_else(|| name.to_owned()),
            enabled: false,
        }),
        _ => None,
    }
}

fn tags_change(spec: &TableSpec, table: &ServiceTable) -> Option<TableChange> {
    let wanted = tags(spec.tags.as_ref()?);
    let real = table.tags.as_ref()?;
    let gone: Vec<String> = real
        .keys()
        .filter(|key| !wanted.contains_key(*key))
        .cloned()
        .collect();
    if !gone.is_empty() {
        return Some(TableChange::Untag {
            arn: table.arn.clone(),
            keys: gone,
        });
    }
    let new: BTreeMap<String, String> = wanted
        .into_iter()
        .filter(|(key, value)| real.get(key) != Some(value))
        .collect();
    (!new.is_empty()).then(|| TableChange::Tag {
        arn: table.arn.clone(),
        tags: new,
    })
}

/// Tags by name; a tag without a value has the empty one.
pub fn tags(list: &[Tag]) -> BTreeMap<String, String> {
    list.iter()
        .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::table::{StreamSpecification, TimeToLive};
    use crate::plan::table::tests::{orders, orders_in_service};

    fn stream(enabled: bool, view: Option<&str>) -> TableSpec {
        let mut spec = orders();
        spec.stream_specification = Some(StreamSpecification {
            stream_enabled: Some(enabled),
            stream_view_type: view.map(str::to_owned),
        });
        spec
    }

    #[test]
    fn another_view_is_a_stream_off_and_a_stream_on() {
        let mut table = orders_in_service();
        let wanted = stream(true, Some("NEW_IMAGE"));
        let on = Some(TableChange::EnableStream("NEW_IMAGE".to_owned()));
        assert_eq!(next_change(&wanted, &table), on);
        table.stream_view_type = Some("KEYS_ONLY".to_owned());
        assert_eq!(
            next_change(&wanted, &table),
            Some(TableChange::DisableStream)
        );
        table.stream_view_type = Some("NEW_IMAGE".to_owned());
        assert_eq!(next_change(&wanted, &table), None);
        assert_eq!(
            next_change(&stream(false, None), &table),
            Some(TableChange::DisableStream)
        );
        assert_eq!(next_change(&orders(), &table), None, "unmanaged");
    }

    #[test]
    fn expiry_moves_to_another_attribute_by_way_of_off() {
        let mut spec = orders();
        spec.time_to_live = Some(TimeToLive {
            attribute_name: Some("until".to_owned()),
            enabled: Some(true),
        });
        let mut table = orders_in_service();
        assert_eq!(next_change(&spec, &table), None, "not asked for yet");
        let expiry = |name: &str, enabled| {
            Some(TableChange::TimeToLive {
                attribute_name: name.to_owned(),
                enabled,
            })
        };
        table.time_to_live = Some(ServiceTimeToLive::default());
        assert_eq!(next_change(&spec, &table), expiry("until", true));
        table.time_to_live = Some(ServiceTimeToLive {
            enabled: true,
            attribute_name: Some("old".to_owned()),
        });
        assert_eq!(next_change(&spec, &table), expiry("old", false));
        table.time_to_live = Some(ServiceTimeToLive {
            enabled: true,
            attribute_name: Some("until".to_owned()),
        });
        assert_eq!(next_change(&spec, &table), None);
        spec.time_to_live.as_mut().unwrap().enabled = Some(false);
        assert_eq!(next_change(&spec, &table), expiry("until", false));
    }

    #[test]
    fn tags_become_those_of_the_manifest() {
        let tag = |key: &str, value: &str| Tag {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()),
        };
        let mut spec = orders();
        let mut table = orders_in_service();
        table.tags = Some(BTreeMap::from([
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "2".to_owned()),
        ]));
        assert_eq!(next_change(&spec, &table), None, "unmanaged");
        spec.tags = Some(vec![tag("a", "9")]);
        let arn = table.arn.clone();
        assert_eq!(
            next_change(&spec, &table),
            Some(TableChange::Untag {
                arn: arn.clone(),
                keys: vec!["b".to_owned()]
            })
        );
        table.tags = Some(BTreeMap::from([("a".to_owned(), "1".to_owned())]));
        assert_eq!(
            next_change(&spec, &table),
            Some(TableChange::Tag {
                arn,
                tags: BTreeMap::from([("a".to_owned(), "9".to_owned())])
            })
        );
        table.tags = Some(BTreeMap::from([("a".to_owned(), "9".to_owned())]));
        assert_eq!(next_change(&spec, &table), None);
    }
}
