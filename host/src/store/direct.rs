//! The commit's own way into SQLite. A script runs on the thread that commits, and SQLite copies each value once, from where it lies:
//! through sqlx each would go to another thread in copies of its own, which costs more than the writing.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};

use super::rows::{Script, Value};

/// Each of the fifteen statements of a commit has a text for each of seven sizes of its list.
const PREPARED_MAX: usize = 128;

pub(super) struct Direct {
    path: String,
    pragmas: String,
    link: Mutex<Link>,
}

enum Link {
    Open(Connection),
    /// To be opened anew: closing the one before has ended its transaction.
    Lost,
    Closed,
}

impl Direct {
    /// Opens a file that is there.
    pub(super) fn open(path: &str, pragmas: &str) -> anyhow::Result<Self> {
        let link = Mutex::new(Link::Open(connect(path, pragmas)?));
        Ok(Self { path: path.into(), pragmas: pragmas.into(), link })
    }

    /// Runs the script as a transaction; an error has undone all of it. Whoever calls it may write: nobody else does meanwhile.
    pub(super) fn commit(&self, script: &Script<'_>) -> anyhow::Result<()> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Link::Lost = *link {
            *link = Link::Open(connect(&self.path, &self.pragmas)?);
        }
        let Link::Open(connection) = &mut *link else { bail!("the store is closed") };
        let done = run(connection, script);
        // Not even the ROLLBACK went well.
        if done.is_err() && !connection.is_autocommit() {
            *link = Link::Lost;
        }
        Ok(done?)
    }

    pub(super) fn close(&self) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Link::Closed;
    }
}

fn connect(path: &str, pragmas: &str) -> anyhow::Result<Connection> {
    // Only one thread at a time uses it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).with_context(|| format!("cannot open the SQLite file {path:?}"))?;
    connection.execute_batch(pragmas)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    Ok(connection)
}

fn run(connection: &mut Connection, script: &Script<'_>) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for statement in script.statements() {
        let mut prepared = tx.prepare_cached(&statement.sql)?;
        for (place, value) in statement.values.iter().enumerate() {
            prepared.raw_bind_parameter(place + 1, value)?;
        }
        prepared.raw_execute()?;
    }
    tx.commit()
}

