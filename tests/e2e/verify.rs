//! `fairground verify`: every rule of it can fail, and names the row that breaks it.

use std::collections::BTreeSet;

use fairground_tests::{broken, client::HOME, database::Database, eventually, follower::Follower, verified};
use serde_json::json;
use sqlx::{AnyConnection, Connection, Executor};

use super::purse::treasury;

/// Leaves something of everything in a database: rewards of each kind, orders, refunds, reservations, receivers.
async fn story(database: &Database) {
    let host = treasury(database).await;
    host.put(&format!("{HOME}/shop"), json!({"kind": "demo"})).await.ok();
    host.put(&format!("{HOME}/stock-pools/mug"), json!({"total": 5})).await.ok();
    host.put(&format!("{HOME}/skus/mug"), json!({"title": "A mug", "price_minor": 900, "sellable": 10})).await.ok();
    host.put(&format!("{HOME}/groups/g"), json!({"name": "G", "kind": "core"})).await.ok();
    host.put(&format!("{HOME}/groups/g/members/ann"), json!({"role": "participant"})).await.ok();
    host.post(&format!("{HOME}/webhooks"), json!({"url": "http://127.0.0.1:1/"})).await.ok();
    let acts = [
        ("hold", json!({"key": "held", "offer": "packet", "to": "bob"})),
        ("hold", json!({"key": "stars", "offer": "soon", "to": "bob"})),
        ("hold", json!({"key": "film", "offer": "film", "to": "bob"})),
        ("hold", json!({"key": "ten", "offer": "coupon", "to": "bob"})),
        ("hold", json!({"key": "cash", "offer": "packet", "to": "bob"})),
        ("capture", json!({"key": "stars"})),
        ("capture", json!({"key": "film"})),
        ("capture", json!({"key": "ten"})),
        ("capture", json!({"key": "cash"})),
        ("hold", json!({"key": "cup", "offer": "mug", "to": "bob"})),
        ("capture", json!({"key": "cup"})),
        ("reserve", json!({"key": "r", "pool": "mug"})),
        ("buy", json!({"key": "o", "sku": "mug", "price": 400})),
        ("say", json!({"key": "x"})),
        ("join-by", json!({"inviter": "eve"})),
        ("tell", json!({"member": "bob", "urgency": "transactional"})),
        ("report", json!({"member": "bob", "group": "g", "text": "Sell"})),
    ];
    host.put(&format!("{HOME}/notice-templates/news/en"), json!({"title": "News"})).await.ok();
    host.put(&format!("{HOME}/groups/g/rules"), json!({"do": ["Be kind"]})).await.ok();
    let token = host.token("ann").await;
    let accept = format!("{HOME}/groups/g/rules/acceptance");
    host.send(reqwest::Method::POST, &accept, &token, Some(&json!({"version": 1})), None).await.ok();
    let mut live = Follower::start(&host.base, &format!("{HOME}/stream"), &host.app, None).await;
    live.next().await.expect("where it begins");
    for (number, (action, input)) in acts.into_iter().enumerate() {
        let reply = host.act("ann", "m", action, &number.to_string(), input).await;
        assert!(reply.status.is_success(), "{action} {}", reply.text);
    }
    eventually(async || {
        let orders = host.listing(&format!("{HOME}/demo-shop/orders")).await;
        let Some(order) = orders.first().and_then(|order| order["id"].as_str()) else { return false };
        host.post(&format!("{HOME}/demo-shop/orders/{order}/pay"), json!({})).await.status.is_success()
    })
    .await;
    live.next().await.expect("what was said");
    eventually(async || host.get(&format!("{HOME}/members/bob/inbox")).await.ok()["unread"] == 1).await;
    eventually(async || !host.ask("m", "heard").await.ok().as_array().expect("texts").is_empty()).await;
    host.act("ann", "m", "refund", "r", json!({"key": "back", "order": "o", "minor": 100})).await.ok();
    eventually(async || host.ask("m", "heard").await.ok().as_array().expect("texts").len() == 2).await;
    host.stop().await;
}

