//! Plans of Kuboard.
