//! The checks that a statement can make.

use super::Check;

/// Rows of a table that name a call which is not in the journal.
macro_rules! effects {
    ($table:literal) => {
        effects!($table, "")
    };
    ($table:literal, $condition:literal) => {
        concat!(
            "SELECT rows.community || ' activity ' || rows.activity || ' has a row of ",
            $table,
            " by call ' || CAST(rows.seq AS TEXT) || ', which is not in its journal' FROM ",
            $table,
            " AS rows WHERE NOT EXISTS (SELECT 1 FROM journal WHERE journal.community = rows.community
                AND journal.activity = rows.activity AND journal.seq = rows.seq)",
            $condition
        )
    };
}

/// Rows of a table without the row that they belong to.
macro_rules! orphans {
    ($table:literal, $name:literal, $parents:literal, $on:literal) => {
        orphans!($table, $name, $parents, $on, "")
    };
    ($table:literal, $name:literal, $parents:literal, $on:literal, $condition:literal) => {
        concat!(
            "SELECT rows.community || ' ",
            $table,
            " ' || rows.",
            $name,
            " || ' has no row in ",
            $parents,
            "' FROM ",
            $table,
            " AS rows WHERE NOT EXISTS (SELECT 1 FROM ",
            $parents,
            " AS parents WHERE ",
            $on,
            ")",
            $condition
        )
    };
}

/// What each account of the ledger holds, for statements that ask.
const BALANCES: &str = "WITH balances AS (
    SELECT community, asset, account, SUM(amount) AS balance FROM (
        SELECT community, asset, credit AS account, amount FROM ledger
        UNION ALL SELECT community, asset, debit, -amount FROM ledger
    ) AS postings GROUP BY community, asset, account
) ";

/// The statement as the database gets it: with the balances, unless it begins otherwise.
pub(super) fn whole(sql: &str) -> String {
    if sql.starts_with("WITH") { sql.into() } else { format!("{BALANCES}{sql}") }
}

