//! The registry of activities in memory, and the ways in: act, control, ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    runtime::Handle,
    sync::{OnceCell, mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    capability::{Call, Mode, shared::Shared},
    clock::Clock,
    domain::{
        activity::{Activity, ActivityId, Scope},
        id::Id,
        journal::{CallKind, RetryKey},
        json::Json,
        member::MemberStatus,
        refusal::{Refusal, RefusalKind},
    },
    effects::Effects,
    sandbox::{
        catalog::{Catalog, Loaded},
        guest::Fault,
        threads::GuestThreads,
    },
    state::{Source, State},
    store::{Store, timers::Due},
};

use super::{
    committer::Committer,
    exchange::{context, output_json, page_text, refusal},
    runner::{QUEUE_MAX, RETRY_AFTER_MS, Runner},
    work::{Act, Answer, Control, Queued, Work},
};

/// Due activities that are read at once.
const DUE_PAGE: usize = 250;

/// Activities whose timers are waited for at once. A round comes to every activity that is due, however many cannot run theirs.
const WOKEN_MAX: usize = 1_000;

/// A round of timers waits no longer for one activity; its timers run on.
const WAKE_TIME_MAX: Duration = Duration::from_secs(5);

/// How often a query is run again because another host moved the activity on meanwhile.
const QUERY_ATTEMPTS_MAX: u32 = 5;

/// A runner as others know it.
#[derive(Clone)]
struct Resident {
    activity: Arc<Activity>,
    source: Arc<Source>,
    queue: mpsc::Sender<Queued>,
    committed: Arc<Mutex<State>>,
}

type Residents = Arc<Mutex<HashMap<ActivityId, Arc<OnceCell<Resident>>>>>;

#[derive(Clone)]
pub(crate) struct Activities {
    pub store: Store,
    pub catalog: Catalog,
    pub threads: GuestThreads,
    pub clock: Clock,
    committer: Committer,
    residents: Residents,
}

/// What is asked of an activity without changing it.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Query { name: String, input: String },
    Page,
    Audit,
}

impl Activities {
    pub(crate) fn new(store: Store, catalog: Catalog, clock: Clock) -> Self {
        let committer = Committer::start(store.clone());
        Self { store, catalog, threads: GuestThreads::start(), clock, committer, residents: Residents::default() }
    }

    /// None where the community has no such activity.
    pub(crate) async fn act(&self, id: &ActivityId, act: Act) -> anyhow::Result<Option<Answer>> {
        self.ask_runner(id, || Work::Act(act.clone())).await
    }

    /// Whether another host has moved an activity on since this one has read it; then it is read anew.
    pub(crate) async fn catch_up(&self, id: &ActivityId) -> anyhow::Result<bool> {
        let Some(resident) = self.resident(id).await? else { return Ok(false) };
        let known = resident.committed.lock().expect("nothing panics while it is locked").head.seq;
        let is_behind = known < self.store.head(id).await?.seq;
        if is_behind {
            self.ask_runner(id, || Work::Refresh).await?;
        }
        Ok(is_behind)
    }

    /// What this call was answered before, where the version of today would not take it.
    pub(crate) async fn answered(&self, id: &ActivityId, key: RetryKey, input: &str) -> anyhow::Result<Option<Answer>> {
        let found = self.store.recorded(id, std::slice::from_ref(&key)).await?;
        Ok(found.get(&key).map(|before| Answer::again(before, input)))
    }

    pub(crate) async fn control(&self, id: &ActivityId, control: Control, key: &Id) -> anyhow::Result<Option<Answer>> {
        let Control::Upgrade(version) = &control else {
            return self.ask_runner(id, || Work::Control(control.clone(), key.clone())).await;
        };
        let Some(Resident { activity, .. }) = self.resident(id).await? else { return Ok(None) };
        let to = self.catalog.load(&activity.plugin, version).await?.filter(|loaded| loaded.enabled);
        let Some(to) = to else {
            let message = "There is no such version of its plugin, or it is not enabled.";
            return Ok(Some(Answer::Rejected(Refusal::new(RefusalKind::NotFound, "plugin.unknown", message))));
        };
        self.ask_runner(id, || Work::Upgrade(to.clone(), key.clone())).await
    }

