//! The invariants, one file each. Source of all: the design, section 6.

pub(crate) mod acknowledged_on_quorum;
pub(crate) mod linearizable;
pub(crate) mod replicas_are_equal;
