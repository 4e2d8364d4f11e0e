//! Multi-row statements in a few fixed sizes, so that the database prepares each of them once.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{LazyLock, Mutex},
};

use sqlx::{Any, AssertSqlSafe, Row, SqlSafeStr, SqlStr, any::AnyArguments, any::AnyRow, query::Query};

use super::database::Transaction;

pub(super) type Statement<'q> = Query<'q, Any, AnyArguments>;

/// From large to small; what is left over goes into the next smaller ones. 64 rows of 13 columns stay far below the limits of
/// 32 766 (SQLite) and 65 535 (PostgreSQL) parameters.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// By the statement's beginning, its number of rows, and whether its parameters are numbered.
type Texts = Mutex<HashMap<(&'static str, usize, bool), SqlStr>>;

/// A statement around a list of rows: `before` VALUES (…), (…) `after`.
pub(super) struct Rows {
    pub before: &'static str,
    /// One expression per column: `?`, or `CAST(? AS BIGINT)` where a database must be told the type.
    pub columns: &'static [&'static str],
    pub after: &'static str,
}

impl Rows {
    /// Runs the statement over all rows; answers how many it changed.
    pub(super) async fn execute<T>(
        &self,
        tx: &mut Transaction,
        rows: &[T],
        bind: impl for<'q> Fn(Statement<'q>, &'q T) -> Statement<'q>,
    ) -> anyhow::Result<u64> {
        let mut changed = 0;
        for chunk in chunks(rows) {
            changed += self.statement(tx, chunk, &bind).execute(&mut **tx).await?.rows_affected();
        }
        Ok(changed)
    }

    /// Runs the statement over all rows; answers what it returns.
    pub(super) async fn fetch<T>(
        &self,
        tx: &mut Transaction,
        rows: &[T],
        bind: impl for<'q> Fn(Statement<'q>, &'q T) -> Statement<'q>,
    ) -> anyhow::Result<Vec<AnyRow>> {
        let mut returned = Vec::new();
        for chunk in chunks(rows) {
            returned.extend(self.statement(tx, chunk, &bind).fetch_all(&mut **tx).await?);
        }
        Ok(returned)
    }

    fn statement<'q, T>(
        &self,
        tx: &Transaction,
        rows: &'q [T],
        bind: &impl Fn(Statement<'q>, &'q T) -> Statement<'q>,
    ) -> Statement<'q> {
        // SQLite looks a numbered parameter up by its name, which takes the longer the more there are.
        let is_numbered = tx.backend_name() != "SQLite";
        rows.iter().fold(sqlx::query(self.text(rows.len(), is_numbered)), bind)
    }

    fn text(&self, size: usize, is_numbered: bool) -> SqlStr {
        static TEXTS: LazyLock<Texts> = LazyLock::new(Mutex::default);
        let mut texts = TEXTS.lock().expect("nothing panics while it is locked");
        let text = || AssertSqlSafe(self.build(size, is_numbered)).into_sql_str();
        texts.entry((self.before, size, is_numbered)).or_insert_with(text).clone()
    }

    fn build(&self, size: usize, is_numbered: bool) -> String {
        let mut sql = format!("{} VALUES ", self.before);
        let mut parameter = 0;
        for row in 0..size {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for (index, column) in self.columns.iter().enumerate() {
                parameter += 1;
                if index > 0 {
                    sql.push_str(", ");
                }
                if is_numbered {
                    write!(sql, "{}", column.replace('?', &format!("${parameter}"))).expect("a string takes all");
                } else {
                    sql.push_str(column);
                }
            }
            sql.push(')');
        }
        sql.push(' ');
        sql.push_str(self.after);
        sql
    }
}

/// The rows in pieces of the fixed sizes.
fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// The number that a `SELECT COUNT(*)` or `SUM` answers.
pub(super) fn number(row: &AnyRow) -> anyhow::Result<i64> {
    Ok(row.try_get(0)?)
}
