//! Connections: SQLite with one that writes at a time and a pool of readers, or PostgreSQL.

use std::{fs::OpenOptions, io::ErrorKind, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use moka::sync::Cache;
use sqlx::{
    AnyConnection, AnyPool, Connection, Executor, Row,
    any::AnyPoolOptions,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::domain::{id::Id, member::Member, rules::Rules};

use super::{direct::Direct, kept::Kept};

pub(super) type Transaction = sqlx::Transaction<'static, sqlx::Any>;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "begin", include_str!("../../migrations/0001_begin.sql")),
    (2, "purse and shop", include_str!("../../migrations/0002_purse_and_shop.sql")),
    (3, "people and news", include_str!("../../migrations/0003_people_and_news.sql")),
    (4, "pilots and endings", include_str!("../../migrations/0004_pilots_and_endings.sql")),
    (5, "coupons and editions", include_str!("../../migrations/0005_coupons_and_editions.sql")),
    (6, "what comes back", include_str!("../../migrations/0006_what_comes_back.sql")),
    (7, "keys in time", include_str!("../../migrations/0007_keys_in_time.sql")),
];

/// Older ones can lose committed writes of the WAL (a race in 3.7.0 to 3.51.2).
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// Reads of handlers and of guests that miss the cache; each SQLite reader is a thread.
const READERS_MAX: u32 = 8;

/// PostgreSQL's default of 100 connections serves several hosts.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;

/// How long another host's change of a member or of a community's rules may go unseen. A change made through this host is seen at
/// once.
const CACHE_TTL: Duration = Duration::from_secs(2);

/// About 100 MB of members.
const MEMBER_CACHE_MAX: u64 = 200_000;

const RULES_CACHE_MAX: u64 = 1_000;

/// SQLite waits this long for another process, such as a backup, to let go of the file.
const SQLITE_BUSY_MS: u32 = 5_000;

/// The WAL is folded back once it has this many pages of 4 KiB; the default of 1 000 would do so many times a second under load.
const SQLITE_CHECKPOINT_PAGES: u32 = 8_000;

/// A commit that was answered is on disk, and a host that hangs keeps no rows locked.
const POSTGRES_SETTINGS: &str = "SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '30s'";

/// A deferred transaction that reads and then writes fails at once when another writer was faster.
const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// How the commit writes: into SQLite, or to PostgreSQL. A store that is only looked at has the second, and nobody calls it.
#[derive(Clone)]
pub(super) enum Way {
    Direct(Arc<Direct>),
    Kept(Arc<Kept>),
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    pub(super) reader: AnyPool,
    /// Of SQLite a single connection: whoever holds it may write, in the order asked.
    pub(super) writer: AnyPool,
    pub(super) way: Way,
    pub(super) kind: Kind,
    pub(super) members: Cache<(Id, Id), Option<Member>>,
    pub(super) rules: Cache<Id, Arc<Rules>>,
}

impl Store {
    /// Opens `sqlite:PATH` (made if it is missing) or `postgres://…` and brings its tables up to date.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let members = Cache::builder().max_capacity(MEMBER_CACHE_MAX).time_to_live(CACHE_TTL).build();
        let rules = Cache::builder().max_capacity(RULES_CACHE_MAX).time_to_live(CACHE_TTL).build();
        let (reader, writer, way, kind) = if let Some(path) = sqlite_path(url)? {
            let (reader, writer) = open_sqlite(path).await?;
            let direct = Direct::open(path, &sqlite_pragmas(false))?;
            (reader, writer, Way::Direct(Arc::new(direct)), Kind::Sqlite)
        } else {
            let pool = postgres_pool(url).await?;
            migrate(&pool, Kind::Postgres).await?;
            (pool.clone(), pool.clone(), Way::Kept(Arc::new(Kept::of(pool))), Kind::Postgres)
        };
        Ok(Self { reader, writer, way, kind, members, rules })
    }

    /// Opens a database that is there, only to look at it.
    pub(crate) async fn look(url: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let (pool, kind) = if let Some(path) = sqlite_path(url)? {
            ensure!(Path::new(path).exists(), "there is no SQLite file {path:?}");
            (sqlite_pool(path, 1, true).await?, Kind::Sqlite)
        } else {
            (postgres_pool(url).await?, Kind::Postgres)
        };
        let known = sqlx::query("SELECT COUNT(*) FROM _sqlx_migrations").fetch_one(&pool).await;
        let known = known.ok().and_then(|row| row.try_get::<i64, _>(0).ok()).unwrap_or_default();
        ensure!(
            known == MIGRATIONS.len() as i64,
            "its tables are of another version ({known} instead of {}): start a host of this version on it first",
            MIGRATIONS.len()
        );
        let (members, rules) = (Cache::builder().max_capacity(0).build(), Cache::builder().max_capacity(0).build());
        let way = Way::Kept(Arc::new(Kept::of(pool.clone())));
        Ok(Self { reader: pool.clone(), writer: pool, way, kind, members, rules })
    }

    /// Begins a write. Never call it in a future that may be dropped: sqlx 0.9.0 would hand the open transaction to the next
    /// borrower of the connection. Handlers and the committer run in tasks of their own for that reason.
    pub(super) async fn begin(&self) -> anyhow::Result<Transaction> {
        let begin = match self.kind {
            Kind::Sqlite => BEGIN_SQLITE,
            Kind::Postgres => "BEGIN",
        };
        Ok(self.writer.begin_with(begin).await?)
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> anyhow::Result<()> {
        sqlx::query("SELECT 1").fetch_one(&self.reader).await?;
        Ok(())
    }

    /// Waits for whatever is being written.
    pub(crate) async fn close(&self) {
        match &self.way {
            Way::Direct(direct) => {
                let direct = direct.clone();
                let _ = tokio::task::spawn_blocking(move || direct.close()).await;
            }
            Way::Kept(kept) => kept.close().await,
        }
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// The file of `sqlite:PATH`; none where the database is another.
fn sqlite_path(url: &str) -> anyhow::Result<Option<&str>> {
    let Some(path) = url.strip_prefix("sqlite:").and_then(|path| path.split('?').next()) else { return Ok(None) };
    let path = path.strip_prefix("//").unwrap_or(path);
    // One in memory would forget what was acknowledged.
    ensure!(!path.is_empty() && path != ":memory:", "a database is sqlite:PATH, the path of a file, not {url:?}");
    Ok(Some(path))
}

async fn open_sqlite(path: &str) -> anyhow::Result<(AnyPool, AnyPool)> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    make_private(path).with_context(|| format!("cannot make the SQLite file {path:?}"))?;
    let writer = sqlite_pool(path, 1, false).await?;
    let version: String = sqlx::query("SELECT sqlite_version()").fetch_one(&writer).await?.try_get(0)?;
    if sqlite_version(&version).is_none_or(|version| version < SQLITE_VERSION_MIN) {
        bail!("SQLite {version} can lose committed writes; {SQLITE_VERSION_MIN:?} or later is needed");
    }
    migrate(&writer, Kind::Sqlite).await?;
    let reader = sqlite_pool(path, READERS_MAX, true).await?;
    Ok((reader, writer))
}

fn sqlite_pragmas(read_only: bool) -> String {
    format!(
        "PRAGMA busy_timeout = {SQLITE_BUSY_MS};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES};
         PRAGMA query_only = {};",
        i32::from(read_only),
    )
}

/// Makes the file where it is missing, for its owner alone: it has secrets in it, and the seeds of draws to come.
fn make_private(path: &str) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn sqlite_pool(path: &str, connections: u32, read_only: bool) -> anyhow::Result<AnyPool> {
    let pragmas: &'static str = sqlite_pragmas(read_only).leak();
    // A path is what it says, and sqlx would read an address in it.
    let url = format!("sqlite:{}?mode=rw", path.replace('%', "%25").replace('#', "%23"));
    probe(&url, pragmas).await.with_context(|| format!("cannot open the SQLite file {path:?}"))?;
    AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(async move { connection.execute(pragmas).await.map(drop) }))
        // A COMMIT that failed leaves sqlx counting a transaction that SQLite has ended: such a connection takes no other.
        .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .connect(&url)
        .await
        .with_context(|| format!("cannot open the SQLite file {path:?}"))
}

/// Connects once, alone, and says what is wrong: a pool would try again and again, and then say how long that took.
async fn probe(url: &str, settings: &'static str) -> sqlx::Result<()> {
    let mut connection = AnyConnection::connect(url).await?;
    connection.execute(settings).await?;
    connection.close().await
}

fn sqlite_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

async fn postgres_pool(url: &str) -> anyhow::Result<AnyPool> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        bail!("a database is sqlite:PATH or postgres://USER@HOST/NAME, not {url:?}");
    }
    probe(url, POSTGRES_SETTINGS).await.context("cannot connect to PostgreSQL")?;
    AnyPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS_MAX)
        .min_connections(1)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(POSTGRES_SETTINGS).await.map(drop) }))
        .connect(url)
        .await
        .context("cannot connect to PostgreSQL")
}