/// What breaks the database, and the oracle that finds out.
const BREAKS: &[(&str, &str)] = &[
    (
        "UPDATE ledger SET amount = amount + 1000000 WHERE credit = 'paid' OR debit = 'budget/purse/available' AND credit = 'budget/purse/held'",
        "V1",
    ),
    ("UPDATE ledger SET amount = amount + 1 WHERE credit = 'budget/purse/available' AND debit = 'operator'", "V2"),
    ("UPDATE budgets SET limit_minor = 1", "V2"),
    ("UPDATE point_balances SET balance = balance + 1", "V2"),
    ("DELETE FROM point_balances", "V2"),
    ("UPDATE point_batches SET remaining = remaining + 1", "V2"),
    ("UPDATE payables SET balance_minor = balance_minor + 1", "V2"),
    ("DELETE FROM payables", "V2"),
    ("UPDATE journal SET idempotency_key = '1', name = 'x' WHERE kind = 'action'", "V3"),
    ("UPDATE entries SET seq = 999", "V4"),
    ("INSERT INTO board_entries SELECT community, activity, 'b', key, 1, 1, 999 FROM holds", "V4"),
    ("UPDATE holds SET seq = 999", "V4"),
    ("UPDATE reservations SET seq = 999", "V4"),
    ("UPDATE orders SET seq = 999", "V4"),
    ("UPDATE refunds SET seq = 999", "V4"),
    ("UPDATE outbox SET seq = seq + 999", "V4"),
    ("UPDATE ledger SET seq = seq + 999 WHERE activity <> ''", "V4"),
    ("UPDATE orders SET paid_minor = paid_minor + 1", "V4"),
    ("UPDATE notices SET seq = 999", "V4"),
    ("UPDATE proposals SET seq = 999", "V4"),
    ("UPDATE stream SET ordinal = 99", "V4"),
    ("UPDATE notices SET state = 'waiting'", "V9"),
    ("DELETE FROM messages", "V10"),
    ("UPDATE shipments SET state = 'lapsed'", "V10"),
    ("UPDATE groups SET rules_version = 7", "V10"),
    (
        "INSERT INTO group_members (community, group_id, member, role, joined_at, rules_accepted_version)
         VALUES ('town', 'g', 'a', 'administrator', 1, 0), ('town', 'g', 'b', 'administrator', 1, 0),
                ('town', 'g', 'c', 'administrator', 1, 0), ('town', 'g', 'd', 'administrator', 1, 0)",
        "V10",
    ),
    ("DELETE FROM journal WHERE seq = 3", "V5"),
    ("UPDATE journal SET now = 0 WHERE seq = 5", "V5"),
    ("UPDATE deliveries SET seq = 999", "V6"),
    ("UPDATE activities SET community = 'elsewhere'", "V9"),
    ("UPDATE activities SET budget = 'none'", "V9"),
    ("UPDATE members SET community = 'elsewhere' WHERE id = 'eve'", "V9"),
    ("UPDATE members SET inviter = 'none' WHERE id = 'bob'", "V9"),
    ("UPDATE group_members SET group_id = 'none'", "V9"),
    ("UPDATE group_members SET member = 'none'", "V9"),
    ("UPDATE holds SET beneficiary = 'none'", "V9"),
    ("UPDATE orders SET member = 'none'", "V9"),
    ("DELETE FROM orders", "V9"),
    ("UPDATE holds SET state = 'held' WHERE offer = 'coupon'", "V9"),
    ("DELETE FROM stock_pools", "V9"),
    ("UPDATE stock_pools SET reserved = reserved + 1", "V10"),
    ("UPDATE budgets SET held_minor = held_minor + 1", "V10"),
    ("UPDATE budgets SET grants = 1", "V10"),
    ("UPDATE budget_members SET grants = grants + 1", "V10"),
    ("UPDATE activity_heads SET stored_bytes = stored_bytes + 1", "V10"),
    ("UPDATE refunds SET amount_minor = amount_minor + 1", "V10"),
    ("UPDATE codes SET state = 'locked' WHERE state = 'revealed'", "V10"),
    ("UPDATE members SET inviter = 'ann' WHERE id = 'eve'", "V10"),
];

both! {
    async fn every_rule_can_fail_and_says_which_row_breaks_it(database) {
        story(database).await;
        verified(database).await;
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&database.url).await.expect("a connection");
        for text in ["UPDATE ledger SET amount = 1", "DELETE FROM ledger", "UPDATE journal SET name = 'x'", "DELETE FROM journal"] {
            let refused = connection.execute(text).await.expect_err(text).to_string();
            assert!(refused.contains("append-only"), "{refused}");
        }
        // What the database itself keeps is let go of, so that the rules can be seen to fail.
        let free: &[&str] = if database.is_postgres {
            &[
                "DROP TRIGGER ledger_is_append_only ON ledger", "DROP TRIGGER journal_is_append_only ON journal",
                "ALTER TABLE budgets DROP CONSTRAINT budgets_check", "DROP INDEX journal_by_key",
            ]
        } else {
            &[
                "DROP TRIGGER ledger_keeps_rows", "DROP TRIGGER ledger_loses_no_row", "DROP TRIGGER journal_keeps_rows",
                "DROP TRIGGER journal_loses_no_row", "PRAGMA ignore_check_constraints = ON", "DROP INDEX journal_by_key",
            ]
        };
        for text in free {
            connection.execute(*text).await.expect(text);
        }
        let (mut seen, mut rules) = (BTreeSet::new(), 0);
        let copies: Vec<&str> = "ledger budgets budget_members point_balances point_batches payables journal entries board_entries holds reservations orders refunds outbox deliveries activities activity_heads members groups group_members stock_pools codes coupons notices messages proposals stream shipments".split(' ').collect();
        for table in &copies {
            let copy = format!("CREATE TABLE copy_of_{table} AS SELECT * FROM {table}");
            connection.execute(sqlx::AssertSqlSafe(copy)).await.expect("a copy");
        }
        for (text, oracle) in BREAKS {
            connection.execute(*text).await.expect(text);
            let found = broken(database).await;
            assert!(found.broken.iter().any(|line| line.starts_with(&format!("{oracle}: "))), "{text}: {:?}", found.broken);
            rules = found.rules;
            for line in &found.broken {
                let (row, rule) = line.split_once(" [").expect("a rule in brackets");
                assert!(row.contains("town") || row.contains("elsewhere"), "{line}");
                seen.insert(rule.to_owned());
            }
            for table in &copies {
                for text in [format!("DELETE FROM {table}"), format!("INSERT INTO {table} SELECT * FROM copy_of_{table}")] {
                    connection.execute(sqlx::AssertSqlSafe(text)).await.expect("undone");
                }
            }
        }
        verified(database).await;
        assert_eq!(seen.len(), rules, "rules that were never seen to fail, of which these were: {seen:#?}");
    }
}
