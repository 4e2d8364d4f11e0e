//! Events from outside: the activity hears each once, those of one order or subject in order, before new actions.

use serde_json::json;

use crate::{
    capability::{
        bindings::exports::fairground::activity::guest::HostEvent as WitEvent,
        commerce::{ORDER_TIMER, hear_shop, keep_news},
    },
    domain::{
        activity::Lifecycle,
        event::{HostEvent, OWN_STREAM, OrderNews},
        journal::{CallKind, Outcome},
        json::Json,
        order::{Order, Refund, ShopNews, public_id},
        refusal::{Refusal, RefusalKind},
    },
    effects::{Effects, Outgoing, OutgoingKind},
    sandbox::guest::Fault,
    state::Stale,
    store::inbox::Heard,
};

use super::{
    batch::{Batch, Entry, Prepare},
    timers::set_timer,
    work::Answer,
};

/// An event of an order, as the order is once the shop has said so.
struct Changed {
    order: Order,
    refund: Option<Refund>,
    payload: String,
}

impl Batch {
    /// The next event that may be heard now. What comes after one that failed waits until that one was heard.
    pub(super) fn next_heard(&mut self) -> Option<Heard> {
        let next = self
            .inbox
            .iter()
            .position(|heard| self.may_hear(&heard.stream) && !self.failed_timers.contains(&heard.stream));
        next.and_then(|next| self.inbox.remove(next))
    }

    /// Whether events of a stream may be heard now: the host's own need no plugin.
    pub(super) fn may_hear(&self, stream: &str) -> bool {
        let may_run = self.plugin.enabled && self.plugin.breaker.open_for(self.now).is_none();
        (may_run || stream.starts_with(OWN_STREAM)) && !self.resting.contains(stream)
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
            self.apply(heard);
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
            Err(Fault::Plugin(why)) if self.hopeless.contains(stream) => {
                self.count_failure(&why);
                self.apply(heard);
                self.heard.push(stream.clone());
                let refusal = Refusal::new(RefusalKind::Conflict, "common.plugin-fault", &why);
                Ok(self.journal(entry, Outcome::Refused, Json::of(&refusal), "[]".into()))
            }
            Ok(answer) => {
                self.heard.push(stream.clone());
                Ok(answer)
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
        hear_shop(news, &mut order, refund.as_mut());
        let mut payload = json!({
            "intent": order.key, "order": public_id("ord", &id, &order.key), "member": order.member,
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
