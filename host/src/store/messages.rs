//! Members' inboxes: what has arrived in-app.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::domain::{id::Id, notice::Audience};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, word},
    database::{Kind, Transaction},
    notices::{NoticeRow, Text},
    rows::number,
};

/// Messages that are read at once by whoever follows an inbox.
const ROWS_MAX: i64 = 64;

/// A message in a member's inbox.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// Its place: later ones have higher places.
    pub position: i64,
    #[schema(value_type = String)]
    pub notice: Id,
    #[schema(value_type = String)]
    pub activity: Id,
    pub title: String,
    pub body: String,
    /// UTC milliseconds.
    pub at: i64,
    /// Null while it is unread.
    pub read_at: Option<i64>,
}

impl Store {
    /// A member's messages, the newest first; the cursor is a place.
    pub(crate) async fn messages(
        &self,
        community: &Id,
        member: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<MessageView>> {
        let rows = sqlx::query(
            "SELECT messages.*, notices.activity, notices.title, notices.body FROM messages
             JOIN notices ON notices.community = messages.community AND notices.id = messages.notice
             WHERE messages.community = $1 AND messages.member = $2 AND position < $3 ORDER BY position DESC LIMIT $4",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(page.after_number(i64::MAX)?)
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let messages = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(messages, page.limit, |message: &MessageView| message.position.to_string()))
    }

    /// Messages behind a place, the oldest first.
    pub(crate) async fn messages_after(
        &self,
        community: &Id,
        member: &Id,
        position: i64,
    ) -> anyhow::Result<Vec<MessageView>> {
        let rows = sqlx::query(
            "SELECT messages.*, notices.activity, notices.title, notices.body FROM messages
             JOIN notices ON notices.community = messages.community AND notices.id = messages.notice
             WHERE messages.community = $1 AND messages.member = $2 AND position > $3 ORDER BY position LIMIT $4",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(position)
        .bind(ROWS_MAX)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(read).collect()
    }

    /// How many the member has not read, and the last place; 0 where there is none.
    pub(crate) async fn unread(&self, community: &Id, member: &Id) -> anyhow::Result<(i64, i64)> {
        let unread =
            sqlx::query("SELECT COUNT(*) FROM messages WHERE community = $1 AND member = $2 AND read_at IS NULL")
                .bind(community.as_str())
                .bind(member.as_str())
                .fetch_one(&self.reader)
                .await?;
        let last = sqlx::query("SELECT COALESCE(MAX(position), 0) FROM messages WHERE community = $1 AND member = $2")
            .bind(community.as_str())
            .bind(member.as_str())
            .fetch_one(&self.reader)
            .await?;
        Ok((number(&unread)?, number(&last)?))
    }

    /// The member has read everything up to and with a place.
    pub(crate) async fn read_until(&self, community: &Id, member: &Id, position: i64, now: i64) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE messages SET read_at = $4 WHERE community = $1 AND member = $2 AND position <= $3 AND read_at IS NULL",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(position)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

/// Puts a notice into the inbox of its member, or of each member of its group who wants such notices. Their rows are locked in one
/// order first: places are given one by one.
pub(super) async fn deliver(
    tx: &mut Transaction,
    kind: Kind,
    notice: &NoticeRow,
    text: &Text,
    now: i64,
) -> anyhow::Result<()> {
    sqlx::query("UPDATE notices SET title = $3, body = $4 WHERE community = $1 AND id = $2")
        .bind(notice.community.as_str())
        .bind(notice.id.as_str())
        .bind(text.title.as_str())
        .bind(text.body.as_str())
        .execute(&mut **tx)
        .await?;
    let recipients = match notice.audience {
        Audience::Member => "SELECT id FROM members WHERE community = $1 AND id = $2 AND $3 <> ''",
        Audience::Group => {
            "SELECT id FROM members WHERE community = $1 AND status <> 'closed' AND id IN
               (SELECT member FROM group_members WHERE community = $1 AND group_id = $2 AND state = 'joined')
             AND NOT EXISTS (SELECT 1 FROM opt_outs WHERE opt_outs.community = $1 AND opt_outs.member = members.id
               AND opt_outs.urgency = $3 AND opt_outs.channel = 'in_app')"
        }
    };
    let urgency = word(notice.urgency);
    if kind == Kind::Postgres {
        sqlx::query(sqlx::AssertSqlSafe(format!("{recipients} ORDER BY id FOR UPDATE")))
            .bind(notice.community.as_str())
            .bind(notice.recipient.as_str())
            .bind(urgency.as_str())
            .fetch_all(&mut **tx)
            .await?;
    }
    let insert = format!(
        "INSERT INTO messages (community, member, position, notice, at)
         SELECT $1, recipients.id,
           (SELECT COALESCE(MAX(position), 0) + 1 FROM messages WHERE messages.community = $1 AND messages.member = recipients.id),
           $4, $5
         FROM ({recipients}) AS recipients WHERE TRUE
         ON CONFLICT (community, member, notice) DO NOTHING"
    );
    sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(notice.community.as_str())
        .bind(notice.recipient.as_str())
        .bind(urgency.as_str())
        .bind(notice.id.as_str())
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn read(row: &AnyRow) -> anyhow::Result<MessageView> {
    Ok(MessageView {
        position: row.int("position")?,
        notice: row.id("notice")?,
        activity: row.id("activity")?,
        title: row.text("title")?,
        body: row.text("body")?,
        at: row.int("at")?,
        read_at: row.int_or_none("read_at")?,
    })
}
