//! Notices on their way: rendered, held against what the audience wants and may be burdened with, and taken to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    domain::{
        endpoint::EndpointState,
        id::Id,
        member::{Member, MemberStatus},
        notice::{Audience, Channel, NoticeState, Suppressed, Urgency, day_begin, quiet_until},
        rules::Rules,
    },
    store::{
        Store,
        notices::{CROWDED_MAX, NoticeRow, Room, Text},
    },
};

use super::{
    Delivery,
    live::{Followed, News},
    mail::NotSent,
    telling::{PAUSES_S, timestamp},
    templates::render,
};

/// Notices that are looked at in one round.
const DUE_MAX: i64 = 64;

/// Notices on their way to mail servers and webhooks at a time.
pub(super) const SENDING_MAX: usize = 64;

/// Whoever sends a notice has so long; then another host may. It is longer than any receiver may take.
const LEASE_MS: i64 = 60_000;

/// Whatever takes longer has not gone out: less than the lease, and longer than any receiver may take.
const SENDING_TIME_MAX: Duration = Duration::from_secs(45);

/// Of one community, so that its slow receivers keep no other's notices.
const SENDING_OF_ONE_MAX: usize = SENDING_MAX / CROWDED_MAX;

/// Where too many of a community are on their way already.
const CROWDED_PAUSE_MS: i64 = 1_000;

/// One that the host itself fails at keeps no other from going out.
const FAULT_PAUSE_MS: i64 = 60_000;

/// The topic under which webhooks are given notices to take on.
const TOPIC: &str = "notice.send";

const DAY_MS: i64 = 86_400_000;

/// Posts of so many days are looked at for the part that is marketing.
const SHARE_DAYS: i64 = 7;

/// A notice that is on its way takes one.
struct Place {
    all: Arc<Mutex<HashMap<Id, usize>>>,
    community: Id,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.lock().expect("nothing panics while it is locked");
        let left = all.remove(&self.community).unwrap_or_default().saturating_sub(1);
        if left > 0 {
            all.insert(self.community.clone(), left);
        }
    }
}

/// What becomes of a notice before it goes out.
enum Next {
    Suppress(Suppressed),
    Defer(i64),
    Send(Text, Room),
}

