//! Proposals: promotions and violations, and what a decision does to the membership.

use sqlx::any::AnyRow;

use crate::domain::{
    id::Id,
    proposal::{Outcome, Proposal, ProposalKind, ProposalState},
    rules::{Rules, Sanction},
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    commit::Part,
    database::Transaction,
    groups::{self, Coming, Going, Joined},
    rows::{Column, Rows, Script, number},
};

/// What became of a decision.
#[derive(Debug)]
pub(crate) enum Decided {
    Now(Proposal),
    /// There is no such proposal, or it has been decided.
    NotOpen,
    /// The group that the member was to be promoted into has its members.
    Full,
    /// The member to be promoted may not act at all.
    Inactive,
}

impl Store {
    /// Keeps what somebody reports. False where they have reported the member in the group already, and nobody has decided.
    pub(crate) async fn insert_report(&self, community: &Id, proposal: &Proposal) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        groups::lock(&mut tx, community, &proposal.group).await?;
        let kept = sqlx::query(
            "INSERT INTO proposals (community, id, kind, group_id, member, reason, evidence, reporter, state, at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 WHERE NOT EXISTS (SELECT 1 FROM proposals
               WHERE community = $1 AND member = $5 AND group_id = $4 AND kind = $3 AND state = 'open' AND reporter = $8)",
        )
        .bind(community.as_str())
        .bind(proposal.id.as_str())
        .bind(word(proposal.kind))
        .bind(proposal.group.as_str())
        .bind(proposal.member.as_str())
        .bind(proposal.reason.as_str())
        .bind(proposal.evidence.as_str())
        .bind(proposal.reporter.as_ref().map(Id::as_str))
        .bind(word(proposal.state))
        .bind(proposal.at)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(kept == 1)
    }

    pub(crate) async fn proposal(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Proposal>> {
        let row = sqlx::query("SELECT * FROM proposals WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Proposals of a community, or about one of its groups, by id.
    pub(crate) async fn proposals(
        &self,
        community: &Id,
        (group, state): (Option<&Id>, Option<ProposalState>),
        page: &PageRequest,
    ) -> anyhow::Result<Page<Proposal>> {
        // Two texts: with one for both, a group's would be looked for among the whole community's.
        const ALL: &str = "SELECT * FROM proposals WHERE community = $1 AND state = COALESCE($2, state) AND id > $3
             ORDER BY id LIMIT $4";
        const ONE: &str =
            "SELECT * FROM proposals WHERE community = $1 AND state = COALESCE($2, state) AND id > $3 AND group_id = $5
             ORDER BY id LIMIT $4";
        let query = sqlx::query(if group.is_some() { ONE } else { ALL })
            .bind(community.as_str())
            .bind(state.map(word))
            .bind(page.after.as_str())
            .bind(page.fetch());
        let query = if let Some(group) = group { query.bind(group.as_str()) } else { query };
        let rows = query.fetch_all(&self.reader).await?;
        let proposals = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(proposals, page.limit, |proposal: &Proposal| proposal.id.to_string()))
    }

    /// Accepts an open proposal: the member joins the group, or what the ladder says follows. Once, whoever decides.
    pub(crate) async fn accept_proposal(
        &self,
        community: &Id,
        id: &Id,
        by: &str,
        (rules, now): (&Rules, i64),
    ) -> anyhow::Result<Decided> {
        let mut tx = self.begin().await?;
        let Some(proposal) = decide(&mut tx, community, id, (ProposalState::Accepted, by, now)).await? else {
            tx.rollback().await?;
            return Ok(Decided::NotOpen);
        };
        let outcome = match proposal.kind {
            ProposalKind::Promotion => {
                let Proposal { group, member, .. } = &proposal;
                match groups::join(&mut tx, (community, group, member), Coming::Promoted, now).await? {
                    Some(Joined::Yes(_)) => Outcome::Joined,
                    other => {
                        tx.rollback().await?;
                        // A group that is gone has no room either.
                        return Ok(if matches!(other, Some(Joined::Inactive)) {
                            Decided::Inactive
                        } else {
                            Decided::Full
                        });
                    }
                }
            }
            ProposalKind::Violation => {
                let before = violations(&mut tx, community, &proposal, now - rules.ladder_window_ms).await?;
                let sanction = rules.sanction(before);
                apply(&mut tx, community, &proposal, sanction, now).await?;
                Outcome::Sanctioned(sanction)
            }
        };
        sqlx::query("UPDATE proposals SET outcome = $3 WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .bind(json(&outcome))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Decided::Now(Proposal { outcome: Some(outcome), ..proposal }))
    }

    /// Nothing follows.
    pub(crate) async fn dismiss_proposal(
        &self,
        community: &Id,
        id: &Id,
        by: &str,
        now: i64,
    ) -> anyhow::Result<Decided> {
        let mut tx = self.begin().await?;
        let decided = decide(&mut tx, community, id, (ProposalState::Dismissed, by, now)).await?;
        tx.commit().await?;
        Ok(decided.map_or(Decided::NotOpen, Decided::Now))
    }
}

/// Closes a proposal that is open.
async fn decide(
    tx: &mut Transaction,
    community: &Id,
    id: &Id,
    (state, by, now): (ProposalState, &str, i64),
) -> anyhow::Result<Option<Proposal>> {
    let row = sqlx::query(
        "UPDATE proposals SET state = $3, decided_by = $4, decided_at = $5 WHERE community = $1 AND id = $2 AND state = 'open'
         RETURNING *",
    )
    .bind(community.as_str())
    .bind(id.as_str())
    .bind(word(state))
    .bind(by)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Other violations of the member in the group that were accepted since an instant.
async fn violations(tx: &mut Transaction, community: &Id, proposal: &Proposal, since: i64) -> anyhow::Result<usize> {
    // The group's row is locked, so that two at once are the first and the second.
    groups::lock(tx, community, &proposal.group).await?;
    let row = sqlx::query(
        "SELECT COUNT(*) FROM proposals WHERE community = $1 AND member = $2 AND group_id = $3 AND kind = 'violation'
           AND state = 'accepted' AND decided_at >= $4 AND id <> $5",
    )
    .bind(community.as_str())
    .bind(proposal.member.as_str())
    .bind(proposal.group.as_str())
    .bind(since)
    .bind(proposal.id.as_str())
    .fetch_one(&mut **tx)
    .await?;
    Ok(usize::try_from(number(&row)?)?)
}

/// What follows on a violation; nothing more for a member who has left the group meanwhile.
async fn apply(
    tx: &mut Transaction,
    community: &Id,
    Proposal { group, member, .. }: &Proposal,
    sanction: Sanction,
    now: i64,
) -> anyhow::Result<()> {
    match sanction {
        Sanction::Warn => {}
        Sanction::MuteMs(ms) => {
            sqlx::query(
                "UPDATE group_members SET muted_until = CASE WHEN muted_until > $4 THEN muted_until ELSE $4 END
                 WHERE community = $1 AND group_id = $2 AND member = $3",
            )
            .bind(community.as_str())
            .bind(group.as_str())
            .bind(member.as_str())
            .bind(now.saturating_add(ms))
            .execute(&mut **tx)
            .await?;
        }
        Sanction::Remove => {
            groups::leave(tx, (community, group, member), Going::TakenOut, now).await?;
        }
    }
    Ok(())
}

/// What plugins propose, by the call that did.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const PROPOSALS: Rows = Rows {
        text:
            "INSERT INTO proposals (community, activity, id, seq, kind, group_id, member, reason, evidence, state, at)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL",
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
        ],
    };
    let rows: Vec<_> =
        parts.iter().flat_map(|part| part.effects.proposals.iter().map(|(seq, made)| (*part, *seq, made))).collect();
    script.add(&PROPOSALS, &rows, |values, (part, seq, made)| {
        values.activity(&part.id);
        values.text(made.id.as_str());
        values.int(*seq);
        values.word(made.kind);
        values.text(made.group.as_str());
        values.text(made.member.as_str());
        values.text(made.reason.as_str());
        values.text(made.evidence.as_str());
        values.word(made.state);
        values.int(made.at);
    });
}

fn read(row: &AnyRow) -> anyhow::Result<Proposal> {
    let outcome = row.text_or_none("outcome")?.map(|text| serde_json::from_str(&text)).transpose()?;
    Ok(Proposal {
        id: row.id("id")?,
        kind: row.word("kind")?,
        group: row.id("group_id")?,
        member: row.id("member")?,
        reason: row.text("reason")?,
        evidence: row.text("evidence")?,
        activity: row.id_or_none("activity")?,
        reporter: row.id_or_none("reporter")?,
        state: row.word("state")?,
        outcome,
        decided_by: row.text_or_none("decided_by")?,
        decided_at: row.int_or_none("decided_at")?,
        at: row.int("at")?,
    })
}
