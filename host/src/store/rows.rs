//! Statements over lists of rows, and scripts of them.
//!
//! A list is filled up with rows of nothing to one of a few sizes, so that a database prepares few texts. SQLite gets a whole
//! script at once: its connection is a thread, and each way there and back costs more than a statement does.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use futures_util::TryStreamExt;
use sqlx::{Any, AnyConnection, Arguments, AssertSqlSafe, Executor, Row, any::AnyArguments, any::AnyRow};

use crate::domain::activity::ActivityId;

use super::database::{BEGIN_SQLITE, Kind, Store, Transaction};

/// Rows of one statement. 64 rows of 13 columns stay far below the limits of 32 766 (SQLite) and 65 535 (PostgreSQL) parameters.
const SIZE_MAX: usize = 64;

/// A text that is longer is prepared anew each time. A full list of each of the usual three tables takes about 6 KiB.
const KEPT_TEXT_BYTES_MAX: usize = 16 << 10;

/// A statement over a list of rows.
pub(super) struct Rows {
    /// Has `{rows}` where the list goes: its columns are `rows.column1`, `rows.column2` and so on. What fills it up has NULL in
    /// the first column.
    pub text: &'static str,
    pub columns: &'static [Column],
}

/// What a column holds.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Text,
    Int,
    Bytes,
}

/// Takes the values of a row, column by column.
#[derive(Default)]
pub(super) struct Values(AnyArguments);

impl Values {
    /// The two columns that every key of an activity's own begins with.
    pub(super) fn activity(&mut self, id: &ActivityId) {
        self.text(id.community.as_str());
        self.text(id.activity.as_str());
    }

    pub(super) fn text<'q>(&mut self, value: impl Into<Option<&'q str>>) {
        self.0.add(value.into()).expect("a text is a value");
    }

    pub(super) fn int(&mut self, value: impl Into<Option<i64>>) {
        self.0.add(value.into()).expect("a number is a value");
    }

    pub(super) fn bytes<'q>(&mut self, value: impl Into<Option<&'q [u8]>>) {
        self.0.add(value.into()).expect("bytes are a value");
    }
}

/// Statements that are run one after another.
pub(super) struct Script {
    kind: Kind,
    texts: Vec<Text>,
}

/// What the database is given at once: one statement, or a whole script.
#[derive(Default)]
struct Text {
    sql: String,
    values: Values,
}

impl Script {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, texts: Vec::new() }
    }

    /// Adds a statement over these rows.
    pub(super) fn add<T>(&mut self, rows: &Rows, all: &[T], row: impl Fn(&mut Values, &T)) {
        for chunk in all.chunks(SIZE_MAX) {
            let size = chunk.len().next_power_of_two();
            if self.kind == Kind::Postgres || self.texts.is_empty() {
                self.texts.push(Text::default());
            }
            let Text { sql, values } = self.texts.last_mut().expect("there is one by now");
            sql.push_str(&text(rows, size, self.kind));
            sql.push(';');
            values.0.reserve(size * rows.columns.len(), 0);
            chunk.iter().for_each(|item| row(values, item));
            for column in rows.columns.iter().cycle().take((size - chunk.len()) * rows.columns.len()) {
                match column {
                    Column::Text => values.text(None),
                    Column::Int => values.int(None),
                    Column::Bytes => values.bytes(None),
                }
            }
        }
    }

    /// Runs the script in a transaction; answers what it returns.
    pub(super) async fn run(self, tx: &mut Transaction) -> sqlx::Result<Vec<AnyRow>> {
        let mut returned = Vec::new();
        for text in self.texts {
            returned.extend(text.run(tx).await?);
        }
        Ok(returned)
    }

    /// Runs the script as a transaction of its own; an error has undone all of it. Never call it in a future that may be dropped.
    pub(super) async fn commit(self, store: &Store) -> anyhow::Result<()> {
        if self.kind == Kind::Postgres {
            let mut tx = store.begin().await?;
            self.run(&mut tx).await?;
            return Ok(tx.commit().await?);
        }
        let mut connection = store.writer.acquire().await?;
        for Text { sql, values } in self.texts {
            let whole = Text { sql: format!("{BEGIN_SQLITE};{sql}COMMIT"), values };
            if let Err(error) = whole.run(&mut connection).await {
                if let Err(error) = connection.execute("ROLLBACK").await {
                    // Closed rather than given back: nobody borrows an open transaction.
                    connection.close_on_drop();
                    tracing::warn!(%error, "a transaction could not be rolled back");
                }
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Text {
    async fn run(self, connection: &mut AnyConnection) -> sqlx::Result<Vec<AnyRow>> {
        // A connection keeps a hundred texts prepared; large ones are rare, and would take megabytes each.
        let is_kept = self.sql.len() <= KEPT_TEXT_BYTES_MAX;
        let query = sqlx::query_with::<Any, _>(AssertSqlSafe(self.sql), self.values.0).persistent(is_kept);
        let mut steps = connection.fetch_many(query);
        let mut returned = Vec::new();
        while let Some(step) = steps.try_next().await? {
            returned.extend(step.right());
        }
        Ok(returned)
    }
}

/// By the statement and its number of rows.
type Texts = Mutex<HashMap<(&'static str, usize, Kind), Arc<str>>>;

fn text(rows: &Rows, size: usize, kind: Kind) -> Arc<str> {
    static TEXTS: LazyLock<Texts> = LazyLock::new(Mutex::default);
    let mut texts = TEXTS.lock().expect("nothing panics while it is locked");
    texts.entry((rows.text, size, kind)).or_insert_with(|| build(rows, size, kind).into()).clone()
}

fn build(rows: &Rows, size: usize, kind: Kind) -> String {
    let width = rows.columns.len();
    // SQLite looks a numbered parameter up by its name, which takes the longer the more there are.
    let parameter = |number: usize| if kind == Kind::Sqlite { "?".into() } else { format!("${number}") };
    let row = |row: usize| {
        let parameters: Vec<String> = (1..=width).map(|column| parameter(row * width + column)).collect();
        format!("({})", parameters.join(", "))
    };
    let list: Vec<String> = (0..size).map(row).collect();
    rows.text.replace("{rows}", &format!("(VALUES {}) AS rows", list.join(", ")))
}

/// The number that a `SELECT COUNT(*)` or `SUM` answers.
pub(super) fn number(row: &AnyRow) -> anyhow::Result<i64> {
    Ok(row.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    static KNOWN: Rows =
        Rows { text: "SELECT * FROM {rows} WHERE column1 IS NOT NULL", columns: &[Column::Text, Column::Int] };

    #[test]
    fn a_list_is_written_out_for_each_database() {
        assert_eq!(
            build(&KNOWN, 2, Kind::Sqlite),
            "SELECT * FROM (VALUES (?, ?), (?, ?)) AS rows WHERE column1 IS NOT NULL"
        );
        assert_eq!(
            build(&KNOWN, 1, Kind::Postgres),
            "SELECT * FROM (VALUES ($1, $2)) AS rows WHERE column1 IS NOT NULL"
        );
    }

    #[test]
    fn a_list_is_filled_up_and_a_long_one_split() {
        for (rows, sizes) in [(0, vec![]), (1, vec![1]), (3, vec![4]), (64, vec![64]), (70, vec![64, 8])] {
            let mut script = Script::new(Kind::Postgres);
            script.add(&KNOWN, &vec![(); rows], |values, ()| {
                values.text("x");
                values.int(1);
            });
            let filled: Vec<usize> = script.texts.iter().map(|text| text.values.0.len() / 2).collect();
            assert_eq!(filled, sizes, "{rows} rows");
        }
    }
}