    /// The version that an activity is pinned to, ready to be called.
    pub(crate) async fn plugin_of(&self, id: &ActivityId) -> anyhow::Result<Option<(Arc<Activity>, Arc<Loaded>)>> {
        let Some(Resident { activity, .. }) = self.resident(id).await? else { return Ok(None) };
        let loaded = self.catalog.load(&activity.plugin, &activity.version).await?;
        Ok(Some((activity, loaded.context("the activity's plugin is gone")?)))
    }

    /// Whether a member may take part: status first, then scope.
    pub(crate) async fn standing(&self, activity: &Activity, member: &Id) -> anyhow::Result<Result<(), Refusal>> {
        let no = |code, message| Ok(Err(Refusal::new(RefusalKind::NotAllowed, code, message)));
        let community = &activity.id.community;
        match self.store.member(community, member).await? {
            None => return no("common.not-a-member", "There is no such member in this community."),
            Some(member) if member.status != MemberStatus::Active => {
                return no("common.member-not-active", "This member may not act now.");
            }
            Some(_) => {}
        }
        let places = match &activity.scope {
            Scope::All => return Ok(Ok(())),
            Scope::Groups(groups) => self.store.memberships_of(community, member, groups).await?,
            Scope::Kinds(_) | Scope::Region(_) => {
                self.store.memberships_within(community, member, &activity.scope).await?
            }
        };
        if places.iter().any(|place| place.muted_until <= self.clock.now()) {
            return Ok(Ok(()));
        }
        if !places.is_empty() {
            return no("common.muted", "This member is muted in the activity's groups.");
        }
        no("common.not-in-scope", "The activity is for other groups.")
    }

    /// Runs the timers that are due, of activities that nobody acts in.
    pub(crate) async fn run_due_timers(&self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut woken = JoinSet::new();
        let mut after = None;
        loop {
            let page = self.store.due_activities(now, after.as_ref(), DUE_PAGE).await?;
            for Due { id, .. } in &page {
                if woken.len() == WOKEN_MAX {
                    woken.join_next().await;
                }
                woken.spawn(self.clone().look_at_timers(id.clone()));
            }
            if page.len() < DUE_PAGE {
                break;
            }
            after = page.into_iter().next_back();
        }
        while woken.join_next().await.is_some() {}
        Ok(())
    }

    /// Has an activity look at its timers. One that takes its time, or cannot be loaded, keeps no other from them.
    async fn look_at_timers(self, id: ActivityId) {
        match tokio::time::timeout(WAKE_TIME_MAX, self.ask_runner(&id, || Work::Wake)).await {
            Ok(Err(error)) => {
                tracing::error!(error = format!("{error:#}"), activity = %id.activity, "its timers could not be run");
            }
            Ok(Ok(_)) => {}
            Err(_) => tracing::warn!(activity = %id.activity, "its timers take long"),
        }
    }

    /// Asks something that changes nothing, on the state of the last commit. None where there is no such activity.
    pub(crate) async fn ask(
        &self,
        id: &ActivityId,
        viewer: Option<String>,
        asked: &Asked,
    ) -> anyhow::Result<Option<Result<Json, AskError>>> {
        for _ in 0..QUERY_ATTEMPTS_MAX {
            // Looked up after it: it may have moved to another version.
            if self.catch_up(id).await? {
                continue;
            }
            let Some(resident) = self.resident(id).await? else { return Ok(None) };
            let state = resident.committed.lock().expect("nothing panics while it is locked").clone();
            match self.ask_once(&resident, state, viewer.clone(), asked.clone()).await? {
                Err(Fault::Stale(_)) => {}
                Err(Fault::Host(error)) => return Err(error),
                Err(Fault::Plugin(why)) => return Ok(Some(Err(AskError::Faulted(why)))),
                Ok(answer) => return Ok(Some(answer.map_err(AskError::Refused))),
            }
        }
        Ok(Some(Err(AskError::Busy(RETRY_AFTER_MS))))
    }

