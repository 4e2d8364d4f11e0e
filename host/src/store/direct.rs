//! The commit's own way into SQLite. A script runs on the thread that commits, and SQLite takes its values from where they lie: through
//! sqlx each of them would be copied three times on its way to another thread, which costs as much as the writing itself.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rusqlite::{
    Connection, ToSql, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};
use tokio::sync::OwnedMutexGuard;

use super::rows::{Script, Value};

/// A text for each size of list of each table that calls write.
const PREPARED_MAX: usize = 256;

pub(super) struct Direct {
    /// Open until the store is closed.
    connection: Mutex<Option<Connection>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Direct {
    /// Opens a file that is there.
    pub(super) fn open(path: &str, pragmas: &str) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(pragmas)?;
        connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
        Ok(Self { connection: Mutex::new(Some(connection)), turn: Arc::default() })
    }

    /// The right to write, in the order asked. Without it the commit and the handlers' transactions would find the file locked by one
    /// another, and look again and again.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// Runs the script as a transaction; an error has undone all of it.
    pub(super) fn commit(&self, script: &Script<'_>) -> anyhow::Result<()> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = connection.as_mut().context("the store is closed")?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for statement in script.statements() {
            let mut prepared = tx.prepare_cached(&statement.sql)?;
            for (place, value) in statement.values().iter().enumerate() {
                prepared.raw_bind_parameter(place + 1, value)?;
            }
            prepared.raw_execute()?;
        }
        Ok(tx.commit()?)
    }

    pub(super) fn close(&self) {
        drop(self.connection.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
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
