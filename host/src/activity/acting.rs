//! Actions: each key once, by whoever may act, while the activity takes them.

use crate::{
    capability::bindings::exports::fairground::activity::guest::ActionCall,
    domain::{
        activity::Lifecycle,
        journal::{CallKind, Recorded},
        refusal::{Refusal, RefusalKind},
    },
    sandbox::guest::Fault,
    state::Source,
};

use super::{
    batch::{Batch, Entry},
    work::{Act, Actor, Answer},
};

impl Batch {
    /// An action that is waiting: answered again, refused by the host, or run.
    pub(super) fn act(&mut self, act: &Act) -> Result<Answer, Fault> {
        if let Some(answer) = self.answer_again(act) {
            return Ok(answer);
        }
        if act.revision != self.activity.revision() {
            return Ok(Answer::Moved);
        }
        if let Err(refusal) = act.standing.clone().and_then(|()| self.open()) {
            return Ok(self.look_up(act)?.unwrap_or(Answer::Rejected(refusal)));
        }
        if let Some(wait) = self.version_rests_for() {
            return Ok(Answer::Resting(wait));
        }
        let actor = act.actor.id().as_str();
        let entry = Entry { kind: CallKind::Action, actor, name: &act.name, key: Some(&act.key), input: &act.input };
        let asked = ActionCall {
            name: act.name.clone(),
            actor: actor.into(),
            by_operator: matches!(act.actor, Actor::Operator(_)),
            input: act.input.clone(),
        };
        let answer = self.call(entry, &|_, _| (), |guest, store, context| guest.call_act(store, &context, &asked));
        match &answer {
            Ok(Answer::Done { seq, outcome, answer }) => {
                self.plugin.breaker.succeeded(&self.activity.id.community);
                let recorded =
                    Recorded { seq: *seq, input: act.input.clone(), outcome: *outcome, answer: answer.clone() };
                self.answered.insert(act.retry_key(), recorded);
            }
            Err(Fault::Plugin(_)) => {
                // A retry that was answered once is answered again, whatever becomes of it now.
                if let Some(before) = self.look_up(act)? {
                    return Ok(before);
                }
                let community = &self.activity.id.community;
                if self.plugin.breaker.failed(community, self.now) {
                    let plugin = &self.plugin.label;
                    tracing::error!(plugin, %community, "a version fails again and again: it rests for a while");
                }
            }
            _ => {}
        }
        answer
    }

    /// The answer that this key has had, as the journal knows it; nothing where it was asked before the slice began.
    fn look_up(&mut self, act: &Act) -> Result<Option<Answer>, Fault> {
        let key = act.retry_key();
        if self.looked_up.contains(&key) {
            return Ok(None);
        }
        let Source { store, id, .. } = &*self.source;
        for (key, recorded) in self.source.wait(store.recorded(id, &[key])).map_err(Fault::Host)? {
            self.answered.insert(key, recorded);
        }
        Ok(self.answer_again(act))
    }

    /// The answer that this key has had, where it is known here. A retry that is not known here would be written twice, which
    /// the commit refuses; only calls that leave nothing in the journal must be looked up before ([`Self::leaves_rows`]).
    fn answer_again(&self, act: &Act) -> Option<Answer> {
        self.answered.get(&act.retry_key()).map(|before| Answer::again(before, &act.input))
    }

    /// Whether this call is sure to get an answer that is journalled, as long as its plugin does not fail.
    pub(super) fn leaves_rows(&self, act: &Act) -> bool {
        act.standing.is_ok() && self.open().is_ok() && self.version_rests_for().is_none()
    }

    /// How long the version takes no actions here, because it failed at too many.
    pub(super) fn version_rests_for(&self) -> Option<i64> {
        self.plugin.breaker.open_for(&self.activity.id.community, self.now)
    }

    /// Whether the activity takes actions now.
    fn open(&self) -> Result<(), Refusal> {
        let no = |kind, code, message| Err(Refusal::new(kind, code, message));
        if !self.plugin.enabled {
            return no(
                RefusalKind::Conflict,
                "common.plugin-disabled",
                "The operator has disabled this kind of activity.",
            );
        }
        let ended = self.activity.ends_at.is_some_and(|end| self.now >= end);
        match self.state().head.lifecycle {
            Lifecycle::Validated | Lifecycle::Scheduled => {
                no(RefusalKind::Conflict, "common.not-started", "The activity has not started.")
            }
            Lifecycle::Running if !ended => Ok(()),
            Lifecycle::Paused if !ended => no(RefusalKind::Conflict, "common.paused", "The activity is paused."),
            _ => no(RefusalKind::Expired, "common.ended", "The activity has ended."),
        }
    }
}
