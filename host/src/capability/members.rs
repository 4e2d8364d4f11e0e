//! `wit/members.wit`.

use std::{collections::HashMap, sync::Arc};

use crate::{
    domain::{
        id::Id,
        json::Json,
        member::{Member, MemberStatus},
        rules::{self, Ordered, Rules, Segment},
    },
    store::PageRequest,
};

use super::{
    Call, RunningCall,
    quota::PAGE_ROWS_MAX,
    wit::{
        members::{self as wit, Host, Newness},
        types::Page,
    },
};

impl From<&Member> for wit::Member {
    fn from(member: &Member) -> Self {
        let mut tags = member.tags.clone();
        tags.sort();
        Self {
            id: member.id.to_string(),
            status: match member.status {
                MemberStatus::Active => wit::MemberStatus::Active,
                MemberStatus::Muted => wit::MemberStatus::Muted,
                MemberStatus::Suspended => wit::MemberStatus::Suspended,
                MemberStatus::Closed => wit::MemberStatus::Closed,
            },
            tier: member.tier.clone(),
            tags,
            registered_at: member.registered_at,
            first_order_at: member.first_order_at,
            time_zone: member.time_zone.clone(),
            inviter: member.inviter.as_ref().map(|inviter| inviter.to_string()),
            channel: member.channel.clone(),
        }
    }
}

/// Ids of members, and the cursor of the next page.
type Found = (Vec<String>, Option<String>);

/// What a plugin asked for, within the host's own limit.
pub(super) fn page_request(page: Page) -> PageRequest {
    PageRequest { after: page.cursor.unwrap_or_default(), limit: (page.limit as usize).clamp(1, PAGE_ROWS_MAX) }
}

impl RunningCall {
    /// What the community has decided.
    pub(super) fn rules(&mut self) -> wasmtime::Result<Arc<Rules>> {
        let Call { shared, source, .. } = self.reading_again()?;
        let rules = shared.rules(source);
        self.host(rules)
    }

    /// Whether a member belongs to a segment: one that is defined, or else the tag of that name.
    fn is_in(&mut self, member: &Member, segment: &str) -> wasmtime::Result<bool> {
        let rules = self.rules()?;
        let Some(defined) = rules.segments.get(segment) else {
            return Ok(member.tags.iter().any(|tag| tag == segment));
        };
        let ordered = self.ordered(defined, std::slice::from_ref(member))?;
        Ok(defined.holds(member, ordered.get(&member.id).copied().unwrap_or_default()))
    }

    /// What members, in the order of their ids, have ordered, where the segment asks.
    fn ordered(&mut self, defined: &Segment, members: &[Member]) -> wasmtime::Result<HashMap<Id, Ordered>> {
        let (Some(first), Some(last), true) = (members.first(), members.last(), defined.asks_orders()) else {
            return Ok(HashMap::new());
        };
        let call = self.reading_again()?;
        let (source, now) = (call.source.clone(), call.now);
        let since = if defined.orders_within_ms == 0 { i64::MIN } else { now - defined.orders_within_ms };
        let community = &source.id.community;
        let found = source.wait(source.store.ordered(community, (&first.id, &last.id), since));
        let found = self.host(found)?;
        let counted = self.quota.read(found.len(), 0);
        self.within(counted)?;
        Ok(found)
    }

    fn search_tagged(&mut self, tag: &str, page: &PageRequest) -> wasmtime::Result<Found> {
        let source = self.reading_again()?.source.clone();
        let tag = Json::of(&tag);
        let found = source.wait(source.store.members_tagged(&source.id.community, tag.as_str(), page));
        let page = self.host(found)?;
        let counted = self.quota.read(page.items.len(), 0);
        self.within(counted)?;
        Ok((page.items.iter().map(ToString::to_string).collect(), page.next))
    }

    /// Looks at one page of the community's members.
    fn search_defined(&mut self, segment: &str, page: PageRequest) -> wasmtime::Result<Found> {
        let source = self.reading_again()?.source.clone();
        let limit = page.limit;
        let page = PageRequest { limit: PAGE_ROWS_MAX, ..page };
        let found = source.wait(source.store.members(&source.id.community, &page));
        let page = self.host(found)?;
        let counted = self.quota.read(page.items.len(), 0);
        self.within(counted)?;
        let rules = self.rules()?;
        let Some(defined) = rules.segments.get(segment) else { return Ok((Vec::new(), None)) };
        let ordered = self.ordered(defined, &page.items)?;
        let belongs = |member: &&Member| defined.holds(member, ordered.get(&member.id).copied().unwrap_or_default());
        let mut ids: Vec<String> = page.items.iter().filter(belongs).map(|member| member.id.to_string()).collect();
        let mut next = page.next;
        if ids.len() > limit {
            ids.truncate(limit);
            next = ids.last().cloned();
        }
        Ok((ids, next))
    }
}

impl Host for RunningCall {
    fn get(&mut self, member: String) -> wasmtime::Result<Option<wit::Member>> {
        self.reading()?;
        let found: Option<wit::Member> = self.member(&member)?.map(|member| member.as_ref().into());
        self.reading_again()?.note("members.get", member, &found);
        Ok(found)
    }

    fn in_segment(&mut self, member: String, segment: String) -> wasmtime::Result<bool> {
        self.reading()?;
        let found = match self.member(&member)? {
            Some(member) => self.is_in(&member, &segment)?,
            None => false,
        };
        self.reading_again()?.note("members.in-segment", (member, segment), found);
        Ok(found)
    }

    fn is_new(&mut self, member: String, definition: Newness, since: i64) -> wasmtime::Result<bool> {
        self.reading()?;
        let rules = self.rules()?;
        let newness = match definition {
            Newness::Configured => rules.newness,
            Newness::NeverOrdered => rules::Newness::NeverOrdered,
            Newness::RegisteredAfter => rules::Newness::RegisteredAfter,
            Newness::RegisteredWithin(within) => {
                rules::Newness::RegisteredWithinMs(i64::try_from(within).unwrap_or(i64::MAX))
            }
        };
        let new = self.member(&member)?.is_some_and(|member| newness.holds(&member, since));
        self.reading_again()?.note("members.is-new", (member, definition, since), new);
        Ok(new)
    }

    fn search(&mut self, segment: String, page: Page) -> wasmtime::Result<(Vec<String>, Option<String>)> {
        self.reading()?;
        self.key(&segment)?;
        let asked = (segment.clone(), page.clone());
        let request = page_request(page);
        let found = match self.rules()?.segments.contains_key(&segment) {
            true => self.search_defined(&segment, request)?,
            false => self.search_tagged(&segment, &request)?,
        };
        self.reading_again()?.note("members.search", asked, &found);
        Ok(found)
    }
}
