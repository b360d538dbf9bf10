//! Attribute lists: an item travels as the id of the list of its attributes' names, and the values (protocol, section 8).
//!
//! Clients remember for ever what an id means, so it may never come to mean anything else, on any node, over any
//! restart. An id is a hash of its list, and what was handed out is kept: two nodes that have never met say the same.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

/// What stands for a list.
pub(crate) type ListId = i64;

/// The list without names, by definition.
pub(super) const EMPTY: ListId = 1;

/// Ids keep below 2^53, the integers that JavaScript has.
const ID_BITS: u32 = 52;

/// Names in order. The same names in another order are another list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributeList {
    pub(crate) id: ListId,
    pub(crate) names: Arc<[String]>,
}

impl AttributeList {
    /// The list of these names: its id is 2 and the first 52 bits of SHA-256 over the names, each behind its length in
    /// 8 bytes.
    pub(crate) fn new(names: Vec<String>) -> Self {
        if names.is_empty() {
            return Self {
                id: EMPTY,
                names: Arc::default(),
            };
        }
        let mut hash = Context::new(&SHA256);
        for name in &names {
            hash.update(&(name.len() as u64).to_be_bytes());
            hash.update(name.as_bytes());
        }
        let hash = hash.finish();
        let first = hash
            .as_ref()
            .first_chunk::<8>()
            .copied()
            .unwrap_or_default();
        let id = (u64::from_be_bytes(first) >> (u64::BITS - ID_BITS)) + 2;
        Self {
            // 53 bits at most.
            id: id.cast_signed(),
            names: names.into(),
        }
    }
}

/// The lists that have been handed out.
pub(crate) trait AttributeLists {
    /// The names of a list; `None` for an id that was never handed out. The empty list is known without that.
    fn names(&self, id: ListId) -> Option<Arc<[String]>>;
}

/// Gives ids to the lists of an answer, and remembers those that nobody has been told of yet: they are to be kept before
/// the answer is sent.
pub(super) struct ListIds<'a> {
    known: &'a dyn AttributeLists,
    pub(super) new: Vec<AttributeList>,
}

impl<'a> ListIds<'a> {
    pub(super) fn new(known: &'a dyn AttributeLists) -> Self {
        Self {
            known,
            new: Vec::new(),
        }
    }

    pub(super) fn id(&mut self, names: Vec<String>) -> ListId {
        let list = AttributeList::new(names);
        let id = list.id;
        if id != EMPTY && self.known.names(id).is_none() && !self.new.contains(&list) {
            self.new.push(list);
        }
        id
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Lists under the ids that a capture used.
    #[derive(Default)]
    pub(crate) struct Given(pub(crate) BTreeMap<ListId, Vec<&'static str>>);

    impl AttributeLists for Given {
        fn names(&self, id: ListId) -> Option<Arc<[String]>> {
            if id == EMPTY {
                return Some(Arc::default());
            }
            let names = self.0.get(&id)?;
            Some(names.iter().map(|name| (*name).to_owned()).collect())
        }
    }

    fn id(names: &[&str]) -> ListId {
        AttributeList::new(names.iter().map(|name| (*name).to_owned()).collect()).id
    }

    #[test]
    fn ids_tell_lists_apart_and_fit_into_javascript() {
        assert_eq!(id(&[]), EMPTY);
        let lists: [&[&str]; 6] = [
            &["a"],
            &["a", "b"],
            &["b", "a"],
            &["ab"],
            &["a", ""],
            &["", "a"],
        ];
        let ids: std::collections::BTreeSet<_> = lists.iter().map(|names| id(names)).collect();
        assert_eq!(ids.len(), lists.len());
        assert!(ids.iter().all(|id| (2..1 << 53).contains(id)));
    }

    /// Clients and volumes remember ids: this one may never change.
    #[test]
    fn ids_are_frozen() {
        assert_eq!(id(&["age", "name"]), 2_846_420_588_067_319);
    }
}
