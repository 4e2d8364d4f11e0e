//! Notices: written with the call that sent them, and what became of each.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::domain::{
    id::Id,
    notice::{Audience, Channel, NoticeState, Suppressed, Urgency},
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    commit::Part,
    database::Transaction,
    messages,
    rows::{Column, Rows, Script, number},
};

/// A notice as it is kept, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct NoticeRow {
    #[serde(skip)]
    pub community: Id,
    #[schema(value_type = String)]
    pub id: Id,
    #[schema(value_type = String)]
    pub activity: Id,
    pub audience: Audience,
    /// A member or a group.
    #[schema(value_type = String)]
    pub recipient: Id,
    pub template: String,
    #[serde(skip)]
    pub params: Vec<(String, String)>,
    pub channel: Channel,
    pub urgency: Urgency,
    #[serde(skip)]
    pub not_after: Option<i64>,
    pub state: NoticeState,
    /// Of a suppressed one.
    pub reason: Option<Suppressed>,
    /// UTC milliseconds: when one that waits is looked at next.
    pub due: i64,
    #[serde(skip)]
    pub attempts: i64,
    /// When it was let through or suppressed.
    pub decided_at: Option<i64>,
    /// When it was sent.
    pub at: i64,
}

/// Communities that can be left out of what is due.
pub(crate) const CROWDED_MAX: usize = 4;

/// What a notice must fit into to be let through.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    /// At most so many of its urgency, or of every urgency to a group, since an instant.
    pub cap: Option<(u32, i64)>,
    /// At most so many of a hundred may be marketing, since an instant.
    pub marketing: Option<(u32, i64)>,
    /// Whether it takes one of the messages that the member has allowed.
    pub takes_subscription: bool,
}

/// What is said to the audience.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub title: String,
    pub body: String,
}

impl Store {
    /// Notices that are to be looked at now: transactional ones first, then the oldest. Of `crowded` communities, four at most, only
    /// those that go nowhere but to an inbox. One that cannot be read is left out, and logged.
    pub(crate) async fn due_notices(&self, now: i64, limit: i64, crowded: &[Id]) -> anyhow::Result<Vec<NoticeRow>> {
        const URGENT: &str =
            "SELECT * FROM notices WHERE state IN ('waiting', 'sending') AND urgency = 'transactional' AND due <= $1
             AND (channel = 'in_app' OR community NOT IN ($3, $4, $5, $6)) ORDER BY due LIMIT $2";
        const OTHERS: &str =
            "SELECT * FROM notices WHERE state IN ('waiting', 'sending') AND urgency <> 'transactional' AND due <= $1
             AND (channel = 'in_app' OR community NOT IN ($3, $4, $5, $6)) ORDER BY due LIMIT $2";
        let mut due = Vec::new();
        for text in [URGENT, OTHERS] {
            let mut query = sqlx::query(text).bind(now).bind(limit);
            for number in 0..CROWDED_MAX {
                query = query.bind(crowded.get(number).map_or("", Id::as_str));
            }
            for row in &query.fetch_all(&self.reader).await? {
                match read(row) {
                    Ok(notice) => due.push(notice),
                    Err(error) => tracing::error!(error = format!("{error:#}"), "a notice cannot be read"),
                }
            }
        }
        Ok(due)
    }

    /// Lets a notice through, or says why not. In-app it has arrived then; over any other channel it is on its way until `lease`.
    /// None where it is no longer as it was read: another host was faster.
    pub(crate) async fn let_through(
        &self,
        notice: &NoticeRow,
        room: Room,
        text: &Text,
        (now, lease): (i64, i64),
    ) -> anyhow::Result<Option<Result<(), Suppressed>>> {
        let mut tx = self.begin().await?;
        // One at a time for an audience: two that come at once do not both take the last place.
        let audience = match notice.audience {
            Audience::Member => "UPDATE members SET id = id WHERE community = $1 AND id = $2",
            Audience::Group => "UPDATE groups SET id = id WHERE community = $1 AND id = $2",
        };
        sqlx::query(audience).bind(notice.community.as_str()).bind(notice.recipient.as_str()).execute(&mut *tx).await?;
        if let Some(why) = find_no_room(&mut tx, notice, room).await? {
            let changed = change(&mut tx, notice, (NoticeState::Suppressed, Some(why)), (now, Some(now))).await?;
            tx.commit().await?;
            return Ok(changed.then_some(Err(why)));
        }
        let is_here = notice.channel == Channel::InApp;
        let (state, due) = if is_here { (NoticeState::Delivered, now) } else { (NoticeState::Sending, lease) };
        if !change(&mut tx, notice, (state, None), (due, Some(now))).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        if room.takes_subscription {
            sqlx::query(
                "UPDATE subscriptions SET remaining = remaining - 1 WHERE community = $1 AND member = $2 AND template = $3",
            )
            .bind(notice.community.as_str())
            .bind(notice.recipient.as_str())
            .bind(notice.template.as_str())
            .execute(&mut *tx)
            .await?;
        }
        if is_here {
            messages::deliver(&mut tx, self.kind, notice, text, now).await?;
        }
        tx.commit().await?;
        Ok(Some(Ok(())))
    }

