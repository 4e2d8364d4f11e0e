//! Events from outside: the activity hears each once, those of one order or subject in order, before new actions.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use serde_json::json;

use crate::{
    capability::{
        bindings::exports::fairground::activity::guest::HostEvent as WitEvent,
        commerce::{ORDER_TIMER, keep_news},
    },
    domain::{
        activity::Lifecycle,
        event::{HostEvent, OWN_STREAM, OrderNews},
        journal::{CallKind, Outcome},
        json::Json,
        order::{Order, Refund, ShopNews},
        refusal::{Refusal, RefusalKind},
    },
    effects::{Effects, Outgoing, OutgoingKind},
    sandbox::guest::Fault,
    state::Stale,
    store::inbox::{Heard, Inbox},
};

use super::{
    batch::{Batch, Entry, Prepare},
    timers::set_timer,
    work::Answer,
};

/// After so many failures in a row the plugin is no longer asked to hear an event: what it means for an order is counted all the same.
const FAILURES_MAX: u32 = 20;

/// Timers wait so long for an event that came in before them: as long as a plugin takes to fail twenty times, also one that members make
/// rest after each. It must have been looked for so often as well: a clock that jumps is no wait.
const WAIT_MS_MAX: i64 = 600_000;
const LOOKS_MIN: u32 = FAILURES_MAX;

/// What a batch has to hear, and has heard.
#[derive(Default)]
pub(super) struct Hearing {
    /// What may be heard, in order.
    inbox: VecDeque<Heard>,
    /// When the first was taken of what may not be heard now.
    others_since: Option<i64>,
    /// As of when this is so; none where nobody has looked.
    looked_at: Option<i64>,
    /// Timers have waited for too long: they wait for nothing more.
    is_overdue: bool,
    /// Streams whose events the plugin has failed to hear too often.
    hopeless: HashSet<Arc<str>>,
    /// Streams of what was heard.
    pub(super) heard: Vec<Arc<str>>,
    /// Streams of what the plugin has failed to hear, also where that counts as heard now.
    pub(super) failed: Vec<Arc<str>>,
}

impl Hearing {
    /// Knows what the store has, at a time.
    pub(super) fn learn(&mut self, Inbox { events, others_since }: Inbox, patience: &Patience, now: i64) {
        (self.inbox, self.others_since, self.looked_at) = (events, others_since, Some(now));
        (self.hopeless, self.is_overdue) = (patience.hopeless(), patience.is_over(now));
    }

    /// Notes what became of an event. One that was not heard is still to be heard.
    pub(super) fn note(&mut self, heard: Heard, answer: &Result<Answer, Fault>) {
        if let Err(Fault::Plugin(_)) = answer {
            self.failed.push(heard.stream.clone());
        }
        match answer {
            // One that was given up is no sign that the next will be heard.
            Ok(_) if self.failed.contains(&heard.stream) => {}
            Ok(_) => self.heard.push(heard.stream),
            Err(_) => self.inbox.push_front(heard),
        }
    }

    /// When the first event was taken that is still to be heard.
    fn first(&self) -> Option<i64> {
        self.inbox.iter().map(|heard| heard.due).chain(self.others_since).min()
    }

    /// Until when timers may run: whatever was taken by then has been heard, or nobody waits for it any more.
    pub(super) fn timers_until(&self) -> i64 {
        match (self.is_overdue, self.looked_at) {
            (true, _) => i64::MAX,
            (false, Some(looked_at)) => self.first().map_or(looked_at, |first| looked_at.min(first - 1)),
            (false, None) => i64::MIN,
        }
    }
}

/// How long a runner has waited for its plugin to hear.
#[derive(Default)]
pub(super) struct Patience {
    /// How often in a row the plugin has failed to hear the events of a stream.
    failures: HashMap<Arc<str>, u32>,
    first: Option<First>,
}

/// The first event that is still to be heard.
#[derive(Clone, Copy)]
struct First {
    /// When it was taken.
    due: i64,
    /// Since when it is the first.
    since: i64,
    /// Slices that have left it so.
    looks: u32,
}

impl Patience {
    fn hopeless(&self) -> HashSet<Arc<str>> {
        let hopeless = self.failures.iter().filter(|(_, count)| **count >= FAILURES_MAX);
        hopeless.map(|(stream, _)| stream.clone()).collect()
    }

    fn is_over(&self, now: i64) -> bool {
        self.first.is_some_and(|first| first.looks >= LOOKS_MIN && now - first.since > WAIT_MS_MAX)
    }

    /// Notes what a slice has left to be heard. While a plugin is disabled its timers do not run, and nobody waits.
    pub(super) fn wait(&mut self, batch: &Batch) {
        if batch.hearing.looked_at.is_none() {
            return;
        }
        let first = batch.hearing.first().filter(|_| batch.plugin.enabled);
        self.first = first.map(|due| match self.first {
            Some(first) if first.due == due => First { looks: first.looks.saturating_add(1), ..first },
            _ => First { due, since: batch.now, looks: 1 },
        });
    }

    /// Counts what was committed.
    pub(super) fn count(&mut self, hearing: &Hearing) {
        for stream in &hearing.heard {
            self.failures.remove(stream);
        }
        for stream in &hearing.failed {
            *self.failures.entry(stream.clone()).or_default() += 1;
        }
    }
}

/// An event of an order, as the order is once the shop has said so.
struct Changed {
    order: Order,
    refund: Option<Refund>,
    payload: String,
}

impl Batch {
    /// The next event that may be heard now. What comes after one that failed waits until that one was heard.
    pub(super) fn next_heard(&mut self) -> Option<Heard> {
        let next = self.hearing.inbox.iter().position(|heard| self.may_hear(&heard.stream));
        next.and_then(|next| self.hearing.inbox.remove(next))
    }

