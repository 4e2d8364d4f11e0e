-- The ledger, stock, coupons, cash, orders, and what goes to and comes from the world outside.
-- A line that begins with `--postgres` is read by PostgreSQL alone.

-- Every movement of money and points: `amount` of `asset` goes from the account `debit` to the account `credit`, so that
-- each asset always sums to nothing. An asset is a currency (`CNY`) or `points/ACCOUNT`. `seq` is the journal number of the
-- call that moved it; where no activity did, `activity` is empty and `seq` counts the community's own transfers.
CREATE TABLE ledger (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    seq BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    asset TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    reference TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (community, activity, seq, ordinal),
    CHECK (debit <> credit)
)
--sqlite WITHOUT ROWID
;

ALTER TABLE communities ADD COLUMN transfers BIGINT NOT NULL DEFAULT 0;

-- When a timer comes again, where it does.
ALTER TABLE timers ADD COLUMN calendar TEXT;

-- What was granted before there was a ledger opens it.
INSERT INTO ledger (community, activity, seq, ordinal, asset, debit, credit, amount, reference, at)
SELECT community, '', 0, ROW_NUMBER() OVER (PARTITION BY community ORDER BY asset, credit), asset, debit, credit, amount, 'opening', 0
FROM (
    SELECT community, currency AS asset, 'operator' AS debit, 'budget/' || id || '/available' AS credit,
           limit_minor - held_minor - captured_minor AS amount FROM budgets
    UNION ALL SELECT community, currency, 'operator', 'budget/' || id || '/held', held_minor FROM budgets
    UNION ALL SELECT community, currency, 'operator', 'budget/' || id || '/captured', captured_minor FROM budgets
    UNION ALL SELECT community, 'points/' || account, 'issuer', 'member/' || member, balance FROM point_balances
) AS opening WHERE amount > 0;

-- What was done is never done otherwise afterwards.
--sqlite CREATE TRIGGER ledger_keeps_rows BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
--sqlite CREATE TRIGGER ledger_loses_no_row BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
--sqlite CREATE TRIGGER journal_keeps_rows BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
--sqlite CREATE TRIGGER journal_loses_no_row BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
--postgres CREATE FUNCTION append_only() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the % is append-only', TG_TABLE_NAME; END $$;
--postgres CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--postgres CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Points that expire, by the reward that earned them. What is left of them is part of the balance; the oldest are spent first.
CREATE TABLE point_batches (
    community TEXT NOT NULL,
    member TEXT NOT NULL,
    account TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    remaining BIGINT NOT NULL CHECK (remaining >= 0),
    PRIMARY KEY (community, member, account, expires_at, activity, key)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX point_batches_by_expiry ON point_batches (expires_at) WHERE remaining > 0;

-- Cash that members have been given and not been paid yet.
CREATE TABLE payables (
    community TEXT NOT NULL,
    member TEXT NOT NULL,
    balance_minor BIGINT NOT NULL CHECK (balance_minor >= 0),
    PRIMARY KEY (community, member)
)
--sqlite WITHOUT ROWID
;

-- What a platform did once, by its own idempotency key: a retry does nothing again.
CREATE TABLE deeds (
    community TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    input TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (community, kind, key)
)
--sqlite WITHOUT ROWID
;

-- Always: 0 <= reserved, 0 <= sold, reserved + sold <= total; what is available is the rest.
CREATE TABLE stock_pools (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    is_of_codes BIGINT NOT NULL,
    total BIGINT NOT NULL,
    reserved BIGINT NOT NULL DEFAULT 0,
    sold BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (community, id),
    CHECK (reserved >= 0 AND sold >= 0 AND reserved + sold <= total)
)
--sqlite WITHOUT ROWID
;

CREATE TABLE reservations (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    pool TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (community, activity, key)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX reservations_by_pool ON reservations (community, pool);

-- Codes of a virtual good. Each is a unit of the stock pool that it is of.
CREATE TABLE codes (
    community TEXT NOT NULL,
    pool TEXT NOT NULL,
    code TEXT NOT NULL,
    state TEXT NOT NULL,
    activity TEXT,
    key BYTEA,
    PRIMARY KEY (community, pool, code)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX codes_by_state ON codes (community, pool, state, code);
CREATE UNIQUE INDEX codes_by_hold ON codes (community, activity, key);

-- What a coupon of a template is worth.
CREATE TABLE coupon_templates (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    terms TEXT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;

-- Coupons that were issued: one for each captured hold of a coupon offer.
CREATE TABLE coupons (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    member TEXT NOT NULL,
    template TEXT NOT NULL,
    state TEXT NOT NULL,
    order_ref TEXT,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX coupons_by_member ON coupons (community, member, id);

-- Goods as the shop has told them.
CREATE TABLE skus (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    price_minor BIGINT NOT NULL,
    sellable BIGINT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;

-- Always: refunding_minor + refunded_minor <= paid_minor.
CREATE TABLE orders (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    id TEXT NOT NULL,
    member TEXT NOT NULL,
    lines TEXT NOT NULL,
    total_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    state TEXT NOT NULL,
    pay_by BIGINT NOT NULL,
    paid_minor BIGINT NOT NULL,
    refunding_minor BIGINT NOT NULL,
    refunded_minor BIGINT NOT NULL,
    is_held BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (community, activity, key),
    CHECK (refunding_minor >= 0 AND refunded_minor >= 0 AND refunding_minor + refunded_minor <= paid_minor)
)
--sqlite WITHOUT ROWID
;
CREATE UNIQUE INDEX orders_by_id ON orders (community, id);
CREATE INDEX orders_by_member ON orders (community, member, id);

CREATE TABLE refunds (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    id TEXT NOT NULL,
    order_key BYTEA NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (community, activity, key)
)
--sqlite WITHOUT ROWID
;

-- Events of the platform and the shop that were taken, so that each is taken once.
CREATE TABLE received (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;

-- What an activity has still to hear, in order for each stream; the call that heard it removes the row.
CREATE TABLE inbox (
    community TEXT NOT NULL,
    activity TEXT NOT NULL,
    position BIGINT NOT NULL,
    stream TEXT NOT NULL,
    event TEXT NOT NULL,
    due BIGINT NOT NULL,
    PRIMARY KEY (community, activity, position)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX inbox_by_due ON inbox (due);

-- Who is told what happens: receivers of webhooks, and the community's shop. Secrets are kept as they are: messages are signed with them.
CREATE TABLE endpoints (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    url TEXT NOT NULL,
    topics TEXT NOT NULL,
    secrets TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;

-- How far an endpoint has been told of an activity: its outbox up to and with (seq, ordinal).
CREATE TABLE deliveries (
    community TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    activity TEXT NOT NULL,
    seq BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    error TEXT,
    PRIMARY KEY (community, endpoint, activity)
)
--sqlite WITHOUT ROWID
;

-- The demo shop's own books.
CREATE TABLE demo_orders (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    total_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    paid_minor BIGINT NOT NULL,
    refunded_minor BIGINT NOT NULL,
    is_held BIGINT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;