    /// It never goes out.
    pub(crate) async fn suppress(&self, notice: &NoticeRow, why: Suppressed, now: i64) -> anyhow::Result<()> {
        self.change_notice(notice, (NoticeState::Suppressed, Some(why)), (now, Some(now))).await
    }

    /// It is looked at again at `due`, and keeps no place among those that were let through.
    pub(crate) async fn defer(&self, notice: &NoticeRow, due: i64) -> anyhow::Result<()> {
        self.change_notice(notice, (NoticeState::Waiting, None), (due, None)).await
    }

    /// It did not go out, and is looked at again at `due`; its place among those that were let through it keeps.
    pub(crate) async fn try_again(&self, notice: &NoticeRow, due: i64) -> anyhow::Result<()> {
        self.change_notice(notice, (NoticeState::Waiting, None), (due, notice.decided_at)).await
    }

    /// The host itself has failed at it; it is looked at again at `due`, ten times at most.
    pub(crate) async fn faulted(&self, notice: &NoticeRow, due: i64) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        change(&mut tx, notice, (NoticeState::Waiting, None), (due, notice.decided_at)).await?;
        sqlx::query("UPDATE notices SET attempts = attempts + 1 WHERE community = $1 AND id = $2 AND state = 'waiting' AND due = $3")
            .bind(notice.community.as_str())
            .bind(notice.id.as_str())
            .bind(due)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// A notice that was on its way, read with its lease, has arrived.
    pub(crate) async fn delivered(&self, notice: &NoticeRow) -> anyhow::Result<()> {
        self.change_notice(notice, (NoticeState::Delivered, None), (notice.due, notice.decided_at)).await
    }

    async fn change_notice(
        &self,
        notice: &NoticeRow,
        to: (NoticeState, Option<Suppressed>),
        times: (i64, Option<i64>),
    ) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        change(&mut tx, notice, to, times).await?;
        Ok(tx.commit().await?)
    }

    /// Notices of a community, by id.
    pub(crate) async fn notices(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<NoticeRow>> {
        let rows = sqlx::query("SELECT * FROM notices WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let notices = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(notices, page.limit, |notice: &NoticeRow| notice.id.to_string()))
    }

    /// Notices of activities to a member since an instant, whether they have gone out or still may.
    pub(crate) async fn activity_notices(&self, community: &Id, member: &Id, since: i64) -> anyhow::Result<i64> {
        const DECIDED: &str =
            "SELECT COUNT(*) FROM notices WHERE community = $1 AND audience = 'member' AND recipient = $2
               AND decided_at >= $3 AND urgency = 'activity' AND state <> 'suppressed'";
        const WAITING: &str =
            "SELECT COUNT(*) FROM notices WHERE community = $1 AND audience = 'member' AND recipient = $2
               AND decided_at IS NULL AND urgency = 'activity' AND state = 'waiting'";
        let query = |text| sqlx::query(text).bind(community.as_str()).bind(member.as_str());
        let decided = query(DECIDED).bind(since).fetch_one(&self.reader).await?;
        let waiting = query(WAITING).fetch_one(&self.reader).await?;
        Ok(number(&decided)? + number(&waiting)?)
    }
}

/// Why a notice has no room, if it has none.
async fn find_no_room(tx: &mut Transaction, notice: &NoticeRow, room: Room) -> anyhow::Result<Option<Suppressed>> {
    let of_group = notice.audience == Audience::Group;
    // One that was let through before, and did not go out, has its place.
    let has_place = |since: i64| notice.decided_at.is_some_and(|decided| decided >= since);
    if let Some((cap, since)) = room.cap.filter(|(_, since)| !has_place(*since)) {
        let urgency = (!of_group).then_some(notice.urgency);
        if count(tx, notice, urgency, since).await? >= i64::from(cap) {
            return Ok(Some(Suppressed::Cap));
        }
    }
    if let Some((percent, since)) = room.marketing.filter(|(_, since)| !has_place(*since)) {
        let marketing = count(tx, notice, Some(Urgency::Marketing), since).await? + 1;
        let all = count(tx, notice, None, since).await? + 1;
        if marketing * 100 > all * i64::from(percent) {
            return Ok(Some(Suppressed::MarketingShare));
        }
    }
    if room.takes_subscription {
        let row = sqlx::query(
            "SELECT remaining FROM subscriptions WHERE community = $1 AND member = $2 AND template = $3 AND remaining > 0",
        )
        .bind(notice.community.as_str())
        .bind(notice.recipient.as_str())
        .bind(notice.template.as_str())
        .fetch_optional(&mut **tx)
        .await?;
        if row.is_none() {
            return Ok(Some(Suppressed::NoSubscription));
        }
    }
    Ok(None)
}

/// Other notices to the same audience that were let through since an instant; transactional ones to members do not count.
async fn count(tx: &mut Transaction, notice: &NoticeRow, urgency: Option<Urgency>, since: i64) -> anyhow::Result<i64> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM notices WHERE community = $1 AND audience = $2 AND recipient = $3 AND decided_at >= $4
           AND state <> 'suppressed' AND (urgency <> 'transactional' OR audience = 'group') AND urgency = COALESCE($5, urgency)
           AND id <> $6",
    )
    .bind(notice.community.as_str())
    .bind(word(notice.audience))
    .bind(notice.recipient.as_str())
    .bind(since)
    .bind(urgency.map(word))
    .bind(notice.id.as_str())
    .fetch_one(&mut **tx)
    .await?;
    number(&row)
}

