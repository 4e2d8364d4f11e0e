-- One text for both databases. Every key begins with the community or the activity, so that a distributed PostgreSQL can
-- shard by it. Instants are UTC milliseconds, flags 0 or 1, JSON is text, and `seq` is the journal number of the call that
-- wrote the row last. A line that begins with `--sqlite` is read by SQLite alone (store/database.rs).

-- Secrets and facts of the installation itself.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Operator and app keys. The secret itself is shown once and never stored.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    community TEXT,
    secret_sha256 TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE TABLE communities (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE members (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    status TEXT NOT NULL,
    tier TEXT NOT NULL,
    tags TEXT NOT NULL,
    clusters TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    channel TEXT,
    registered_at BIGINT NOT NULL,
    first_order_at BIGINT,
    inviter TEXT,
    inviter_source TEXT,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX members_by_inviter ON members (community, inviter);

CREATE TABLE groups (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    region TEXT,
    capacity BIGINT NOT NULL,
    rules_version BIGINT NOT NULL,
    parent TEXT,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;

CREATE TABLE group_members (
    community TEXT NOT NULL,
    group_id TEXT NOT NULL,
    member TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    invited_by TEXT,
    rules_accepted_version BIGINT NOT NULL,
    PRIMARY KEY (community, group_id, member)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX group_members_by_member ON group_members (community, member);

-- Always: 0 <= held, 0 <= captured, held + captured <= limit_minor, grants <= max_grants.
CREATE TABLE budgets (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    limit_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    max_grants BIGINT,
    per_member_grants BIGINT,
    refundable BIGINT NOT NULL,
    held_minor BIGINT NOT NULL DEFAULT 0,
    captured_minor BIGINT NOT NULL DEFAULT 0,
    grants BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (community, id),
    CHECK (held_minor >= 0 AND captured_minor >= 0 AND held_minor + captured_minor <= limit_minor),
    CHECK (grants >= 0 AND (max_grants IS NULL OR grants <= max_grants))
)
--sqlite WITHOUT ROWID
;

CREATE TABLE budget_members (
    community TEXT NOT NULL,
    budget TEXT NOT NULL,
    member TEXT NOT NULL,
    grants BIGINT NOT NULL CHECK (grants >= 0),
    PRIMARY KEY (community, budget, member)
)
--sqlite WITHOUT ROWID
;

CREATE TABLE point_balances (
    community TEXT NOT NULL,
    member TEXT NOT NULL,
    account TEXT NOT NULL,
    balance BIGINT NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (community, member, account)
)
--sqlite WITHOUT ROWID
;

-- Plugins' bytes, by their SHA-256.
CREATE TABLE components (
    digest TEXT NOT NULL PRIMARY KEY,
    bytes BYTEA NOT NULL
);

-- A version is immutable; only its state and its grant change.
CREATE TABLE plugins (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES components (digest),
    state TEXT NOT NULL,
    capabilities TEXT NOT NULL,
    granted TEXT NOT NULL,
    manifest TEXT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

-- What an activity is; only its plugin version changes after creation.
CREATE TABLE activities (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    plugin TEXT NOT NULL,
    version TEXT NOT NULL,
    config TEXT NOT NULL,
    config_version BIGINT NOT NULL,
    scope TEXT NOT NULL,
    offers TEXT NOT NULL,
    budget TEXT,
    starts_at BIGINT,
    ends_at BIGINT,
    seed TEXT NOT NULL,
    report TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX activities_by_plugin ON activities (plugin, version);

-- Where an activity is: narrow, because every commit moves it.
CREATE TABLE activity_heads (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    seq BIGINT NOT NULL,
    lifecycle TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    now BIGINT NOT NULL,
    stored_bytes BIGINT NOT NULL,
    PRIMARY KEY (community, activity)
)
--sqlite WITHOUT ROWID
;

-- Every call that was answered, in order; it also answers retries. Append-only.
CREATE TABLE journal (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    name TEXT NOT NULL,
    idempotency_key TEXT,
    input TEXT NOT NULL,
    now BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    facts TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (community, activity, seq)
)
--sqlite WITHOUT ROWID
;
CREATE UNIQUE INDEX journal_by_key ON journal (community, activity, actor, name, idempotency_key);

-- The activity's own memory. A deleted key stays as a row without a value, so that other hosts catch up by `seq`.
CREATE TABLE entries (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    value BYTEA,
    version BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (community, activity, key)
)
--sqlite WITHOUT ROWID
;

-- Entries of boards. A removed one stays as a row without a score.
CREATE TABLE board_entries (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    board TEXT NOT NULL,
    key BYTEA NOT NULL,
    score BIGINT,
    reached_at BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (community, activity, board, key)
)
--sqlite WITHOUT ROWID
;

CREATE TABLE timers (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    due BIGINT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (community, activity, key)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX timers_by_due ON timers (due);

CREATE TABLE holds (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    offer TEXT NOT NULL,
    beneficiary TEXT NOT NULL,
    cost_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (community, activity, key)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX holds_by_beneficiary ON holds (community, beneficiary, activity);

-- Effects for the outside world, written in the commit of the call that had them.
CREATE TABLE outbox (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    seq BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    kind TEXT NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (community, activity, seq, ordinal)
)
--sqlite WITHOUT ROWID
;
