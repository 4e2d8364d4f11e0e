//! `wit/members.wit`.

use crate::{
    domain::{
        json::Json,
        member::{Member, MemberStatus},
    },
    store::PageRequest,
};

use super::{
    RunningCall,
    quota::PAGE_ROWS_MAX,
    wit::{
        members::{self as wit, Host, Newness},
        types::Page,
    },
};

impl From<Member> for wit::Member {
    fn from(member: Member) -> Self {
        let mut tags = member.tags;
        tags.sort();
        Self {
            id: member.id.to_string(),
            status: match member.status {
                MemberStatus::Active => wit::MemberStatus::Active,
                MemberStatus::Muted => wit::MemberStatus::Muted,
                MemberStatus::Suspended => wit::MemberStatus::Suspended,
                MemberStatus::Closed => wit::MemberStatus::Closed,
            },
            tier: member.tier,
            tags,
            registered_at: member.registered_at,
            first_order_at: member.first_order_at,
            time_zone: member.time_zone,
            inviter: member.inviter.map(|inviter| inviter.to_string()),
            channel: member.channel,
        }
    }
}

/// Whether a member was new at `since`.
fn is_new(member: &Member, definition: Newness, since: i64) -> bool {
    match definition {
        Newness::NeverOrdered => member.first_order_at.is_none_or(|first| first >= since),
        Newness::RegisteredAfter => member.registered_at >= since,
        Newness::RegisteredWithin(duration) => {
            let age = since.saturating_sub(member.registered_at);
            age <= i64::try_from(duration).unwrap_or(i64::MAX)
        }
    }
}

/// What a plugin asked for, within the host's own limit.
pub(super) fn page_request(page: Page) -> PageRequest {
    PageRequest { after: page.cursor.unwrap_or_default(), limit: (page.limit as usize).clamp(1, PAGE_ROWS_MAX) }
}

impl Host for RunningCall {
    fn get(&mut self, member: String) -> wasmtime::Result<Option<wit::Member>> {
        self.reading()?;
        let found: Option<wit::Member> = self.member(&member)?.map(Into::into);
        self.reading_again()?.note("members.get", member, &found);
        Ok(found)
    }

    fn in_segment(&mut self, member: String, segment: String) -> wasmtime::Result<bool> {
        self.reading()?;
        let found = self.member(&member)?.is_some_and(|member| member.tags.contains(&segment));
        self.reading_again()?.note("members.in-segment", (member, segment), found);
        Ok(found)
    }

    fn is_new(&mut self, member: String, definition: Newness, since: i64) -> wasmtime::Result<bool> {
        self.reading()?;
        let new = self.member(&member)?.is_some_and(|member| is_new(&member, definition, since));
        self.reading_again()?.note("members.is-new", (member, definition, since), new);
        Ok(new)
    }

    fn search(&mut self, segment: String, page: Page) -> wasmtime::Result<(Vec<String>, Option<String>)> {
        self.reading()?;
        self.key(&segment)?;
        let source = self.reading_again()?.source.clone();
        let asked = (segment.clone(), page.clone());
        let request = page_request(page);
        let tag = Json::of(&segment);
        let found = source.runtime.block_on(source.store.members_tagged(&source.id.community, tag.as_str(), &request));
        let page = self.host(found)?;
        let found: (Vec<String>, _) = (page.items.iter().map(ToString::to_string).collect(), page.next);
        let counted = self.quota.read(found.0.len(), 0);
        self.within(counted)?;
        self.reading_again()?.note("members.search", asked, &found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Id;

    #[test]
    fn new_is_what_the_definition_says() {
        let member = Member {
            id: Id::new("ann").expect("an id"),
            status: MemberStatus::Active,
            tier: "ordinary".into(),
            tags: vec![],
            clusters: vec![],
            time_zone: "UTC".into(),
            channel: None,
            registered_at: 1_000,
            first_order_at: Some(2_000),
            inviter: None,
        };
        assert!(is_new(&member, Newness::NeverOrdered, 2_000));
        assert!(!is_new(&member, Newness::NeverOrdered, 2_001));
        assert!(is_new(&member, Newness::RegisteredAfter, 1_000));
        assert!(!is_new(&member, Newness::RegisteredAfter, 1_001));
        assert!(is_new(&member, Newness::RegisteredWithin(500), 1_500));
        assert!(!is_new(&member, Newness::RegisteredWithin(500), 1_501));
    }
}
