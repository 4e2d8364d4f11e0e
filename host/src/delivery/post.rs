//! Notices on their way: rendered, held against what the audience wants and may be burdened with, and taken to it.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    domain::{
        endpoint::EndpointState,
        member::{Member, MemberStatus},
        notice::{Audience, Channel, NoticeState, Suppressed, Urgency, day_begin, quiet_until},
        rules::Rules,
    },
    store::{
        Store,
        notices::{NoticeRow, Room, Text},
    },
};

use super::{
    Delivery,
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

/// One that the host itself fails at keeps no other from going out.
const FAULT_PAUSE_MS: i64 = 60_000;

/// The topic under which webhooks are given notices to take on.
const TOPIC: &str = "notice.send";

const DAY_MS: i64 = 86_400_000;

/// Posts of so many days are looked at for the part that is marketing.
const SHARE_DAYS: i64 = 7;

/// What becomes of a notice before it goes out.
enum Next {
    Suppress(Suppressed),
    Defer(i64),
    Send(Text, Room),
}

impl Delivery {
    /// Looks at whatever notices are due. True where there were any.
    pub(crate) async fn post_round(&self) -> anyhow::Result<bool> {
        let due = self.activities.store.due_notices(self.activities.clock.now(), DUE_MAX).await?;
        let any = !due.is_empty();
        for notice in due {
            let Ok(place) = self.sending.clone().try_acquire_owned() else { return Ok(false) };
            match self.look_at(&notice).await {
                Ok(None) => {}
                Ok(Some((sent, text))) => {
                    let delivery = self.clone();
                    // Not awaited: others go out meanwhile.
                    tokio::spawn(async move {
                        delivery.send(&sent, &text).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), notice = %notice.id, "a notice could not be looked at");
                    let then = self.activities.clock.now() + FAULT_PAUSE_MS;
                    self.activities.store.postpone(&notice, then, 0).await?;
                }
            }
        }
        Ok(any)
    }

    /// Decides on a notice. Answers it as it is on its way, where it is.
    async fn look_at(&self, notice: &NoticeRow) -> anyhow::Result<Option<(NoticeRow, Text)>> {
        let store = &self.activities.store;
        let now = self.activities.clock.now();
        let (text, room) = match self.next(notice, now).await? {
            Next::Suppress(why) => {
                store.suppress(notice, why, now).await?;
                return Ok(None);
            }
            Next::Defer(until) => {
                store.postpone(notice, until, 0).await?;
                return Ok(None);
            }
            Next::Send(text, room) => (text, room),
        };
        let lease = now + LEASE_MS;
        let through = store.let_through(notice, room, &text, (now, lease)).await?;
        if through != Some(Ok(())) {
            return Ok(None);
        }
        if notice.channel == Channel::InApp {
            self.live.tell();
            return Ok(None);
        }
        let sent = NoticeRow { state: NoticeState::Sending, due: lease, decided_at: Some(now), ..notice.clone() };
        Ok(Some((sent, text)))
    }

    async fn next(&self, notice: &NoticeRow, now: i64) -> anyhow::Result<Next> {
        let store = &self.activities.store;
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
        let is_held_back = notice.urgency != Urgency::Transactional;
        if is_held_back && let Some(until) = quiet_until(&rules.notices, &zone, now) {
            // Known by now to be of no use in the morning.
            return Ok(if is_stale(until) { Next::Suppress(Suppressed::Stale) } else { Next::Defer(until) });
        }
        if !self.can_reach(notice).await? {
            return Ok(Next::Suppress(Suppressed::NoChannel));
        }
        let today = day_begin(&zone, now);
        let of_group = notice.audience == Audience::Group;
        let cap = match (notice.urgency, of_group) {
            (Urgency::Transactional, _) => None,
            (_, true) => Some(rules.notices.group_posts_per_day),
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
            Channel::GroupChat | Channel::Sms | Channel::Push | Channel::Subscription => {
                !store.active_webhooks(&notice.community, TOPIC).await?.is_empty()
            }
        })
    }

    async fn send(&self, notice: &NoticeRow, text: &Text) {
        let store = &self.activities.store;
        let sent = match notice.channel {
            Channel::Email => self.mail(store, notice, text).await,
            _ => self.hand_on(store, notice, text).await,
        };
        let written = match sent {
            Ok(()) => store.delivered(notice).await,
            Err(NotSent::Never(why)) => {
                tracing::warn!(notice = %notice.id, why, "a notice was refused");
                store.suppress(notice, Suppressed::Failed, self.activities.clock.now()).await
            }
            Err(NotSent::NotNow(why)) => {
                tracing::debug!(notice = %notice.id, why, "a notice did not go out; it is tried again");
                let pause = usize::try_from(notice.attempts).ok().and_then(|attempts| PAUSES_S.get(attempts));
                match pause {
                    Some(pause) => store.postpone(notice, self.activities.clock.now() + pause * 1_000, 1).await,
                    None => store.suppress(notice, Suppressed::Failed, self.activities.clock.now()).await,
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

    /// Gives a notice to whoever takes it on: every webhook that wants to.
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
        let webhooks = store.active_webhooks(&notice.community, TOPIC).await.map_err(fault)?;
        let told = webhooks.iter().map(|webhook| self.post(webhook, &notice.id, body.clone()));
        for (webhook, answer) in webhooks.iter().zip(join_all(told).await) {
            match answer {
                Ok(status) if status.is_success() => {}
                Ok(status) if status.as_u16() == 410 => {
                    let id = &webhook.id;
                    store.set_endpoint_state(&webhook.community, id, EndpointState::Disabled).await.map_err(fault)?;
                }
                Ok(status) => return Err(NotSent::NotNow(format!("it answered {status}"))),
                Err(why) => return Err(NotSent::NotNow(why)),
            }
        }
        Ok(())
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
