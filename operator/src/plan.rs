//! What to do next: pure functions from what was read to one step and a report. All decisions of the operator are here.

pub mod dax_cluster;
pub mod deletion;
pub mod rollout;
pub mod storage_cluster;
pub mod table;
pub mod table_changes;
pub mod table_rules;

use crate::crd::condition::{self, Condition, Truth};

/// An Event to be written about the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// Whether it is a `Warning`.
    pub warning: bool,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people.
    pub note: String,
}

impl EventDraft {
    /// Something went as wanted.
    pub fn normal(reason: &str, note: impl Into<String>) -> Self {
        Self {
            warning: false,
            reason: reason.to_owned(),
            note: note.into(),
        }
    }

    /// Something needs a look.
    pub fn warning(reason: &str, note: impl Into<String>) -> Self {
        Self {
            warning: true,
            reason: reason.to_owned(),
            note: note.into(),
        }
    }
}

/// How it stands with an object, in one word; conditions and Events follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As wanted.
    Synced,
    /// On the way.
    Progressing {
        /// Whether it serves meanwhile.
        available: bool,
        /// A word.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// No progress until the spec changes.
    Terminal {
        /// Whether what exists serves nonetheless.
        available: bool,
        /// A word.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// A passing trouble.
    Recoverable {
        /// Whether it serves nonetheless.
        available: bool,
        /// A word.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
}

impl Health {
    /// The conditions of ours and of ACK's that say so.
    ///
    /// `Ready` is ACK's mirror: false when terminal or recoverable, otherwise a copy of `ACK.ResourceSynced`.
    pub fn conditions(&self) -> Vec<Condition> {
        use condition::{
            ACK_RECOVERABLE, ACK_RESOURCE_SYNCED, ACK_TERMINAL, AVAILABLE, DEGRADED, PROGRESSING,
            READY,
        };
        let (reason, message) = self.words();
        let (available, progressing, terminal, recoverable) = match self {
            Self::Synced => (true, false, false, false),
            Self::Progressing { available, .. } => (*available, true, false, false),
            Self::Terminal { available, .. } => (*available, false, true, false),
            Self::Recoverable { available, .. } => (*available, false, false, true),
        };
        let synced = if recoverable {
            Truth::Unknown
        } else {
            (*self == Self::Synced).into()
        };
        let is = |kind: &str, truth: bool| Condition::new(kind, truth, reason, message);
        vec![
            is(AVAILABLE, available),
            is(PROGRESSING, progressing),
            is(DEGRADED, terminal || recoverable),
            is(READY, *self == Self::Synced),
            Condition::new(ACK_RESOURCE_SYNCED, synced, reason, message),
            is(ACK_TERMINAL, terminal),
            is(ACK_RECOVERABLE, recoverable),
        ]
    }

    /// Reason and message.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Synced => ("Synced", "the service matches the spec"),
            Self::Progressing {
                reason, message, ..
            }
            | Self::Terminal {
                reason, message, ..
            }
            | Self::Recoverable {
                reason, message, ..
            } => (reason, message),
        }
    }

    /// The Event of a transition: when `Ready` changes its status or its reason.
    pub fn transition(&self, before: &[Condition]) -> Option<EventDraft> {
        let (reason, message) = self.words();
        let ready = condition::find(before, condition::READY);
        let same = ready.is_some_and(|ready| {
            ready.is_true() == (*self == Self::Synced) && ready.reason.as_deref() == Some(reason)
        });
        if same {
            return None;
        }
        Some(match self {
            Self::Synced => EventDraft::normal("Ready", message),
            Self::Progressing { .. } => EventDraft::normal(reason, message),
            Self::Terminal { .. } | Self::Recoverable { .. } => {
                EventDraft::warning(reason, message)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::condition::{ACK_RESOURCE_SYNCED, READY, find};

    #[test]
    fn ready_mirrors_synced() {
        let conditions = Health::Synced.conditions();
        assert!(find(&conditions, READY).unwrap().is_true());
        assert!(find(&conditions, ACK_RESOURCE_SYNCED).unwrap().is_true());
    }

    #[test]
    fn a_passing_trouble_leaves_synced_unknown() {
        let health = Health::Recoverable {
            available: true,
            reason: "X",
            message: "x".to_owned(),
        };
        let conditions = health.conditions();
        assert_eq!(
            find(&conditions, ACK_RESOURCE_SYNCED).unwrap().status,
            "Unknown"
        );
        assert_eq!(find(&conditions, READY).unwrap().status, "False");
    }

    #[test]
    fn an_event_is_for_a_transition_only() {
        let before = Health::Synced.conditions();
        assert_eq!(Health::Synced.transition(&before), None);
        assert_eq!(Health::Synced.transition(&[]).unwrap().reason, "Ready");
        let trouble = Health::Recoverable {
            available: true,
            reason: "X",
            message: "x".to_owned(),
        };
        assert!(trouble.transition(&before).unwrap().warning);
        assert_eq!(trouble.transition(&trouble.conditions()), None);
    }
}
