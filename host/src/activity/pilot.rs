//! Pilots: at the gate it is looked at what an activity has shown in the groups that it is tried in. One that passes is for all whom it is to
//! be for, by itself or when somebody says so; one that does not stays where it is, and says why.

use crate::{
    domain::{
        activity::{Activity, Change, Head, Lifecycle, Scope},
        journal::{CallKind, Outcome},
        json::Json,
        refusal::{Refusal, RefusalKind},
        rollout::{Gate, Measured, Pilot},
    },
    effects::Timer,
    sandbox::guest::Fault,
    store::Store,
};

use super::{
    Activities, AskError, Asked,
    batch::{Batch, Entry, Prepare},
    exchange::context,
    timers::{REVIEW_TIMER, set_timer},
    work::Answer,
};

/// Told at each review, with what was found.
const REVIEWED: &str = "rollout.reviewed";

/// What it has shown, but for its audit.
async fn measure(store: &Store, activity: &Activity, head: &Head, now: i64) -> anyhow::Result<Measured> {
    let window_ms = activity.rollout.as_ref().map_or(0, |rollout| rollout.pilot.window_ms);
    let deeds = store.deeds_of_members(&activity.id, now, window_ms).await?;
    let growth = store.growth(&activity.id).await?;
    let channels = growth.finish(&store.given(&activity.id).await?, activity.currency);
    let measured = Measured {
        run_ms: if head.started_at == 0 { 0 } else { now.saturating_sub(head.started_at) },
        participants: deeds.participants,
        calls: head.seq,
        faults: head.faults,
        windows: (deeds.before, deeds.last),
        ..Measured::default()
    };
    Ok(measured.with_channels(channels.values()))
}

impl Activities {
    /// How the gate stands; none where there is no such activity, or it is not tried first.
    pub(crate) async fn gate(&self, activity: &Activity, head: &Head) -> anyhow::Result<Option<Gate>> {
        let Some(rollout) = &activity.rollout else { return Ok(None) };
        let now = self.clock.now().max(head.now);
        let findings = match self.ask(&activity.id, None, &Asked::Audit).await? {
            Some(Ok(broken)) => serde_json::from_str(broken.as_str())?,
            Some(Err(AskError::Refused(refusal))) => vec![refusal.code],
            Some(Err(AskError::Faulted(why))) => vec![why],
            Some(Err(AskError::Busy(_))) | None => vec!["the audit was not heard".into()],
        };
        let measured = Measured { findings, ..measure(&self.store, activity, head, now).await? };
        Ok(Some(rollout.pilot.judge(measured, activity.currency)))
    }
}

impl Batch {
    /// The gate is due to be looked at; what is found is told, whatever it is.
    pub(super) fn review(&mut self, fired: Prepare<'_>) -> Result<Answer, Fault> {
        let activity = self.activity.clone();
        let lifecycle = self.state().head.lifecycle;
        let entry = |name, input| Entry::own(CallKind::Expand, name, input);
        let Some(rollout) = activity.open_pilot() else {
            return self.host_call(entry("review", "null"), lifecycle, fired);
        };
        if lifecycle != Lifecycle::Running {
            let again = (lifecycle == Lifecycle::Paused).then(|| self.next_review(&rollout.pilot));
            return self.host_call(entry("review", "null"), lifecycle, &|state, effects| {
                set_timer(state, effects, REVIEW_TIMER, again.clone());
            });
        }
        let gate = self.gate(&rollout.pilot)?;
        let expands = gate.passed && rollout.pilot.auto_expand;
        self.apply(fired);
        let answer = Json::of(&gate);
        // Somebody may have expanded it to others meanwhile.
        let wider = activity.scope.with(&rollout.to);
        let input = Json::of(&wider);
        let answered = if expands {
            self.changed = Some(Change::Scope(wider));
            self.journal(entry("expand", input.as_str()), Outcome::Ok, answer.clone(), "[]".into())
        } else {
            let next = self.next_review(&rollout.pilot);
            self.set_timer(REVIEW_TIMER, Some(next));
            self.journal(entry("review", "null"), Outcome::Ok, answer.clone(), "[]".into())
        };
        let subject = activity.id.activity.to_string();
        self.tell(REVIEWED, &subject, answer);
        Ok(answered)
    }

    /// Why it may not be for more yet; nothing where it may.
    pub(super) fn refuse_expansion(&mut self, wider: &Scope) -> Result<Option<Refusal>, Fault> {
        let activity = self.activity.clone();
        let Some(rollout) = activity.open_pilot() else { return Ok(None) };
        if wider.is_within(&activity.scope) {
            return Ok(None);
        }
        let gate = self.gate(&rollout.pilot)?;
        let lacking: Vec<String> =
            gate.lacking.iter().map(|lacking| Json::of(lacking).as_str().trim_matches('"').to_owned()).collect();
        Ok((!gate.passed).then(|| Refusal {
            params: vec![("lacking".into(), lacking.join(" "))],
            ..Refusal::new(RefusalKind::Conflict, "rollout.not-ready", "The pilot has not shown what it is to show.")
        }))
    }

    /// The timer of the first review.
    pub(super) fn first_review(&self) -> Option<Timer> {
        let pilot = &self.activity.open_pilot()?.pilot;
        Some(Timer::once(self.now.saturating_add(pilot.least_run_ms()), "null"))
    }

    fn next_review(&self, pilot: &Pilot) -> Timer {
        Timer::once(self.now.saturating_add(pilot.window_ms), "null")
    }

    fn gate(&mut self, pilot: &Pilot) -> Result<Gate, Fault> {
        let findings = self.findings()?;
        let (head, now) = (self.state().head, self.now);
        let measured =
            self.source.wait(measure(&self.source.store, &self.activity, &head, now)).map_err(Fault::Host)?;
        Ok(pilot.judge(Measured { findings, ..measured }, self.activity.currency))
    }

    /// What the activity itself finds broken. What it did meanwhile is forgotten.
    fn findings(&mut self) -> Result<Vec<String>, Fault> {
        let call = self.begin(&|_, _| ());
        let context = context(&self.activity, &call.state.head, CallKind::Expand, self.now);
        let Self { sandbox, plugin, .. } = &*self;
        let ended =
            sandbox.call(&plugin.linked, &plugin.label, Some(call), |guest, store| guest.call_audit(store, &context));
        self.forget(*ended.call.expect("a call was given"));
        match ended.answer {
            Ok(Ok(broken)) => Ok(broken),
            Ok(Err(problem)) => Ok(vec![problem.code]),
            Err(Fault::Plugin(why)) => Ok(vec![why]),
            Err(fault) => Err(fault),
        }
    }
}
