//! What every Stator process needs.