pub(super) const ALL: &[Check] = &[
    Check {
        oracle: "V1",
        rule: "no budget and no member holds less than nothing",
        sql: "SELECT community || ' account ' || account || ' holds ' || CAST(balance AS TEXT) || ' ' || asset FROM balances
              WHERE balance < 0 AND (SUBSTR(account, 1, 7) IN ('budget/', 'member/') OR SUBSTR(account, 1, 8) = 'payable/')",
    },
    Check {
        oracle: "V2",
        rule: "a budget is what the ledger says",
        sql: "SELECT budgets.community || ' budget ' || id || ' has ' || CAST(held_minor AS TEXT) || ' held, ' ||
                CAST(captured_minor AS TEXT) || ' captured of ' || CAST(limit_minor AS TEXT) || ', the ledger ' ||
                CAST(COALESCE(held.balance, 0) AS TEXT) || ', ' || CAST(COALESCE(captured.balance, 0) AS TEXT) || ' and ' ||
                CAST(COALESCE(available.balance, 0) AS TEXT) || ' available'
              FROM budgets
              LEFT JOIN balances AS held ON held.community = budgets.community AND held.account = 'budget/' || id || '/held'
              LEFT JOIN balances AS captured ON captured.community = budgets.community AND captured.account = 'budget/' || id || '/captured'
              LEFT JOIN balances AS available ON available.community = budgets.community AND available.account = 'budget/' || id || '/available'
              WHERE held_minor <> COALESCE(held.balance, 0) OR captured_minor <> COALESCE(captured.balance, 0)
                 OR limit_minor - held_minor - captured_minor <> COALESCE(available.balance, 0)",
    },
    Check {
        oracle: "V2",
        rule: "a budget keeps its limits",
        sql: "SELECT community || ' budget ' || id || ' is over a limit' FROM budgets
              WHERE held_minor < 0 OR captured_minor < 0 OR held_minor + captured_minor > limit_minor OR grants < 0 OR grants > max_grants",
    },
    Check {
        oracle: "V2",
        rule: "a balance of points is what the ledger says",
        sql: "SELECT point_balances.community || ' member ' || point_balances.member || ' has ' || CAST(point_balances.balance AS TEXT) || ' ' ||
                point_balances.account || ', the ledger ' || CAST(COALESCE(balances.balance, 0) AS TEXT)
              FROM point_balances LEFT JOIN balances ON balances.community = point_balances.community
                AND balances.account = 'member/' || point_balances.member AND balances.asset = 'points/' || point_balances.account
              WHERE point_balances.balance <> COALESCE(balances.balance, 0)",
    },
    Check {
        oracle: "V2",
        rule: "points of the ledger have a balance",
        sql: "SELECT balances.community || ' ' || balances.account || ' has ' || CAST(balances.balance AS TEXT) || ' ' || asset || ' in the ledger alone'
              FROM balances LEFT JOIN point_balances ON balances.community = point_balances.community
                AND balances.account = 'member/' || point_balances.member AND balances.asset = 'points/' || point_balances.account
              WHERE SUBSTR(balances.account, 1, 7) = 'member/' AND balances.balance <> COALESCE(point_balances.balance, 0)",
    },
    Check {
        oracle: "V2",
        rule: "points that expire are part of the balance",
        sql: "SELECT point_batches.community || ' member ' || point_batches.member || ' has more ' || point_batches.account || ' that expire than in all'
              FROM point_batches LEFT JOIN point_balances ON point_balances.community = point_batches.community
                AND point_balances.member = point_batches.member AND point_balances.account = point_batches.account
              GROUP BY point_batches.community, point_batches.member, point_batches.account, point_balances.balance
              HAVING SUM(remaining) > COALESCE(point_balances.balance, 0)",
    },
    Check {
        oracle: "V2",
        rule: "cash that is owed is what the ledger says",
        sql: "SELECT payables.community || ' member ' || member || ' is owed ' || CAST(balance_minor AS TEXT) || ', the ledger says ' ||
                CAST(COALESCE(balances.balance, 0) AS TEXT)
              FROM payables LEFT JOIN balances ON balances.community = payables.community AND balances.account = 'payable/' || member
              WHERE balance_minor <> COALESCE(balances.balance, 0)",
    },
    Check {
        oracle: "V2",
        rule: "money of the ledger is somebody's",
        sql: "SELECT community || ' account ' || account || ' holds ' || CAST(balance AS TEXT) || ' and is nobody''s' FROM balances
              WHERE balance <> 0 AND (SUBSTR(account, 1, 8) = 'payable/' AND NOT EXISTS (SELECT 1 FROM payables
                  WHERE payables.community = balances.community AND 'payable/' || payables.member = account)
                OR SUBSTR(account, 1, 7) = 'budget/' AND NOT EXISTS (SELECT 1 FROM budgets WHERE budgets.community = balances.community
                  AND account IN ('budget/' || id || '/available', 'budget/' || id || '/held', 'budget/' || id || '/captured')))",
    },
    Check {
        oracle: "V3",
        rule: "an idempotency key has one effect",
        sql: "SELECT community || ' activity ' || activity || ' has ' || CAST(COUNT(*) AS TEXT) || ' calls of ' || actor || ' ' || name || ' ' || idempotency_key
              FROM journal WHERE idempotency_key IS NOT NULL
              GROUP BY community, activity, actor, name, idempotency_key HAVING COUNT(*) > 1",
    },
    Check { oracle: "V4", rule: "an entry has a call", sql: effects!("entries") },
    Check { oracle: "V4", rule: "a board's entry has a call", sql: effects!("board_entries") },
    Check { oracle: "V4", rule: "a hold has a call", sql: effects!("holds") },
    Check { oracle: "V4", rule: "a reservation has a call", sql: effects!("reservations") },
    Check { oracle: "V4", rule: "an order has a call", sql: effects!("orders") },
    Check { oracle: "V4", rule: "a refund has a call", sql: effects!("refunds") },
    Check { oracle: "V4", rule: "an effect for the outside has a call", sql: effects!("outbox") },
    Check { oracle: "V4", rule: "a transfer of an activity has a call", sql: effects!("ledger", " AND rows.activity <> ''") },
    Check {
        oracle: "V5",
        rule: "a journal has no gaps, and its head is its last call",
        sql: "SELECT heads.community || ' activity ' || heads.activity || ' is at ' || CAST(heads.seq AS TEXT) || ' and has ' ||
                CAST(COUNT(journal.seq) AS TEXT) || ' calls up to ' || CAST(COALESCE(MAX(journal.seq), 0) AS TEXT)
              FROM activity_heads AS heads LEFT JOIN journal ON journal.community = heads.community AND journal.activity = heads.activity
              GROUP BY heads.community, heads.activity, heads.seq
              HAVING COUNT(journal.seq) <> heads.seq OR COALESCE(MAX(journal.seq), 0) <> heads.seq",
    },
    Check {
        oracle: "V5",
        rule: "time never goes back within an activity",
        sql: "SELECT later.community || ' activity ' || later.activity || ' call ' || CAST(later.seq AS TEXT) || ' is before the one before'
              FROM journal AS later JOIN journal AS earlier ON earlier.community = later.community AND earlier.activity = later.activity
                AND earlier.seq = later.seq - 1
              WHERE later.now < earlier.now",
    },
    Check {
        oracle: "V6",
        rule: "nobody was told of what did not happen",
        sql: "SELECT deliveries.community || ' endpoint ' || endpoint || ' was told of call ' || CAST(deliveries.seq AS TEXT) || ' of ' || deliveries.activity
              FROM deliveries LEFT JOIN activity_heads AS heads ON heads.community = deliveries.community AND heads.activity = deliveries.activity
              WHERE deliveries.seq > COALESCE(heads.seq, -1)",
    },
    Check { oracle: "V9", rule: "an activity is of a community", sql: orphans!("activities", "id", "communities", "rows.community = parents.id") },
    Check { oracle: "V9", rule: "a head is of an activity", sql: orphans!("activity_heads", "activity", "activities", "rows.community = parents.community AND rows.activity = parents.id") },
    Check { oracle: "V9", rule: "an activity's budget is its community's", sql: orphans!("activities", "id", "budgets", "rows.community = parents.community AND rows.budget = parents.id", " AND rows.budget IS NOT NULL") },
    Check { oracle: "V9", rule: "a member is of a community", sql: orphans!("members", "id", "communities", "rows.community = parents.id") },
    Check { oracle: "V9", rule: "an inviter is of the member's community", sql: orphans!("members", "id", "members", "rows.community = parents.community AND rows.inviter = parents.id", " AND rows.inviter IS NOT NULL") },
    Check { oracle: "V9", rule: "a place in a group is of a group", sql: orphans!("group_members", "member", "groups", "rows.community = parents.community AND rows.group_id = parents.id") },
    Check { oracle: "V9", rule: "a place in a group is of a member", sql: orphans!("group_members", "member", "members", "rows.community = parents.community AND rows.member = parents.id") },
    Check { oracle: "V9", rule: "a reward is a member's of the community", sql: orphans!("holds", "beneficiary", "members", "rows.community = parents.community AND rows.beneficiary = parents.id") },
    Check { oracle: "V9", rule: "an order is a member's of the community", sql: orphans!("orders", "member", "members", "rows.community = parents.community AND rows.member = parents.id") },
    Check { oracle: "V9", rule: "a refund is of an order", sql: orphans!("refunds", "id", "orders", "rows.community = parents.community AND rows.activity = parents.activity AND rows.order_key = parents.key") },
    Check { oracle: "V9", rule: "a coupon is of a captured reward", sql: orphans!("coupons", "id", "holds", "rows.community = parents.community AND rows.activity = parents.activity AND rows.key = parents.key AND parents.state IN ('captured', 'revoked')") },
    Check {
        oracle: "V10",
        rule: "a budget holds what its rewards hold",
        sql: "SELECT budgets.community || ' budget ' || budgets.id || ' has ' || CAST(held_minor AS TEXT) || ' held, its rewards ' ||
                CAST(COALESCE(SUM(holds.cost_minor), 0) AS TEXT)
              FROM budgets
              LEFT JOIN activities ON activities.community = budgets.community AND activities.budget = budgets.id
              LEFT JOIN holds ON holds.community = activities.community AND holds.activity = activities.id AND holds.state = 'held'
              GROUP BY budgets.community, budgets.id, held_minor HAVING held_minor <> COALESCE(SUM(holds.cost_minor), 0)",
    },
    Check {
        oracle: "V10",
        rule: "a budget has captured at least what its rewards have cost, and counts their grants",
        sql: "SELECT budgets.community || ' budget ' || budgets.id || ' has ' || CAST(captured_minor AS TEXT) || ' captured and ' ||
                CAST(grants AS TEXT) || ' grants, its rewards say more'
              FROM budgets
              LEFT JOIN activities ON activities.community = budgets.community AND activities.budget = budgets.id
              LEFT JOIN holds ON holds.community = activities.community AND holds.activity = activities.id
                AND holds.state IN ('held', 'captured')
              GROUP BY budgets.community, budgets.id, captured_minor, grants
              HAVING captured_minor < COALESCE(SUM(CASE holds.state WHEN 'captured' THEN holds.cost_minor ELSE 0 END), 0)
                OR grants < COUNT(holds.key)",
    },
    Check {
        oracle: "V10",
        rule: "a budget's grants are those of its members",
        sql: "SELECT budgets.community || ' budget ' || budgets.id || ' has ' || CAST(budgets.grants AS TEXT) || ' grants, its members ' ||
                CAST(COALESCE(SUM(budget_members.grants), 0) AS TEXT)
              FROM budgets LEFT JOIN budget_members ON budget_members.community = budgets.community AND budget_members.budget = budgets.id
              GROUP BY budgets.community, budgets.id, budgets.grants HAVING budgets.grants <> COALESCE(SUM(budget_members.grants), 0)",
    },
    Check {
        oracle: "V10",
        rule: "an activity's storage is what its entries take",
        sql: "SELECT heads.community || ' activity ' || heads.activity || ' counts ' || CAST(stored_bytes AS TEXT) || ' bytes, its entries ' ||
                CAST(COALESCE(SUM(LENGTH(key) + LENGTH(value)), 0) AS TEXT)
              FROM activity_heads AS heads
              LEFT JOIN entries ON entries.community = heads.community AND entries.activity = heads.activity AND value IS NOT NULL
              GROUP BY heads.community, heads.activity, stored_bytes
              HAVING stored_bytes <> COALESCE(SUM(LENGTH(key) + LENGTH(value)), 0)",
    },
    Check {
        oracle: "V10",
        rule: "an order counts its refunds",
        sql: "SELECT orders.community || ' order ' || orders.id || ' counts ' || CAST(refunding_minor AS TEXT) || ' being refunded and ' ||
                CAST(refunded_minor AS TEXT) || ' refunded, of ' || CAST(paid_minor AS TEXT) || ' paid'
              FROM orders LEFT JOIN refunds ON refunds.community = orders.community AND refunds.activity = orders.activity
                AND refunds.order_key = orders.key
              GROUP BY orders.community, orders.id, refunding_minor, refunded_minor, paid_minor
              HAVING refunding_minor <> COALESCE(SUM(CASE refunds.state WHEN 'asked' THEN amount_minor ELSE 0 END), 0)
                OR refunded_minor > paid_minor
                OR (refunded_minor < paid_minor
                  AND refunded_minor < COALESCE(SUM(CASE refunds.state WHEN 'done' THEN amount_minor ELSE 0 END), 0))",
    },
    Check {
        oracle: "V10",
        rule: "a code is its reward's",
        sql: "SELECT codes.community || ' a code of ' || codes.pool || ' is ' || codes.state || ', its reward ' || COALESCE(holds.state, 'missing')
              FROM codes LEFT JOIN holds ON holds.community = codes.community AND holds.activity = codes.activity AND holds.key = codes.key
              WHERE codes.state <> 'free' AND (codes.state <> CASE holds.state WHEN 'held' THEN 'locked' WHEN 'captured' THEN 'revealed'
                WHEN 'revoked' THEN 'void' ELSE 'free' END)",
    },
    Check { oracle: "V4", rule: "notices are sent by calls", sql: effects!("notices") },
    Check { oracle: "V4", rule: "proposals of activities are made by calls", sql: effects!("proposals", " AND rows.activity IS NOT NULL") },
    Check {
        oracle: "V4",
        rule: "what is told live was said",
        sql: orphans!(
            "stream",
            "activity",
            "outbox",
            "parents.community = rows.community AND parents.activity = rows.activity AND parents.seq = rows.seq
               AND parents.ordinal = rows.ordinal"
        ),
    },
    Check {
        oracle: "V9",
        rule: "a message is a notice that was delivered, to a member",
        sql: "SELECT messages.community || ' member ' || messages.member || ' has a message of ' || messages.notice || ', which was not delivered'
              FROM messages
              LEFT JOIN notices ON notices.community = messages.community AND notices.id = messages.notice AND notices.state = 'delivered'
              LEFT JOIN members ON members.community = messages.community AND members.id = messages.member
              WHERE notices.id IS NULL OR members.id IS NULL",
    },
    Check {
        oracle: "V10",
        rule: "what was delivered in-app is in the member's inbox",
        sql: "SELECT notices.community || ' notice ' || notices.id || ' was delivered to ' || notices.recipient || ' and is in no inbox of theirs'
              FROM notices LEFT JOIN messages ON messages.community = notices.community AND messages.notice = notices.id
                AND messages.member = notices.recipient
              WHERE notices.audience = 'member' AND notices.channel = 'in_app' AND notices.state = 'delivered' AND messages.notice IS NULL",
    },
    Check {
        oracle: "V10",
        rule: "a group has few administrators",
        sql: "SELECT groups.community || ' group ' || groups.id || ' has ' || CAST(COUNT(*) AS TEXT) || ' administrators'
              FROM groups JOIN group_members ON group_members.community = groups.community AND group_members.group_id = groups.id
              WHERE group_members.state = 'joined' AND group_members.role = 'administrator'
              GROUP BY groups.community, groups.id HAVING COUNT(*) > 3",
    },
    Check {
        oracle: "V10",
        rule: "a group's rules are the last version, and accepted versions were there",
        sql: "SELECT groups.community || ' group ' || groups.id || ' has rules of version ' || CAST(groups.rules_version AS TEXT)
              FROM groups WHERE rules_version <> (SELECT COALESCE(MAX(version), 0) FROM group_rules
                WHERE group_rules.community = groups.community AND group_rules.group_id = groups.id)
              UNION ALL SELECT community || ' member ' || member || ' has accepted rules of ' || group_id || ' that were never accepted'
              FROM group_members WHERE rules_accepted_version > 0 AND NOT EXISTS (SELECT 1 FROM rule_acceptances
                WHERE rule_acceptances.community = group_members.community AND rule_acceptances.group_id = group_members.group_id
                  AND rule_acceptances.member = group_members.member AND rule_acceptances.version = group_members.rules_accepted_version)",
    },
    Check {
        oracle: "V10",
        rule: "goods are where their reward says",
        sql: "SELECT shipments.community || ' shipment ' || shipments.id || ' is ' || shipments.state || ', its reward ' || COALESCE(holds.state, 'missing')
              FROM shipments LEFT JOIN holds ON holds.community = shipments.community AND holds.activity = shipments.activity
                AND holds.key = shipments.key
              WHERE COALESCE(holds.state, 'missing') <> CASE shipments.state WHEN 'lapsed' THEN 'expired' WHEN 'revoked' THEN 'revoked'
                ELSE 'captured' END",
    },
    Check {
        oracle: "V10",
        rule: "who brought whom is a forest",
        sql: "WITH RECURSIVE above (community, member, id) AS (
                SELECT community, id, inviter FROM members WHERE inviter IS NOT NULL
                UNION SELECT above.community, above.member, members.inviter FROM above
                  JOIN members ON members.community = above.community AND members.id = above.id WHERE members.inviter IS NOT NULL
              ) SELECT community || ' member ' || member || ' is above themselves' FROM above WHERE member = id",
    },
];
