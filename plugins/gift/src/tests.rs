//! The rules played.

mod storms;
