//! Statements over lists of rows, and scripts of them.
//!
//! A list is filled up with rows of nothing to one of a few sizes, so that a database prepares few texts. Within a transaction of
//! sqlx SQLite gets a whole script at once: its connection is a thread, and each way there and back costs more than a statement does.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::{
    Any, AnyConnection, Arguments, AssertSqlSafe, Executor, Row,
    any::{AnyArguments, AnyRow},
};

use crate::domain::activity::ActivityId;

use super::{
    columns::word,
    database::{Kind, Store, Way},
};

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

/// A value of a row; most are lent by what is written.
pub(super) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Int(Option<i64>),
    Bytes(Option<&'a [u8]>),
}

/// Takes the values of a row, column by column.
pub(super) struct Values<'a>(Vec<Value<'a>>);

impl<'a> Values<'a> {
    /// The two columns that every key of an activity's own begins with.
    pub(super) fn activity(&mut self, id: &'a ActivityId) {
        self.text(id.community.as_str());
        self.text(id.activity.as_str());
    }

    pub(super) fn text(&mut self, value: impl Into<Option<&'a str>>) {
        self.0.push(Value::Text(value.into().map(Cow::Borrowed)));
    }

    /// A text that was made for the row.
    pub(super) fn made(&mut self, value: impl Into<Option<String>>) {
        self.0.push(Value::Text(value.into().map(Cow::Owned)));
    }

    /// A unit variant by its name.
    pub(super) fn word(&mut self, value: impl Serialize) {
        self.made(word(value));
    }

    pub(super) fn int(&mut self, value: impl Into<Option<i64>>) {
        self.0.push(Value::Int(value.into()));
    }

    pub(super) fn bytes(&mut self, value: impl Into<Option<&'a [u8]>>) {
        self.0.push(Value::Bytes(value.into()));
    }
}

/// Statements that are run one after another.
pub(super) struct Script<'a> {
    kind: Kind,
    statements: Vec<Statement<'a>>,
}

/// A statement over a list that is filled up.
pub(super) struct Statement<'a> {
    pub sql: Arc<str>,
    pub values: Vec<Value<'a>>,
}

impl<'a> Script<'a> {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, statements: Vec::new() }
    }

    pub(super) fn statements(&self) -> &[Statement<'a>] {
        &self.statements
    }

    /// Adds a statement over these rows.
    pub(super) fn add<T>(&mut self, rows: &Rows, all: &[T], row: impl Fn(&mut Values<'a>, &T)) {
        for chunk in all.chunks(SIZE_MAX) {
            let size = chunk.len().next_power_of_two();
            let mut values = Values(Vec::with_capacity(size * rows.columns.len()));
            chunk.iter().for_each(|item| row(&mut values, item));
            debug_assert_eq!(values.0.len(), chunk.len() * rows.columns.len(), "{}", rows.text);
            for column in rows.columns.iter().cycle().take((size - chunk.len()) * rows.columns.len()) {
                values.0.push(match column {
                    Column::Text => Value::Text(None),
                    Column::Int => Value::Int(None),
                    Column::Bytes => Value::Bytes(None),
                });
            }
            self.statements.push(Statement { sql: text(rows, size, self.kind), values: values.0 });
        }
    }

    /// Runs the script in a transaction; answers what it returns.
    pub(super) async fn run(self, tx: &mut AnyConnection) -> sqlx::Result<Vec<AnyRow>> {
        let mut returned = Vec::new();
        if self.statements.is_empty() {
            return Ok(returned);
        }
        if self.kind == Kind::Sqlite {
            let sql = self.statements.iter().fold(String::new(), |sql, statement| sql + &statement.sql + ";");
            let values = self.statements.into_iter().flat_map(|statement| statement.values);
            return fetch(tx, sql, arguments(values)).await;
        }
        for Statement { sql, values } in self.statements {
            returned.extend(fetch(tx, sql.as_ref().into(), arguments(values)).await?);
        }
        Ok(returned)
    }

    /// Runs the script as a transaction of its own; an error has undone all of it. Never call it in a future that may be dropped,
    /// nor on a thread that others wait for: with SQLite it waits for the disk.
    pub(super) async fn commit(self, store: &Store) -> anyhow::Result<()> {
        match &store.way {
            Way::Direct(direct) => {
                let _turn = store.writer.acquire().await?;
                direct.commit(&self)
            }
            Way::Kept(kept) => kept.commit(self).await,
        }
    }
}

fn arguments<'a>(values: impl IntoIterator<Item = Value<'a>>) -> AnyArguments {
    let mut arguments = AnyArguments::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text.map(Cow::into_owned)),
            Value::Int(int) => arguments.add(int),
            Value::Bytes(bytes) => arguments.add(bytes),
        };
        added.expect("texts, numbers and bytes are values");
    }
    arguments
}

async fn fetch(connection: &mut AnyConnection, sql: String, arguments: AnyArguments) -> sqlx::Result<Vec<AnyRow>> {
    // A connection keeps a hundred texts prepared; large ones are rare, and would take megabytes each.
    let is_kept = sql.len() <= KEPT_TEXT_BYTES_MAX;
    let query = sqlx::query_with::<Any, _>(AssertSqlSafe(sql), arguments).persistent(is_kept);
    let mut steps = connection.fetch_many(query);
    let mut returned = Vec::new();
    while let Some(step) = steps.try_next().await? {
        returned.extend(step.right());
    }
    Ok(returned)
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
    let sql = rows.text.replace("{rows}", &format!("(VALUES {}) AS rows", list.join(", ")));
    match (kind, sql.strip_prefix("INSERT INTO")) {
        // A script that fails is undone as a whole, so SQLite need not keep each page that an insert touches as it was before.
        (Kind::Sqlite, Some(rest)) => format!("INSERT OR FAIL INTO{rest}"),
        _ => sql,
    }
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
        let insert = Rows { text: "INSERT INTO t SELECT * FROM {rows}", columns: &[Column::Int] };
        assert_eq!(build(&insert, 1, Kind::Sqlite), "INSERT OR FAIL INTO t SELECT * FROM (VALUES (?)) AS rows");
        assert_eq!(build(&insert, 1, Kind::Postgres), "INSERT INTO t SELECT * FROM (VALUES ($1)) AS rows");
    }

    #[test]
    fn a_list_is_filled_up_and_a_long_one_split() {
        for (rows, sizes) in [(0, vec![]), (1, vec![1]), (3, vec![4]), (64, vec![64]), (70, vec![64, 8])] {
            let mut script = Script::new(Kind::Postgres);
            script.add(&KNOWN, &vec![(); rows], |values, ()| {
                values.text("x");
                values.int(1);
            });
            let filled: Vec<usize> = script.statements.iter().map(|statement| statement.values.len() / 2).collect();
            assert_eq!(filled, sizes, "{rows} rows");
        }
    }
}