    async fn ask_once(
        &self,
        resident: &Resident,
        state: State,
        viewer: Option<String>,
        asked: Asked,
    ) -> anyhow::Result<Result<Result<Json, Refusal>, Fault>> {
        let Resident { activity, source, .. } = resident;
        let loaded =
            self.catalog.load(&activity.plugin, &activity.version).await?.context("the activity's plugin is gone")?;
        let budget = match &activity.budget {
            Some(budget) => self.store.budget(&activity.id.community, budget).await?,
            None => None,
        };
        let now = self.clock.now().max(state.head.now);
        let call = Box::new(Call {
            activity: activity.clone(),
            manifest: loaded.manifest.clone(),
            mode: Mode::ReadOnly,
            now,
            seq: state.head.seq,
            state,
            shared: Shared::new(budget),
            effects: Effects::default(),
            source: source.clone(),
            facts: Default::default(),
            has_asked_zone: false,
            draws: 0,
        });
        let sandbox = self.catalog.sandbox.clone();
        self.threads
            .run(&activity.id.community, move || {
                let context = context(&call.activity, &call.state.head, CallKind::Action, now);
                let done = sandbox.call(&loaded.linked, &loaded.label, Some(call), |guest, store| {
                    Ok(match &asked {
                        Asked::Query { name, input } => {
                            guest.call_query(store, &context, name, viewer.as_deref(), input)?
                        }
                        Asked::Page => {
                            guest.call_page(store, &context, viewer.as_deref())?.map(|blocks| page_text(&blocks))
                        }
                        Asked::Audit => {
                            guest.call_audit(store, &context)?.map(|broken| Json::of(&broken).as_str().into())
                        }
                    })
                });
                match done.answer? {
                    Ok(output) => output_json(output).map(Ok),
                    Err(problem) => Ok(Err(refusal(problem))),
                }
            })
            .await
    }

    pub(super) async fn ask_runner(&self, id: &ActivityId, work: impl Fn() -> Work) -> anyhow::Result<Option<Answer>> {
        loop {
            let Some(resident) = self.resident(id).await? else { return Ok(None) };
            let (reply, answer) = oneshot::channel();
            match resident.queue.try_send(Queued { work: work(), reply }) {
                // No answer: its batch panicked.
                Ok(()) => return Ok(Some(answer.await.unwrap_or(Answer::Failed))),
                Err(mpsc::error::TrySendError::Full(_)) => return Ok(Some(Answer::Busy(RETRY_AFTER_MS))),
                // It retired a moment ago; the next look-up opens it anew.
                Err(mpsc::error::TrySendError::Closed(_)) => tokio::task::yield_now().await,
            }
        }
    }

    /// The activity in memory, loaded if need be.
    async fn resident(&self, id: &ActivityId) -> anyhow::Result<Option<Resident>> {
        let cell = self.lock().entry(id.clone()).or_default().clone();
        if let Some(resident) = cell.get() {
            return Ok(Some(resident.clone()));
        }
        let opened = cell.get_or_try_init(|| async { self.open(id).await?.ok_or(OpenError::Missing) }).await;
        match opened {
            Ok(resident) => Ok(Some(resident.clone())),
            Err(error) => {
                self.lock().remove(id);
                match error {
                    OpenError::Missing => Ok(None),
                    OpenError::Fault(error) => Err(error),
                }
            }
        }
    }

    async fn open(&self, id: &ActivityId) -> anyhow::Result<Option<Resident>> {
        if self.store.activity(id).await?.is_none() {
            return Ok(None);
        }
        let source = Arc::new(Source { store: self.store.clone(), runtime: Handle::current(), id: id.clone() });
        let state = State::load(source.clone()).await?;
        // Read after the state: an old version never meets a newer shape of it.
        let Some((activity, _)) = self.store.activity(id).await? else { return Ok(None) };
        let committed = Arc::new(Mutex::new(state.clone()));
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let activity = Arc::new(activity);
        let means = (self.catalog.clone(), self.threads.clone(), self.committer.clone(), self.clock.clone());
        let runner = Runner::new(activity.clone(), source.clone(), means, state, committed.clone());
        let (residents, id) = (self.residents.clone(), id.clone());
        tokio::spawn(
            runner.run(waiting, move || drop(residents.lock().expect("nothing panics while it is locked").remove(&id))),
        );
        Ok(Some(Resident { activity, source, queue, committed }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ActivityId, Arc<OnceCell<Resident>>>> {
        self.residents.lock().expect("nothing panics while it is locked")
    }
}

enum OpenError {
    Missing,
    Fault(anyhow::Error),
}

impl From<anyhow::Error> for OpenError {
    fn from(error: anyhow::Error) -> Self {
        Self::Fault(error)
    }
}

/// Why there is no answer to a question.
#[derive(Debug)]
pub(crate) enum AskError {
    Refused(Refusal),
    Faulted(String),
    Busy(i64),
}
