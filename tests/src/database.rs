//! Databases that are thrown away: a file, or a database of a PostgreSQL server that this process started.

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

/// A database of its own for one test.
pub struct Database {
    pub url: String,
    pub is_postgres: bool,
    _folder: Option<TempDir>,
}

impl Database {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("fairground.db").display());
        Self { url, is_postgres: false, _folder: Some(folder) }
    }

    /// Whether a host has made its tables here. (A PostgreSQL database is asked for by tests that open it.)
    pub fn was_opened(&self) -> bool {
        self.url.strip_prefix("sqlite:").is_none_or(|path| Path::new(path).exists())
    }

    /// None where no PostgreSQL is installed: said loudly, and in CI not put up with.
    pub async fn postgres() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Some(server) = Server::running() else {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL must be installed in CI");
            // Not by `eprintln!`, which the test runner keeps to itself.
            let line = "########  SKIPPED: no PostgreSQL is installed; this test runs on SQLite alone  ########\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server.url("postgres")).await.expect("the server answers");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(create).await.expect("a database");
        Some(Self { url: server.url(&name), is_postgres: true, _folder: None })
    }
}

/// One server for all tests of this process. It ends with the process, whatever way that ends.
struct Server {
    port: u16,
    _watchdog: Child,
}

impl Server {
    fn running() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        SERVER.get_or_init(|| programs().map(|programs| Self::start(&programs))).as_ref()
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn start(programs: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        // The shell ends the server, and removes its files, when this process's end of the pipe closes.
        let script = format!(
            r#"set -e
            data=$(mktemp -d /tmp/fairground-postgres.XXXXXX)
            as_user() {{ if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }}
            [ "$(id -u)" = 0 ] && chown postgres "$data"
            as_user {bin}/initdb -D "$data/db" -A trust -U postgres >/dev/null
            as_user {bin}/postgres -D "$data/db" -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="$data" \
                -c max_connections=400 -c logging_collector=off >"$data/log" 2>&1 &
            cat >/dev/null || true
            as_user {bin}/pg_ctl -D "$data/db" -m immediate -w stop >/dev/null 2>&1 || true
            rm -rf "$data""#,
            bin = programs.display(),
        );
        #[allow(clippy::zombie_processes, reason = "it outlives this process, to clean up after it")]
        let mut watchdog = Command::new("sh")
            .args(["-c", &script])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a shell");
        watchdog.stdin.as_mut().expect("a pipe").flush().expect("an open pipe");
        let ready = programs.join("pg_isready");
        for _ in 0..600 {
            let asked = Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
            if asked.is_ok_and(|status| status.success()) {
                return Self { port, _watchdog: watchdog };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start");
    }
}

/// Where PostgreSQL's programs are: Debian keeps them out of the PATH.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().or_else(|| on_path("initdb"))
}

/// The folder of the PATH that has a program.
fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| folder.join(program).exists())
}