/// Moves a notice on from what it was read as. False where it is something else by now.
async fn change(
    tx: &mut Transaction,
    notice: &NoticeRow,
    (state, reason): (NoticeState, Option<Suppressed>),
    (due, decided_at): (i64, Option<i64>),
) -> anyhow::Result<bool> {
    // An attempt begins when it is on its way.
    let begun = i64::from(state == NoticeState::Sending);
    let changed = sqlx::query(
        "UPDATE notices SET state = $3, reason = $4, due = $5, decided_at = $6, attempts = attempts + $7
         WHERE community = $1 AND id = $2 AND state = $8 AND due = $9 AND attempts = $10",
    )
    .bind(notice.community.as_str())
    .bind(notice.id.as_str())
    .bind(word(state))
    .bind(reason.map(word))
    .bind(due)
    .bind(decided_at)
    .bind(begun)
    .bind(word(notice.state))
    .bind(notice.due)
    .bind(notice.attempts)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    Ok(changed == 1)
}

/// Notices, by the call that sent them.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const NOTICES: Rows = Rows {
        text: "INSERT INTO notices (community, activity, id, seq, audience, recipient, template, params, channel, urgency,
                 not_after, state, reason, due, attempts, decided_at, at)
               SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11,
                 column12, column13, column14, 0, column15, column16 FROM {rows} WHERE column1 IS NOT NULL",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Int,
            Column::Int,
        ],
    };
    let rows: Vec<_> =
        parts.iter().flat_map(|part| part.effects.notices.iter().map(|(seq, notice)| (*part, *seq, notice))).collect();
    script.add(&NOTICES, &rows, |values, (part, seq, notice)| {
        let state = if notice.suppressed.is_some() { NoticeState::Suppressed } else { NoticeState::Waiting };
        values.activity(&part.id);
        values.text(notice.id.as_str());
        values.int(*seq);
        values.word(notice.audience);
        values.text(notice.recipient.as_str());
        values.text(notice.template.as_str());
        values.made(json(&notice.params));
        values.word(notice.channel);
        values.word(notice.urgency);
        values.int(notice.not_after);
        values.word(state);
        values.made(notice.suppressed.map(word));
        values.int(notice.due);
        values.int(notice.suppressed.map(|_| part.to.now));
        values.int(part.to.now);
    });
}

fn read(row: &AnyRow) -> anyhow::Result<NoticeRow> {
    let reason = row.text_or_none("reason")?.map(|word| serde_json::from_value(word.into())).transpose()?;
    Ok(NoticeRow {
        community: row.id("community")?,
        id: row.id("id")?,
        activity: row.id("activity")?,
        audience: row.word("audience")?,
        recipient: row.id("recipient")?,
        template: row.text("template")?,
        params: row.json("params")?,
        channel: row.word("channel")?,
        urgency: row.word("urgency")?,
        not_after: row.int_or_none("not_after")?,
        state: row.word("state")?,
        reason,
        due: row.int("due")?,
        attempts: row.int("attempts")?,
        decided_at: row.int_or_none("decided_at")?,
        at: row.int("at")?,
    })
}
