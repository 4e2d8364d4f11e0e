//! Editions: one vote, from its opening to the day it is declared.

use fairground_sdk::{Standing, conflict, prelude::*, unless_never};

use crate::{
    config::{Config, Tie},
    options,
};

/// When options are in, and the first edition opens.
pub(crate) const OPEN: &str = "open";
pub(crate) const CLOSE: &str = "close";
/// When another edition opens.
pub(crate) const NEXT: &str = "next";

/// The instant of an edition that waits for the one before.
const WAITING: &str = "waiting";

/// When more winners are to be rewarded.
pub(crate) const REWARD: &str = "reward";

/// Winners who are rewarded in one call.
const REWARDED_AT_ONCE: usize = 20;

/// A timer lies within 400 days; what is later is planned again then.
const HORIZON_MS: i64 = 399 * 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Members submit options.
    Collecting,
    Open,
    /// The second round, between those that had the most.
    RunOff,
    Declared,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edition {
    pub number: u32,
    pub state: State,
    /// 1, or 2 in a run-off.
    pub round: u32,
    /// What may be chosen in a run-off.
    pub run_off: Vec<String>,
    pub opened_at: i64,
    pub closes_at: i64,
    /// The instant for which it was opened: the same does not open another.
    pub due: i64,
    pub winners: Vec<String>,
    /// How many of them have been rewarded, as far as anybody submitted them.
    pub rewarded: usize,
    /// False where too few voted.
    pub has_quorum: bool,
    /// What a verdict came to; none where there is none.
    pub is_accepted: Option<bool>,
}

/// What an edition's events tell.
#[derive(Serialize)]
struct Told<'a> {
    edition: u32,
    closes_at: Option<i64>,
    /// The first hundred of those that stand in a run-off.
    run_off: &'a [String],
    /// The first hundred.
    winners: &'a [String],
    has_quorum: bool,
    is_accepted: Option<bool>,
    /// Of the round, once it is declared: the first fifty, an option and its points in basis points.
    tallies: Vec<(String, i64)>,
}

/// Tallies that an event tells: with the other lists it stays within 16 KiB.
const TALLIES_TOLD: u32 = 50;

impl Edition {
    /// The one that is going on, or was last.
    pub(crate) fn current(call: &Call<Config>) -> Option<Self> {
        Self::load(call, call.load::<u32>("edition")?)
    }

