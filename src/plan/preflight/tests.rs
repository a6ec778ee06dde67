//! Tables for the preflight: one change to a good host, and what is said of it.
