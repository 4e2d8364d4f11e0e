//! `wit/groups.wit`.

use crate::{
    capability::members::page_request,
    domain::{
        activity::Lifecycle,
        group::{Group, GroupKind, GroupRole, Membership},
        id::Id,
    },
};

use super::{
    RunningCall,
    quota::PAGE_ROWS_MAX,
    wit::{
        groups::{self as wit, Host, RolloutStage},
        types::Page,
    },
};

fn group(group: Group) -> wit::Group {
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    wit::Group {
        id: group.id.to_string(),
        name: group.name,
        kind: match group.kind {
            GroupKind::Core => wit::GroupKind::Core,
            GroupKind::Ordinary => wit::GroupKind::Ordinary,
            GroupKind::Local => wit::GroupKind::Local,
            GroupKind::Paid => wit::GroupKind::Paid,
        },
        region: group.region,
        member_count: count(group.member_count),
        capacity: count(group.capacity),
        rules_version: count(group.rules_version),
        parent: group.parent.map(|parent| parent.to_string()),
    }
}

fn membership(membership: Membership) -> wit::Membership {
    wit::Membership {
        group: membership.group.to_string(),
        member: membership.member.to_string(),
        role: match membership.role {
            GroupRole::ChiefOwner => wit::GroupRole::ChiefOwner,
            GroupRole::Owner => wit::GroupRole::Owner,
            GroupRole::Administrator => wit::GroupRole::Administrator,
            GroupRole::Participant => wit::GroupRole::Participant,
        },
        joined_at: membership.joined_at,
        invited_by: membership.invited_by.map(|inviter| inviter.to_string()),
        rules_accepted_version: u32::try_from(membership.rules_accepted_version).unwrap_or(u32::MAX),
    }
}

impl RunningCall {
    /// A group of the community. An id that is none names nothing.
    pub(super) fn group(&mut self, id: &str) -> wasmtime::Result<Option<Group>> {
        let Ok(id) = Id::new(id) else { return Ok(None) };
        let source = self.reading_again()?.source.clone();
        let group = source.wait(source.store.group(&source.id.community, &id));
        self.host(group)
    }
}

impl Host for RunningCall {
    fn get(&mut self, id: String) -> wasmtime::Result<Option<wit::Group>> {
        self.reading()?;
        let found = self.group(&id)?.map(group);
        self.reading_again()?.note("groups.get", id, &found);
        Ok(found)
    }

    fn membership_of(&mut self, group: String, member: String) -> wasmtime::Result<Option<wit::Membership>> {
        self.reading()?;
        let found = match (Id::new(&group), Id::new(&member)) {
            (Ok(group), Ok(member)) => {
                let source = self.reading_again()?.source.clone();
                let found = source.wait(source.store.membership(&source.id.community, &group, &member));
                self.host(found)?.map(membership)
            }
            _ => None,
        };
        self.reading_again()?.note("groups.membership-of", (group, member), &found);
        Ok(found)
    }

    fn groups_of(&mut self, member: String) -> wasmtime::Result<Vec<wit::Membership>> {
        self.reading()?;
        let mut found = Vec::new();
        if let Ok(id) = Id::new(&member) {
            let source = self.reading_again()?.source.clone();
            let rows = source.wait(source.store.memberships(&source.id.community, &id, PAGE_ROWS_MAX));
            found = self.host(rows)?.into_iter().map(membership).collect();
        }
        let counted = self.quota.read(found.len(), 0);
        self.within(counted)?;
        self.reading_again()?.note("groups.groups-of", member, &found);
        Ok(found)
    }

    fn members_of(&mut self, group: String, page: Page) -> wasmtime::Result<(Vec<wit::Membership>, Option<String>)> {
        self.reading()?;
        let asked = (group.clone(), page.clone());
        let mut found = (Vec::new(), None);
        if let Ok(id) = Id::new(&group) {
            let source = self.reading_again()?.source.clone();
            let request = page_request(page);
            let rows = source.wait(source.store.group_members(&source.id.community, &id, &request));
            let page = self.host(rows)?;
            found = (page.items.into_iter().map(membership).collect(), page.next);
        }
        let counted = self.quota.read(found.0.len(), 0);
        self.within(counted)?;
        self.reading_again()?.note("groups.members-of", asked, &found);
        Ok(found)
    }

    fn stage(&mut self, group: String) -> wasmtime::Result<RolloutStage> {
        let call = self.reading()?;
        let scope = call.activity.scope.clone();
        let lifecycle = call.state.head.lifecycle;
        let is_tried = call.activity.open_pilot().is_some();
        let is_open =
            self.group(&group)?.is_some_and(|group| scope.names(&group.id, group.kind, group.region.as_deref()));
        let stage = match lifecycle {
            _ if !is_open => RolloutStage::None,
            Lifecycle::Ending | Lifecycle::Settling | Lifecycle::Settled | Lifecycle::Cancelled => {
                RolloutStage::Stopped
            }
            _ if is_tried => RolloutStage::Pilot,
            _ => RolloutStage::General,
        };
        self.reading_again()?.note("groups.stage", group, stage);
        Ok(stage)
    }
}