impl Delivery {
    /// Looks at whatever notices are due. True where there were any.
    pub(crate) async fn post_round(&self) -> anyhow::Result<bool> {
        let store = &self.activities.store;
        let due = store.due_notices(self.activities.clock.now(), DUE_MAX, &self.crowded()).await?;
        let any = !due.is_empty();
        for notice in due {
            let (delivery, known) = (self.clone(), notice.clone());
            // A task of its own: should one panic, the others are looked at all the same.
            let looked_at = tokio::spawn(async move { delivery.look_at(&known).await });
            let failed = match looked_at.await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => format!("{error:#}"),
                Err(error) => error.to_string(),
            };
            tracing::error!(error = failed, notice = %notice.id, "a notice could not be looked at");
            store.faulted(&notice, self.activities.clock.now() + FAULT_PAUSE_MS).await?;
        }
        Ok(any)
    }

    /// Communities whose notices fill the room that they have.
    fn crowded(&self) -> Vec<Id> {
        let all = self.sending_of.lock().expect("nothing panics while it is locked");
        let full = all.iter().filter(|(_, count)| **count >= SENDING_OF_ONE_MAX);
        full.map(|(community, _)| community.clone()).take(CROWDED_MAX).collect()
    }

    /// Decides on a notice, and sends it where it is to go out.
    async fn look_at(&self, notice: &NoticeRow) -> anyhow::Result<()> {
        let store = &self.activities.store;
        let now = self.activities.clock.now();
        let (text, room) = match self.next(notice, now).await? {
            Next::Suppress(why) => return store.suppress(notice, why, now).await,
            Next::Defer(until) => return store.defer(notice, until).await,
            Next::Send(text, room) => (text, room),
        };
        if notice.channel == Channel::InApp {
            let through = store.let_through(notice, room, &text, (now, now)).await?;
            if through == Some(Ok(())) {
                self.live.tell(match notice.audience {
                    Audience::Member => News::Of(Followed::Inbox(notice.community.clone(), notice.recipient.clone())),
                    Audience::Group => News::Inboxes(notice.community.clone()),
                });
            }
            return Ok(());
        }
        let Some(place) = self.place_of(&notice.community) else {
            // Others are not kept waiting for those who take their time.
            return store.try_again(notice, now + CROWDED_PAUSE_MS).await;
        };
        // Read again: deciding may have taken a while.
        let lease = self.activities.clock.now() + LEASE_MS;
        if store.let_through(notice, room, &text, (now, lease)).await? == Some(Ok(())) {
            let attempts = notice.attempts + 1;
            let sent = NoticeRow {
                state: NoticeState::Sending,
                due: lease,
                decided_at: Some(now),
                attempts,
                ..notice.clone()
            };
            let delivery = self.clone();
            // Not awaited: others go out meanwhile.
            tokio::spawn(async move {
                delivery.send(&sent, &text).await;
                drop(place);
            });
        }
        Ok(())
    }

    /// Room for one more notice of a community to be on its way.
    fn place_of(&self, community: &Id) -> Option<Place> {
        let permit = self.sending.clone().try_acquire_owned().ok()?;
        let mut own = self.sending_of.lock().expect("nothing panics while it is locked");
        let count = own.entry(community.clone()).or_default();
        if *count >= SENDING_OF_ONE_MAX {
            return None;
        }
        *count += 1;
        Some(Place { all: self.sending_of.clone(), community: community.clone(), _permit: permit })
    }

    async fn next(&self, notice: &NoticeRow, now: i64) -> anyhow::Result<Next> {
        let store = &self.activities.store;
        // The host that was sending it may have ended again and again.
        if usize::try_from(notice.attempts).is_ok_and(|attempts| attempts > PAUSES_S.len()) {
            return Ok(Next::Suppress(Suppressed::Failed));
        }
        let is_stale = |at: i64| notice.not_after.is_some_and(|end| at > end);
        if is_stale(now) {
            return Ok(Next::Suppress(Suppressed::Stale));
        }
        let rules = store.rules(&notice.community).await?;
        let Some((zone, member)) = self.audience(notice).await? else {
            return Ok(Next::Suppress(Suppressed::NoAudience));
        };
        let text = match self.text(notice, &rules, member.as_ref()).await? {
            Ok(text) => text,
            Err(why) => return Ok(Next::Suppress(why)),
        };
        if let Some(member) = &member {
            let unwanted = store.opt_outs(&notice.community, &member.id).await?;
            if unwanted.iter().any(|kind| (kind.urgency, kind.channel) == (notice.urgency, notice.channel)) {
                return Ok(Next::Suppress(Suppressed::OptOut));
            }
        }
        let of_group = notice.audience == Audience::Group;
        // A group has done nothing that it would have to be told of at night.
        let is_held_back = notice.urgency != Urgency::Transactional || of_group;
        if is_held_back && let Some(until) = quiet_until(&rules.notices, &zone, now) {
            // Known by now to be of no use in the morning.
            return Ok(if is_stale(until) { Next::Suppress(Suppressed::Stale) } else { Next::Defer(until) });
        }
        if !self.can_reach(notice).await? {
            return Ok(Next::Suppress(Suppressed::NoChannel));
        }
        let today = day_begin(&zone, now);
        let cap = match (notice.urgency, of_group) {
            (_, true) => Some(rules.notices.group_posts_per_day),
            (Urgency::Transactional, false) => None,
            (Urgency::Activity, false) => Some(rules.notices.activity_per_day),
            (Urgency::Marketing, false) => Some(rules.notices.marketing_per_day),
        };
        let shares = of_group && notice.urgency == Urgency::Marketing;
        let room = Room {
            cap: cap.map(|cap| (cap, today)),
            marketing: shares.then_some((rules.notices.group_marketing_percent, now - SHARE_DAYS * DAY_MS)),
            // It was taken with the first attempt.
            takes_subscription: notice.channel == Channel::Subscription && notice.attempts == 0,
        };
        Ok(Next::Send(text, room))
    }

    /// The audience's zone, and the member where it is one; none where the audience is gone.
    async fn audience(&self, notice: &NoticeRow) -> anyhow::Result<Option<(String, Option<Member>)>> {
        let store = &self.activities.store;
        match notice.audience {
            Audience::Member => {
                let member = store.member(&notice.community, &notice.recipient).await?;
                let member = member.filter(|member| member.status != MemberStatus::Closed);
                Ok(member.map(|member| (member.time_zone.clone(), Some(member))))
            }
            Audience::Group => {
                let is_there = store.group(&notice.community, &notice.recipient).await?.is_some();
                let home = store.community(&notice.community).await?.filter(|_| is_there);
                Ok(home.map(|home| (home.time_zone, None)))
            }
        }
    }

    async fn text(
        &self,
        notice: &NoticeRow,
        rules: &Rules,
        member: Option<&Member>,
    ) -> anyhow::Result<Result<Text, Suppressed>> {
        let own = member.and_then(|member| member.language.as_deref()).unwrap_or(&rules.language);
        let store = &self.activities.store;
        let languages = fallbacks(own, &rules.language);
        let Some(template) = store.notice_template(&notice.community, &notice.template, &languages).await? else {
            tracing::warn!(template = notice.template, community = %notice.community, "a notice has no template");
            return Ok(Err(Suppressed::NoTemplate));
        };
        let name = store.community(&notice.community).await?.map_or_else(String::new, |home| home.name);
        let member = member.map_or("", |member| member.id.as_str());
        let known = (name.as_str(), notice.activity.as_str(), member);
        Ok(render((&template.title, &template.body), &notice.params, known).map_err(|error| {
            tracing::warn!(template = notice.template, community = %notice.community, %error, "a template failed");
            Suppressed::TemplateFault
        }))
    }

    /// Whether there is a way to the audience over the notice's channel.
    async fn can_reach(&self, notice: &NoticeRow) -> anyhow::Result<bool> {
        let store = &self.activities.store;
        Ok(match notice.channel {
            Channel::InApp => true,
            Channel::Email => {
                let is_member = notice.audience == Audience::Member;
                is_member && self.mailer.is_some() && store.email(&notice.community, &notice.recipient).await?.is_some()
            }
            Channel::Subscription if notice.audience == Audience::Group => false,
            Channel::GroupChat | Channel::Sms | Channel::Push | Channel::Subscription => {
                !store.webhooks_for(&notice.community, TOPIC).await?.is_empty()
            }
        })
    }

    async fn send(&self, notice: &NoticeRow, text: &Text) {
        let store = &self.activities.store;
        let sending = async {
            match notice.channel {
                Channel::Email => self.mail(store, notice, text).await,
                _ => self.hand_on(store, notice, text).await,
            }
        };
        let sent = match tokio::time::timeout(SENDING_TIME_MAX, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(NotSent::NotNow("it took too long".into())),
        };
        let now = self.activities.clock.now();
        let written = match sent {
            Ok(()) => store.delivered(notice).await,
            Err(NotSent::Never(why)) => {
                tracing::warn!(notice = %notice.id, why, "a notice was refused");
                store.suppress(notice, Suppressed::Failed, now).await
            }
            Err(NotSent::NotNow(why)) => {
                tracing::debug!(notice = %notice.id, why, "a notice did not go out; it is tried again");
                let before = usize::try_from(notice.attempts - 1).ok();
                match before.and_then(|before| PAUSES_S.get(before)) {
                    Some(pause) => store.try_again(notice, now + pause * 1_000).await,
                    None => store.suppress(notice, Suppressed::Failed, now).await,
                }
            }
        };
        if let Err(error) = written {
            tracing::error!(error = format!("{error:#}"), notice = %notice.id, "what became of a notice could not be kept");
        }
    }

    async fn mail(&self, store: &Store, notice: &NoticeRow, text: &Text) -> Result<(), NotSent> {
        let fault = |error: anyhow::Error| NotSent::NotNow(format!("{error:#}"));
        let address = store.email(&notice.community, &notice.recipient).await.map_err(fault)?;
        match (&self.mailer, address) {
            (Some(mailer), Some(address)) => mailer.send(&notice.id, &address, text).await,
            _ => Err(NotSent::Never("there is no address any more".into())),
        }
    }

    /// Gives a notice to whoever takes it on: every webhook that asked for notices. One that did is enough.
    async fn hand_on(&self, store: &Store, notice: &NoticeRow, text: &Text) -> Result<(), NotSent> {
        let fault = |error: anyhow::Error| NotSent::NotNow(format!("{error:#}"));
        let body = json!({
            "type": TOPIC, "timestamp": timestamp(notice.at).map_err(fault)?, "community": notice.community,
            "activity": notice.activity, "subject": notice.recipient,
            "data": {
                "notice": notice.id, "audience": notice.audience, "channel": notice.channel, "urgency": notice.urgency,
                "template": notice.template, "params": notice.params, "title": text.title, "body": text.body,
                "not_after": notice.not_after,
            },
        })
        .to_string();
        let webhooks = store.webhooks_for(&notice.community, TOPIC).await.map_err(fault)?;
        let told = webhooks.iter().map(|webhook| self.post(webhook, &notice.id, body.clone()));
        let (mut taken, mut failed) = (false, None);
        for (webhook, answer) in webhooks.iter().zip(join_all(told).await) {
            match answer {
                Ok(status) if status.is_success() => taken = true,
                Ok(status) if status.as_u16() == 410 => {
                    let id = &webhook.id;
                    store.set_endpoint_state(&webhook.community, id, EndpointState::Disabled).await.map_err(fault)?;
                }
                Ok(status) => failed = Some(format!("it answered {status}")),
                Err(why) => failed = Some(why),
            }
        }
        match failed {
            _ if taken => Ok(()),
            Some(why) => Err(NotSent::NotNow(why)),
            // Once more, to find that there is no way.
            None => Err(NotSent::NotNow("nobody takes notices on any more".into())),
        }
    }
}

/// Languages that would do, the best first: the member's, as it is and then without region and script, the community's likewise.
fn fallbacks<'a>(own: &'a str, community: &'a str) -> Vec<&'a str> {
    let mut all = Vec::new();
    for mut language in [own, community] {
        loop {
            if !all.contains(&language) {
                all.push(language);
            }
            match language.rsplit_once('-') {
                Some((less, _)) => language = less,
                None => break,
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_falls_back_to_what_is_nearest() {
        assert_eq!(fallbacks("zh-Hant-TW", "en"), ["zh-Hant-TW", "zh-Hant", "zh", "en"]);
        assert_eq!(fallbacks("en-GB", "en"), ["en-GB", "en"]);
    }
}