/// Runs the migrations that are missing; a database of a newer host is refused.
async fn migrate(pool: &AnyPool, kind: Kind) -> anyhow::Result<()> {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            let sql = match kind {
                Kind::Sqlite => sql.replace("--sqlite ", ""),
                // Byte order, as in SQLite: a listing has the same order on both, whatever locale the database was made with.
                Kind::Postgres => sql.replace("--postgres ", "").replace(" TEXT", " TEXT COLLATE \"C\""),
            };
            let sql = sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(sql));
            Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
        })
        .collect();
    Migrator::with_migrations(migrations).run(pool).await.context("cannot bring the database's tables up to date")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_loses_writes_is_known_by_its_version() {
        assert!(sqlite_version("3.51.3").is_some_and(|version| version >= SQLITE_VERSION_MIN));
        assert!(sqlite_version("3.51.2").is_some_and(|version| version < SQLITE_VERSION_MIN));
        assert!(sqlite_version("3.9.99").is_some_and(|version| version < SQLITE_VERSION_MIN));
        assert_eq!(sqlite_version("three"), None);
    }

    #[tokio::test]
    async fn what_cannot_be_opened_says_why_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("noise.db");
        std::fs::write(&path, [7; 5_000]).expect("is written");
        for (url, why) in [
            (format!("sqlite:{}", path.display()), "file is not a database"),
            ("sqlite:".into(), "the path of a file"),
            ("sqlite::memory:".into(), "the path of a file"),
            ("postgres://nobody@127.0.0.1:1/none".into(), "refused"),
            ("mysql://x".into(), "a database is sqlite:PATH or postgres://"),
        ] {
            let error = Store::open(&url).await.err().expect("it cannot be opened");
            assert!(format!("{error:#}").contains(why), "{url}: {error:#}");
        }
    }

    #[tokio::test]
    async fn a_new_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test.db");
        let _store = Store::open(&format!("sqlite:{}", path.display())).await.expect("opens");
        for name in ["test.db", "test.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn a_path_is_what_it_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a b%20c#d/名 100%.db");
        Store::open(&format!("sqlite:{}", path.display())).await.expect("opens");
        assert!(path.exists());
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[tokio::test]
    async fn the_bundled_sqlite_is_safe_and_its_settings_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            Store::open(&format!("sqlite:{}", folder.path().join("new/test.db").display())).await.expect("opens");
        for (pragma, wanted) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
            let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}")))
                .fetch_one(&store.writer)
                .await
                .expect("a pragma");
            assert_eq!(row.try_get::<String, _>(0).expect("text"), wanted, "{pragma}");
        }
    }
}
