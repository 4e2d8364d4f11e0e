//! More members than anybody would put by hand.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

use crate::database::Database;

/// A SQL text that numbers rows: `n(i)` from 0.
pub fn numbers(count: u32) -> String {
    format!("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {})", count - 1)
}

/// Puts members `m0`, `m1` … into the town of a host that has stopped.
pub async fn settle(database: &Database, count: u32) {
    let members = numbers(count);
    execute(
        database,
        format!(
            "INSERT INTO members (community, id, status, tier, tags, clusters, time_zone, registered_at)
             {members} SELECT 'town', 'm' || i, 'active', 'ordinary', '[]', '[]', 'Asia/Shanghai', 0 FROM n"
        ),
    )
    .await;
}

/// Runs a statement of the test's own.
pub async fn execute(database: &Database, statement: String) {
    let statement = AssertSqlSafe(statement);
    if database.is_postgres {
        let mut connection = PgConnection::connect(&database.url).await.expect("the server answers");
        connection.execute(statement).await.expect("rows");
    } else {
        let mut connection = SqliteConnection::connect(&database.url).await.expect("the file is there");
        connection.execute(statement).await.expect("rows");
    }
}
