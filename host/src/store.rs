//! Everything that knows SQL: one file per table, and the commit. One text for SQLite and PostgreSQL.

pub(crate) mod activities;
pub(crate) mod api_keys;
pub(crate) mod boards;
pub(crate) mod budgets;
mod codes;
mod columns;
pub(crate) mod commit;
pub(crate) mod communities;
mod coupons;
mod database;
pub(crate) mod deeds;
pub(crate) mod demo_orders;
mod direct;
pub(crate) mod endpoints;
pub(crate) mod entries;
pub(crate) mod group_rules;
pub(crate) mod groups;
pub(crate) mod holds;
pub(crate) mod inbox;
pub(crate) mod journal;
mod kept;
pub(crate) mod ledger;
pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod notices;
pub(crate) mod orders;
pub(crate) mod outbox;
mod payables;
mod pilots;
pub(crate) mod plugins;
pub(crate) mod points;
pub(crate) mod preferences;
pub(crate) mod proposals;
pub(crate) mod records;
mod rows;
pub(crate) mod settings;
mod shared;
pub(crate) mod shipments;
mod stock;
pub(crate) mod stream;
pub(crate) mod templates;
pub(crate) mod timers;
pub(crate) mod verify;

pub(crate) use database::Store;

/// A page of a listing and where the next one starts.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// From one row more than the page holds.
    fn of(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { items: rows, next }
    }
}

/// Which page of a listing is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageRequest {
    /// The `next` of the page before.
    pub after: String,
    pub limit: usize,
}

/// A cursor that no page ended with.
#[derive(Debug, thiserror::Error)]
#[error("This is no cursor of ours: send the next_cursor of the page before, or none")]
pub(crate) struct BadCursor;

impl PageRequest {
    /// The cursor of a listing by number; `first` where there is none.
    fn after_number(&self, first: i64) -> Result<i64, BadCursor> {
        if self.after.is_empty() { Ok(first) } else { self.after.parse().map_err(|_| BadCursor) }
    }

    /// The cursor of a listing by two names.
    fn after_pair(&self, separator: char) -> Result<(&str, &str), BadCursor> {
        if self.after.is_empty() { Ok(("", "")) } else { self.after.split_once(separator).ok_or(BadCursor) }
    }

    /// The cursor `seq.ordinal` of what an activity has said or moved.
    fn place(text: &str) -> Result<(i64, i64), BadCursor> {
        let (seq, ordinal) = text.split_once('.').ok_or(BadCursor)?;
        Ok((seq.parse().map_err(|_| BadCursor)?, ordinal.parse().map_err(|_| BadCursor)?))
    }

    /// One more than wanted tells whether there is a next page.
    fn fetch(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX - 1) + 1
    }
}
