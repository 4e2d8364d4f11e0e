-- Rules of a community, the life of a membership, what a person decides, news for members, and goods on their way to them.

-- What the community has decided for all its activities; what is left out is as domain/rules.rs says.
ALTER TABLE communities ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';

-- BCP 47; the community's where there is none.
ALTER TABLE members ADD COLUMN language TEXT;

-- The owner of groups who set the budget, where no operator or app did.
ALTER TABLE budgets ADD COLUMN set_by TEXT;

-- A membership is invited, joined, left or removed. What it was before stays: `invited_at` where it began with an invitation.
ALTER TABLE group_members ADD COLUMN state TEXT NOT NULL DEFAULT 'joined';
ALTER TABLE group_members ADD COLUMN invited_at BIGINT;
ALTER TABLE group_members ADD COLUMN left_at BIGINT;
ALTER TABLE group_members ADD COLUMN muted_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX group_members_by_inviter ON group_members (community, invited_by);

-- Versions that were only numbers have no text that anybody could have accepted.
UPDATE groups SET rules_version = 0;
UPDATE group_members SET rules_accepted_version = 0;

-- Every version of a group's rules that there was.
CREATE TABLE group_rules (
    community TEXT NOT NULL,
    group_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (community, group_id, version)
)
--sqlite WITHOUT ROWID
;

CREATE TABLE rule_acceptances (
    community TEXT NOT NULL,
    group_id TEXT NOT NULL,
    member TEXT NOT NULL,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (community, group_id, member, version)
)
--sqlite WITHOUT ROWID
;

-- Promotions and violations: `activity` and `seq` where a plugin proposed it, `reporter` where somebody else did.
CREATE TABLE proposals (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    group_id TEXT NOT NULL,
    member TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    activity TEXT,
    seq BIGINT,
    reporter TEXT,
    state TEXT NOT NULL,
    outcome TEXT,
    decided_by TEXT,
    decided_at BIGINT,
    at BIGINT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX proposals_by_group ON proposals (community, group_id, id);
CREATE INDEX proposals_by_member ON proposals (community, member, group_id, kind, state);

-- Texts of notices, by language.
CREATE TABLE notice_templates (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    language TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (community, id, language)
)
--sqlite WITHOUT ROWID
;

-- Where members can be written to. No plugin sees it.
CREATE TABLE contacts (
    community TEXT NOT NULL,
    member TEXT NOT NULL,
    email TEXT NOT NULL,
    PRIMARY KEY (community, member)
)
--sqlite WITHOUT ROWID
;

CREATE TABLE opt_outs (
    community TEXT NOT NULL,
    member TEXT NOT NULL,
    urgency TEXT NOT NULL,
    channel TEXT NOT NULL,
    PRIMARY KEY (community, member, urgency, channel)
)
--sqlite WITHOUT ROWID
;

-- Messages of a template that a member has allowed, one at a time.
CREATE TABLE subscriptions (
    community TEXT NOT NULL,
    member TEXT NOT NULL,
    template TEXT NOT NULL,
    remaining BIGINT NOT NULL CHECK (remaining >= 0),
    PRIMARY KEY (community, member, template)
)
--sqlite WITHOUT ROWID
;

-- Notices, written in the commit of the call that sent them: waiting, being sent, delivered or suppressed. `due` is when one that
-- is not at its end is looked at next; `decided_at` when it was let through or suppressed; `title` and `body` what in-app messages say.
CREATE TABLE notices (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    activity TEXT NOT NULL,
    seq BIGINT NOT NULL,
    audience TEXT NOT NULL,
    recipient TEXT NOT NULL,
    template TEXT NOT NULL,
    params TEXT NOT NULL,
    channel TEXT NOT NULL,
    urgency TEXT NOT NULL,
    not_after BIGINT,
    state TEXT NOT NULL,
    reason TEXT,
    due BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    decided_at BIGINT,
    at BIGINT NOT NULL,
    title TEXT,
    body TEXT,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;
CREATE INDEX notices_by_due ON notices (due) WHERE state IN ('waiting', 'sending') AND urgency <> 'transactional';
CREATE INDEX notices_at_once ON notices (due) WHERE state IN ('waiting', 'sending') AND urgency = 'transactional';
CREATE INDEX notices_by_recipient ON notices (community, audience, recipient, decided_at);

-- Members' in-app messages, each at its place in its member's inbox.
CREATE TABLE messages (
    community TEXT NOT NULL,
    member TEXT NOT NULL,
    position BIGINT NOT NULL,
    notice TEXT NOT NULL,
    at BIGINT NOT NULL,
    read_at BIGINT,
    PRIMARY KEY (community, member, position)
)
--sqlite WITHOUT ROWID
;
CREATE UNIQUE INDEX messages_by_notice ON messages (community, member, notice);
CREATE INDEX messages_unread ON messages (community, member) WHERE read_at IS NULL;

-- What is told live, in one order per community.
CREATE TABLE stream (
    community TEXT NOT NULL,
    position BIGINT NOT NULL,
    activity TEXT NOT NULL,
    seq BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (community, position)
)
--sqlite WITHOUT ROWID
;
CREATE UNIQUE INDEX stream_once ON stream (community, activity, seq, ordinal);
CREATE INDEX stream_by_activity ON stream (community, activity, position);

-- Goods that members were given: unclaimed until the member says where they live, claimed, and then shipped; or lapsed, because
-- nobody claimed them by `claim_by`, or revoked. The address is never told to a plugin.
CREATE TABLE shipments (
    community TEXT NOT NULL,
    id TEXT NOT NULL,
    activity TEXT NOT NULL,
    key BYTEA NOT NULL,
    member TEXT NOT NULL,
    sku TEXT NOT NULL,
    state TEXT NOT NULL,
    claim_by BIGINT NOT NULL,
    address TEXT,
    tracking TEXT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (community, id)
)
--sqlite WITHOUT ROWID
;
CREATE UNIQUE INDEX shipments_by_hold ON shipments (community, activity, key);
CREATE INDEX shipments_by_member ON shipments (community, member, id);
CREATE INDEX shipments_by_state ON shipments (community, state, id);