    /// Whether events of a stream may be heard now: the host's own need no plugin.
    pub(super) fn may_hear(&self, stream: &str) -> bool {
        let may_run = self.plugin.enabled && self.version_rests_for().is_none();
        (may_run || stream.starts_with(OWN_STREAM)) && !self.rests(stream)
    }

    pub(super) fn hear(&mut self, heard: &Heard) -> Result<Answer, Fault> {
        let Heard { position, event, stream, .. } = heard;
        let changed = match &event.order {
            Some(news) => match self.change_order(news) {
                Ok(changed) => changed,
                Err(error) if error.is::<Stale>() => return Err(Fault::Stale(Stale)),
                Err(error) => return Err(Fault::Host(error)),
            },
            None => None,
        };
        let heard: Prepare<'_> = &|state, effects: &mut Effects| {
            effects.heard.push(*position);
            if let Some(Changed { order, refund, .. }) = &changed {
                keep_news(state, effects, order, refund.as_ref());
                set_timer(state, effects, &format!("{ORDER_TIMER}{}", order.key), None);
                if event.topic == "order.paid" {
                    effects.ordered.insert(order.member.clone(), event.at);
                }
            }
        };
        let payload = changed.as_ref().map_or(event.payload.get(), |changed| &changed.payload);
        let input = format!(
            r#"{{"id":{},"subject":{},"payload":{payload}}}"#,
            Json::of(&event.id).as_str(),
            Json::of(&event.subject).as_str()
        );
        let entry = Entry { kind: CallKind::Event, actor: "", name: &event.topic, key: None, input: &input };
        if stream.starts_with(OWN_STREAM) {
            self.run_by_host(heard, |call| call.hear_own(event))?;
            let answered = self.journal(entry, Outcome::Ok, Json::of(&()), "[]".into());
            self.tell(&event.topic, event.subject.as_str(), Json::of(&event.payload));
            return Ok(answered);
        }
        if !self.wants(event) {
            self.apply(heard);
            return Ok(self.journal(entry, Outcome::Ok, Json::of(&()), "[]".into()));
        }
        let told = WitEvent {
            id: event.id.to_string(),
            topic: event.topic.clone(),
            subject: event.subject.to_string(),
            payload: payload.to_owned(),
            at: event.at,
        };
        let answer = self.call(entry, heard, |guest, store, context| {
            let answered = guest.call_on_event(store, &context, &told)?;
            Ok(answered.map(|()| "null".to_owned()))
        });
        match answer {
            Err(Fault::Plugin(why)) if self.hearing.hopeless.contains(stream) => {
                self.count_failure(&why);
                self.hearing.failed.push(stream.clone());
                self.apply(heard);
                let refusal = Refusal::new(RefusalKind::Conflict, "common.plugin-fault", &why);
                Ok(self.journal(entry, Outcome::Refused, Json::of(&refusal), "[]".into()))
            }
            answer => answer,
        }
    }

    /// The host itself tells of something, in the name of the call that was journalled last.
    pub(super) fn tell(&mut self, topic: &str, subject: &str, payload: Json) {
        let told = Outgoing { kind: OutgoingKind::Event, topic: topic.into(), subject: subject.into(), payload };
        self.effects.outbox.push((self.state().head.seq, told));
    }

    /// Whether the plugin is to be told: of its orders always, of the platform's news while members can act.
    fn wants(&self, event: &HostEvent) -> bool {
        let lives = matches!(self.state().head.lifecycle, Lifecycle::Running | Lifecycle::Paused);
        self.plugin.manifest.hears(&event.topic) && (event.order.is_some() || lives)
    }

    fn change_order(&mut self, OrderNews { key, news }: &OrderNews) -> anyhow::Result<Option<Changed>> {
        let id = self.activity.id.clone();
        let Some(mut order) = self.state_mut().record::<Order>(key)? else { return Ok(None) };
        let mut refund = None;
        if let ShopNews::Refunded { refund: wanted, .. } | ShopNews::RefundRefused { refund: wanted, .. } = news
            && let Some(asked) = self.source.wait(self.source.store.refund_by_id(&id, wanted))?
        {
            refund = self.state_mut().record::<Refund>(&asked.key)?.filter(|refund| refund.order == order.key);
        }
        let beyond = order.hear(news, refund.as_mut());
        if beyond > 0 {
            tracing::warn!(order = %news.order(), activity = %id.activity, beyond, "the shop has paid back more than it was paid");
        }
        let mut payload = json!({
            "intent": order.key, "order": order.id, "member": order.member,
            "total_minor": order.total.minor, "paid_minor": order.paid_minor,
            "refunded_minor": order.refunded_minor, "refunding_minor": order.refunding_minor,
        });
        match news {
            ShopNews::Paid { payment, amount, .. } => {
                payload["payment"] = payment.as_str().into();
                payload["amount_minor"] = amount.minor.into();
            }
            ShopNews::Closed { reason, .. } => payload["reason"] = reason.as_str().into(),
            ShopNews::RefundRefused { reason, .. } => {
                payload["refund"] = refund.as_ref().map(|refund| refund.key.as_str()).into();
                payload["amount_minor"] = refund.as_ref().map_or(0, |refund| refund.amount_minor).into();
                payload["reason"] = reason.as_str().into();
            }
            ShopNews::Refunded { amount, .. } => {
                // None where the shop paid back by itself.
                payload["refund"] = refund.as_ref().map(|refund| refund.key.as_str()).into();
                payload["amount_minor"] = amount.minor.into();
            }
        }
        Ok(Some(Changed { order, refund, payload: payload.to_string() }))
    }
}