/// Whether a row breaks a rule of its table, which is how a script finds out that its state was old.
pub(super) fn is_broken_rule(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<rusqlite::Error>();
    error.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::ConstraintViolation)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Text(text) => text.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Int(int) => int.map(ValueRef::Integer),
            Self::Bytes(bytes) => bytes.map(ValueRef::Blob),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use sqlx::{Row, any::AnyRow};

    use super::{
        super::{
            Store,
            database::Way,
            rows::{Column, Rows},
        },
        *,
    };

    const KEPT: Rows = Rows {
        text: "INSERT INTO kept (name, bytes, number) SELECT * FROM {rows} WHERE column1 IS NOT NULL",
        columns: &[Column::Text, Column::Bytes, Column::Int],
    };

    type Kept<'a> = (&'a str, Option<&'a [u8]>, Option<i64>);

    pub(in super::super) async fn store(folder: &tempfile::TempDir) -> Store {
        let store = Store::open(&format!("sqlite:{}", folder.path().join("test.db").display())).await.expect("opens");
        let table = "CREATE TABLE kept (name TEXT PRIMARY KEY, bytes BLOB, number INTEGER) WITHOUT ROWID";
        sqlx::query(table).execute(&store.writer).await.expect("a table");
        store
    }

    fn direct(store: &Store) -> &Direct {
        let Way::Direct(direct) = &store.way else { panic!("it is SQLite") };
        direct
    }

    pub(in super::super) fn names(store: &Store, names: &[&'static str]) -> Script<'static> {
        let mut script = Script::new(store.kind);
        add(&mut script, names);
        script
    }

    fn add(script: &mut Script<'_>, names: &[&'static str]) {
        script.add(&KEPT, names, |values, name| {
            values.text(*name);
            values.bytes(None);
            values.int(None);
        });
    }

    async fn kept(store: &Store) -> Vec<AnyRow> {
        sqlx::query("SELECT name, bytes, number FROM kept ORDER BY name").fetch_all(&store.reader).await.expect("rows")
    }

    #[tokio::test]
    async fn a_script_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let direct = direct(&store);
        direct.commit(&names(&store, &["b"])).expect("is written");
        let mut script = names(&store, &["a"]);
        add(&mut script, &["c", "b", "d"]);
        let error = direct.commit(&script).expect_err("there is a b");
        assert!(is_broken_rule(&error), "{error:#}");
        assert_eq!(kept(&store).await.len(), 1);
        direct.commit(&names(&store, &["a", "c"])).expect("is written");
        assert_eq!(kept(&store).await.len(), 3);
    }

    #[tokio::test]
    async fn values_are_what_they_are_through_sqlx() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let rows: [Kept<'_>; 4] = [
            ("", Some(b""), Some(0)),
            ("\0名", Some(b"\0\xff"), Some(i64::MIN)),
            ("n", None, None),
            ("x", Some(b"x"), Some(1)),
        ];
        let script = || {
            let mut script = Script::new(store.kind);
            script.add(&KEPT, &rows, |values, (name, bytes, number)| {
                values.text(*name);
                values.bytes(*bytes);
                values.int(*number);
            });
            script
        };
        let mut seen = Vec::new();
        for is_direct in [true, false] {
            if is_direct {
                direct(&store).commit(&script()).expect("is written");
            } else {
                let mut tx = store.begin().await.expect("a transaction");
                script().run(&mut tx).await.expect("is written");
                tx.commit().await.expect("is kept");
            }
            let rows = kept(&store).await;
            let read =
                |row: &AnyRow| -> (String, Option<Vec<u8>>, Option<i64>) { (row.get(0), row.get(1), row.get(2)) };
            seen.push(rows.iter().map(read).collect::<Vec<_>>());
            sqlx::query("DELETE FROM kept").execute(&store.writer).await.expect("is emptied");
        }
        let wanted: Vec<_> =
            rows.iter().map(|(name, bytes, number)| ((*name).to_owned(), bytes.map(<[u8]>::to_vec), *number)).collect();
        assert_eq!(seen, [wanted.clone(), wanted]);
    }

    #[tokio::test]
    async fn it_is_as_durable_as_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let link = direct(&store).link.lock().expect("nothing panicked");
        let Link::Open(connection) = &*link else { panic!("it is open") };
        for (pragma, wanted) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
            let sql = format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}");
            let found: String = connection.query_row(&sql, [], |row| row.get(0)).expect("a pragma");
            assert_eq!(found, wanted, "{pragma}");
        }
    }

    #[tokio::test]
    async fn a_transaction_that_cannot_be_undone_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let direct = direct(&store);
        let begin = "BEGIN IMMEDIATE; INSERT INTO kept (name) VALUES ('half')";
        match &*direct.link.lock().expect("nothing panicked") {
            Link::Open(connection) => connection.execute_batch(begin).expect("begins"),
            _ => panic!("it is open"),
        }
        direct.commit(&names(&store, &["a"])).expect_err("a transaction is open");
        direct.commit(&names(&store, &["b"])).expect("is written");
        assert_eq!(kept(&store).await.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>(), ["b"]);
    }

    #[tokio::test]
    async fn handlers_and_the_commit_take_turns() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let mut tx = store.begin().await.expect("a transaction");
        names(&store, &["handler"]).run(&mut tx).await.expect("is written");
        let committing = {
            let store = store.clone();
            tokio::spawn(async move { names(&store, &["commit"]).commit(&store).await })
        };
        // It waits for the turn, not for the lock of the file: that would hold this thread, and the handler never end.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!committing.is_finished());
        tx.commit().await.expect("is kept");
        committing.await.expect("ends").expect("is written");
        assert_eq!(kept(&store).await.len(), 2);
    }

    #[tokio::test]
    async fn a_closed_store_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        store.close().await;
        let error = direct(&store).commit(&names(&store, &["a"])).expect_err("it is closed");
        assert_eq!(error.to_string(), "the store is closed");
    }
}
