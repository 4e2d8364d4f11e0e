//! The rules played.