    pub(crate) fn load(call: &Call<Config>, number: u32) -> Option<Self> {
        call.load(&format!("edition/{number:06}"))
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("edition/{:06}", self.number), self);
    }

    /// The next edition: collecting where options are to be submitted first, else open.
    pub(crate) fn begin(call: &mut Call<Config>, due: i64) {
        let number = call.load::<u32>("edition").unwrap_or(0) + 1;
        let collects_until = call.config.submissions.map(|submissions| submissions.open_until);
        let mut edition = Self {
            number,
            state: State::Collecting,
            round: 1,
            run_off: Vec::new(),
            opened_at: call.now(),
            closes_at: 0,
            due,
            winners: Vec::new(),
            rewarded: 0,
            has_quorum: true,
            is_accepted: None,
        };
        call.save("edition", &number);
        match collects_until.filter(|until| call.now() < *until) {
            Some(until) => {
                edition.closes_at = until;
                plan(call, OPEN, until);
                edition.save(call);
            }
            None => edition.open(call),
        }
    }

    /// From now on it is voted.
    pub(crate) fn open(&mut self, call: &mut Call<Config>) {
        self.state = State::Open;
        self.opened_at = call.now();
        let ends_at = call.ends_at.unwrap_or(i64::MAX);
        let lasts = call.config.duration_ms.map_or(i64::MAX, |ms| call.now().saturating_add_unsigned(ms));
        self.closes_at = lasts.min(ends_at);
        if self.closes_at < i64::MAX {
            plan(call, CLOSE, self.closes_at);
        }
        self.told(call, "vote.opened");
        self.save(call);
    }

    /// Whether it is voted at an instant: the deadline counts, whether or not its timer has run.
    pub(crate) fn is_open(&self, now: i64) -> bool {
        matches!(self.state, State::Open | State::RunOff) && now < self.closes_at
    }

    /// The name of the board that holds the tallies of its round.
    pub(crate) fn board(&self) -> String {
        format!("tally/{}/{}", self.number, self.round)
    }

    pub(crate) fn voters_key(&self) -> String {
        format!("voters/{}/{}", self.number, self.round)
    }

    /// The time is over. In the end there is no time left for a run-off.
    pub(crate) fn close(&mut self, call: &mut Call<Config>, is_last: bool) {
        if !matches!(self.state, State::Open | State::RunOff) {
            return;
        }
        call.cancel_timer(CLOSE);
        self.told(call, "vote.closed");
        self.has_quorum = self.round > 1 || call.counter(&self.voters_key()) >= i64::from(call.config.quorum);
        let leading = if self.has_quorum { self.leading(call) } else { Vec::new() };
        let winners = match call.config.tie {
            _ if leading.len() < 2 => leading,
            Tie::CoWinners => leading,
            Tie::Earliest => leading.into_iter().take(1).collect(),
            Tie::RunOff { ms } if self.round == 1 && !is_last => return self.run_off(call, leading, ms),
            Tie::DrawLots | Tie::RunOff { .. } => {
                let drawn = call.draw("lots", 0, leading.len() as u64 - 1);
                let index = usize::try_from(drawn).expect("fewer than usize can count");
                leading.into_iter().skip(index).take(1).collect()
            }
        };
        self.declare(call, winners);
    }

    fn run_off(&mut self, call: &mut Call<Config>, between: Vec<String>, ms: u64) {
        self.state = State::RunOff;
        self.round = 2;
        self.run_off = between;
        let ends_at = call.ends_at.unwrap_or(i64::MAX);
        self.closes_at = call.now().saturating_add_unsigned(ms).min(ends_at);
        plan(call, CLOSE, self.closes_at);
        self.told(call, "vote.run-off");
        self.save(call);
    }

    fn declare(&mut self, call: &mut Call<Config>, winners: Vec<String>) {
        self.state = State::Declared;
        self.winners = winners;
        self.is_accepted = self.verdict(call);
        self.told(call, "vote.declared");
        if call.config.winner_offer.is_some() {
            let now = call.now();
            plan(call, REWARD, now);
        }
        self.save(call);
        // The next one waited for this.
        if let Some(due) = call.load::<i64>(WAITING) {
            call.delete(WAITING);
            Self::begin(call, due);
        }
    }

    /// Rewards some of those who submitted what has won; true where all are.
    fn reward_some(&mut self, call: &mut Call<Config>) -> bool {
        let Some(offer) = call.config.winner_offer.clone().filter(|_| self.state == State::Declared) else {
            return true;
        };
        let most = REWARDED_AT_ONCE.min(call.batch_of(1, &["vote.rewarded"]) as usize);
        for option in self.winners.iter().skip(self.rewarded).take(most) {
            let Some(submitted) = options::Submitted::load(call, option) else { continue };
            let standing = Standing::CLEAR;
            // One who cannot be rewarded keeps no other from it.
            match call.reward(&format!("winner:{option}"), &offer, &submitted.author, standing) {
                Ok(_) => call.tell("vote.rewarded", &submitted.author, &[("option", option.clone())]),
                Err(problem) => call.log(&format!("{option} is not rewarded: {}", problem.code)),
            }
        }
        self.rewarded = (self.rewarded + most).min(self.winners.len());
        self.save(call);
        self.rewarded == self.winners.len()
    }

    /// Options that have the most of its round, the earliest first; where nobody voted in a run-off, those it was between.
    fn leading(&self, call: &Call<Config>) -> Vec<String> {
        let leading = leading(call, &self.board());
        if leading.is_empty() { self.run_off.clone() } else { leading }
    }

    /// Good among good and bad, in the first round.
    fn verdict(&self, call: &Call<Config>) -> Option<bool> {
        let verdict = call.config.verdict.as_ref()?;
        let board = format!("tally/{}/1", self.number);
        let score = |option: &str| i128::from(options::score(call, &board, option));
        let (good, bad) = (score(&verdict.good), score(&verdict.bad));
        let is_judged = self.has_quorum && good + bad > 0;
        Some(is_judged && good * 10_000 >= (good + bad) * i128::from(verdict.accept_bps))
    }

    fn told(&self, call: &mut Call<Config>, topic: &str) {
        let is_declared = self.state == State::Declared;
        let tallies = if is_declared { call.ranks(&self.board(), 1, TALLIES_TOLD) } else { Vec::new() };
        let told = Told {
            edition: self.number,
            closes_at: unless_never(self.closes_at),
            run_off: &self.run_off[..self.run_off.len().min(100)],
            winners: &self.winners[..self.winners.len().min(100)],
            has_quorum: self.has_quorum,
            is_accepted: self.is_accepted,
            tallies: tallies.into_iter().map(|ranked| (ranked.key, ranked.score)).collect(),
        };
        call.emit(topic, &self.number.to_string(), &told);
    }

    /// V6: the winners are among those that have the most, and one is among them where somebody voted.
    pub(crate) fn is_sound(&self, call: &Call<Config>) -> bool {
        if self.state != State::Declared {
            return self.winners.is_empty();
        }
        let leading = self.leading(call);
        let most = match call.config.tie {
            Tie::CoWinners => leading.len(),
            _ => leading.len().min(1),
        };
        let expected = if self.has_quorum { most } else { 0 };
        self.winners.len() == expected && self.winners.iter().all(|winner| leading.contains(winner))
    }
}

