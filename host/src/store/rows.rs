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
const SIZES: [usize; 4] = [64, 16, 4, 1];

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
    /// Runs the statement over all rows; answers what it returns, if it returns anything.
    pub(super) async fn run<T>(
        &self,
        tx: &mut Transaction,
        mut rows: &[T],
        bind: impl for<'q> Fn(Statement<'q>, &'q T) -> Statement<'q>,
    ) -> anyhow::Result<Vec<AnyRow>> {
        let mut returned = Vec::new();
        // SQLite looks a numbered parameter up by its name, which takes the longer the more there are.
        let numbered = tx.backend_name() != "SQLite";
        for size in SIZES {
            while rows.len() >= size {
                let (chunk, rest) = rows.split_at(size);
                rows = rest;
                let mut statement = sqlx::query(self.text(size, numbered));
                for row in chunk {
                    statement = bind(statement, row);
                }
                if self.after.contains("RETURNING") {
                    returned.extend(statement.fetch_all(&mut **tx).await?);
                } else {
                    statement.execute(&mut **tx).await?;
                }
            }
        }
        Ok(returned)
    }

    fn text(&self, size: usize, numbered: bool) -> SqlStr {
        static TEXTS: LazyLock<Texts> = LazyLock::new(Mutex::default);
        let mut texts = TEXTS.lock().expect("nothing panics while it is locked");
        let text = || AssertSqlSafe(self.build(size, numbered)).into_sql_str();
        texts.entry((self.before, size, numbered)).or_insert_with(text).clone()
    }

    fn build(&self, size: usize, numbered: bool) -> String {
        let mut sql = format!("{} VALUES ", self.before);
        let mut parameter = 0;
        for row in 0..size {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for (index, column) in self.columns.iter().enumerate() {
                parameter += 1;
                if index > 0 {
                    sql.push_str(", ");
                }
                if numbered {
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

/// The number that a `SELECT COUNT(*)` or `SUM` answers.
pub(super) fn number(row: &AnyRow) -> anyhow::Result<i64> {
    Ok(row.try_get(0)?)
}
