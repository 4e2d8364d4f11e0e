//! `wit/notifications.wit`. What becomes of a notice after the commit is `delivery/post.rs`.

use crate::domain::{
    id::Id,
    notice::{self, Suppressed, day_begin},
    order::public_id,
};

use super::{
    RunningCall,
    wit::notifications::{self as wit, Audience, Disposition, Host, Notice, NoticeError, Receipt},
};

const PARAMS_MAX: usize = 16;
const TEXT_BYTES_MAX: usize = 500;
const DEDUPE_KEY_BYTES_MAX: usize = 128;

fn fits(notice: &Notice) -> bool {
    let texts = notice.params.iter().flat_map(|(name, value)| [name, value]).chain([&notice.template]);
    notice.params.len() <= PARAMS_MAX
        && notice.dedupe_key.len() <= DEDUPE_KEY_BYTES_MAX
        && !notice.dedupe_key.contains('\0')
        && texts.into_iter().all(|text| text.len() <= TEXT_BYTES_MAX && !text.contains('\0'))
}

fn channel(channel: wit::Channel) -> notice::Channel {
    match channel {
        wit::Channel::InApp => notice::Channel::InApp,
        wit::Channel::GroupChat => notice::Channel::GroupChat,
        wit::Channel::Sms => notice::Channel::Sms,
        wit::Channel::Push => notice::Channel::Push,
        wit::Channel::Subscription => notice::Channel::Subscription,
        wit::Channel::Email => notice::Channel::Email,
    }
}

fn urgency(urgency: wit::Urgency) -> notice::Urgency {
    match urgency {
        wit::Urgency::Transactional => notice::Urgency::Transactional,
        wit::Urgency::Activity => notice::Urgency::Activity,
        wit::Urgency::Marketing => notice::Urgency::Marketing,
    }
}

impl RunningCall {
    /// A number that the host keeps among the activity's entries; 0 where there is none.
    pub(super) fn own_number(&mut self, key: &str) -> wasmtime::Result<i64> {
        let value = self.written(key)?.value;
        Ok(value.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or_default())
    }

    pub(super) fn set_own_number(&mut self, key: &str, number: i64) -> wasmtime::Result<()> {
        self.set(key, (number != 0).then(|| number.to_string().into_bytes())).map(drop)
    }

    /// Whether one with this key went to the audience within its window; if not, its own window begins.
    fn is_duplicate(&mut self, notice: &Notice, audience: &str) -> wasmtime::Result<bool> {
        let now = self.reading_again()?.now;
        let seen = format!("\0notice\0{audience}\0{}", notice.dedupe_key);
        if now < self.own_number(&seen)? {
            return Ok(true);
        }
        let window = i64::try_from(notice.dedupe_window).unwrap_or(i64::MAX);
        if window > 0 {
            self.set_own_number(&seen, now.saturating_add(window))?;
        }
        Ok(false)
    }

    /// The audience, where the community has it.
    fn audience(&mut self, audience: &Audience) -> wasmtime::Result<Option<(notice::Audience, Id)>> {
        Ok(match audience {
            Audience::Member(id) => self.member(id)?.map(|member| (notice::Audience::Member, member.id.clone())),
            Audience::Group(id) => self.group(id)?.map(|group| (notice::Audience::Group, group.id)),
        })
    }
}

impl Host for RunningCall {
    fn send(&mut self, notice: Notice) -> wasmtime::Result<Result<Receipt, NoticeError>> {
        self.writing()?;
        if !fits(&notice) {
            return Ok(Err(NoticeError::TooLarge));
        }
        let found = self.audience(&notice.audience)?;
        self.reading_again()?.note("notifications.known", &notice.audience, found.is_some());
        let Some((audience, recipient)) = found else { return Ok(Err(NoticeError::UnknownAudience)) };
        let counted = self.quota.outgoing();
        self.within(counted)?;
        // A member and a group of the same name are told apart.
        let is_duplicate = self.is_duplicate(&notice, &format!("{audience:?}\0{recipient}"))?;
        let call = self.reading_again()?;
        let id = public_id("ntc", &call.activity.id, &format!("{}\n{}", call.seq, call.effects.notices.len()));
        let sent = notice::Notice {
            id: id.clone(),
            audience,
            recipient,
            template: notice.template,
            params: notice.params,
            channel: channel(notice.channel),
            urgency: urgency(notice.urgency),
            due: notice.not_before.unwrap_or(call.now).max(call.now),
            not_after: notice.not_after,
            suppressed: is_duplicate.then_some(Suppressed::Duplicate),
        };
        call.effects.notices.push((call.seq, sent));
        let disposition = if is_duplicate { Disposition::SuppressedDuplicate } else { Disposition::Queued };
        Ok(Ok(Receipt { id: id.to_string(), disposition }))
    }

    fn remaining(&mut self, member: String, channel: wit::Channel) -> wasmtime::Result<u32> {
        let now = self.reading()?.now;
        let mut remaining = 0;
        if let Some(member) = self.member(&member)? {
            let source = self.reading_again()?.source.clone();
            let community = &source.id.community;
            let found = source.wait(async {
                let cap = source.store.rules(community).await?.notices.activity_per_day;
                let since = day_begin(&member.time_zone, now);
                let sent = source.store.activity_notices(community, &member.id, since).await?;
                let left = i64::from(cap).saturating_sub(sent).max(0);
                if channel != wit::Channel::Subscription {
                    return Ok(left);
                }
                let allowed = source.store.subscriptions(community, &member.id).await?;
                Ok(left.min(allowed.iter().map(|allowed| allowed.remaining).sum()))
            });
            remaining = u32::try_from(self.host(found)?).unwrap_or(u32::MAX);
        }
        self.reading_again()?.note("notifications.remaining", (member, channel), remaining);
        Ok(remaining)
    }
}