/// The one that can be voted in now.
pub(crate) fn must_be_open(call: &Call<Config>) -> Answer<Edition> {
    let now = call.now();
    match Edition::current(call) {
        Some(edition) if edition.is_open(now) => Ok(edition),
        Some(edition) if edition.state == State::Collecting => {
            Err(conflict("vote.not-open", "Options are still submitted.")
                .retryable()
                .with("opens_at", edition.closes_at))
        }
        Some(_) => Err(conflict("vote.closed", "The vote is closed.")),
        None => Err(conflict("vote.not-open", "The vote has not opened yet.").retryable()),
    }
}

/// Options that have the most of a board, above 0, the earliest first.
fn leading(call: &Call<Config>, board: &str) -> Vec<String> {
    let mut leading = Vec::new();
    let mut top = None;
    loop {
        let page = call.ranks(board, leading.len() as u64 + 1, 250);
        let is_last = page.len() < 250;
        let top = *top.get_or_insert_with(|| page.first().map_or(0, |first| first.score));
        let page: Vec<String> =
            page.into_iter().take_while(|ranked| ranked.score == top && top > 0).map(|ranked| ranked.key).collect();
        let is_over = is_last || page.len() < 250;
        leading.extend(page);
        if is_over {
            return leading;
        }
    }
}

fn plan(call: &mut Call<Config>, timer: &str, at: i64) {
    let within = call.now().saturating_add(HORIZON_MS);
    // There are three timers at most.
    let _ = call.set_timer(timer, at.min(within));
}

/// A deadline has come, or is planned again where it lies further ahead than a timer.
pub(crate) fn on_deadline(call: &mut Call<Config>, timer: &str) {
    let Some(mut edition) = Edition::current(call) else { return };
    let waits_for = match timer {
        OPEN => edition.state == State::Collecting,
        _ => matches!(edition.state, State::Open | State::RunOff),
    };
    if !waits_for {
        return;
    }
    if call.now() < edition.closes_at {
        plan(call, timer, edition.closes_at);
    } else if timer == OPEN {
        edition.open(call);
    } else {
        edition.close(call, false);
    }
}

/// Another edition opens; where the last one is late, as soon as that is over.
pub(crate) fn on_next(call: &mut Call<Config>, due: i64) {
    if let Some(before) = Edition::current(call) {
        if due <= before.due {
            return;
        }
        if before.state != State::Declared {
            call.save(WAITING, &due);
            return;
        }
    }
    Edition::begin(call, due);
}

/// More winners are rewarded; true where all are.
pub(crate) fn reward(call: &mut Call<Config>) -> bool {
    let Some(mut edition) = Edition::current(call) else { return true };
    let is_over = edition.reward_some(call);
    if !is_over {
        let now = call.now();
        plan(call, REWARD, now);
    }
    is_over
}

/// The activity is over: what is open is closed, and what was collected is not voted any more.
pub(crate) fn end(call: &mut Call<Config>) {
    call.cancel_timer(NEXT);
    call.delete(WAITING);
    let Some(mut edition) = Edition::current(call) else { return };
    if edition.state == State::Collecting {
        edition.declare(call, Vec::new());
    }
    edition.close(call, true);
}
