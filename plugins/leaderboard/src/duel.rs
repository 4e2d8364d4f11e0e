//! Duels: two score against each other for a while; the better takes both stakes.

use fairground_sdk::{Queue, bounded, conflict, expired, invalid, not_allowed, not_found, prelude::*};

use crate::{
    config::{Config, Pk, Stake, Subject},
    scoring::must_score,
};

/// Duels that wait for an acceptance or a decision, by the time of it.
pub(crate) const DUELS: Queue<'static> = Queue("duel");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Proposed,
    Running,
    /// One was better.
    Won,
    Drawn,
    Declined,
    /// Nobody accepted in time, or the activity ended first.
    Expired,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Side {
    pub subject: String,
    /// What it has scored since the duel began.
    pub score: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Duel {
    pub id: String,
    pub sides: [Side; 2],
    pub state: State,
    /// When the next thing happens by itself.
    pub deadline: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeInput {
    /// # Whom 對手
    /// The member, or the group. 成員或群編號。
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    to: String,
    /// # For 代表
    /// The group of the actor's that challenges; null where members play. 發起挑戰的自己的群；成員對決為 null。
    #[serde(rename = "for")]
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    side: Option<String>,
    /// # Stake 賭注
    /// Points that the challenger means to put in: no more than the activity's. 挑戰者投入的積分，不得超過活動設定。
    stake: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DuelInput {
    /// # Duel 對決
    /// Its id. 對決編號。
    #[schemars(length(min = 1, max = 20))]
    pub duel: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct DuelView {
    duel: String,
    state: State,
    challenger: String,
    challenged: String,
    /// What each has scored since it began.
    scores: [i64; 2],
    /// UTC milliseconds.
    deadline: i64,
}

impl Duel {
    fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        call.find(&format!("duel/{id}"))
    }

    fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        Self::load(call, id).ok_or_else(|| not_found("common.not-found", "There is no such duel."))
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("duel/{}", self.id), self);
    }

    fn view(&self) -> DuelView {
        DuelView {
            duel: self.id.clone(),
            state: self.state,
            challenger: self.sides[0].subject.clone(),
            challenged: self.sides[1].subject.clone(),
            scores: [self.sides[0].score, self.sides[1].score],
            deadline: self.deadline,
        }
    }

    /// Takes a side's stake.
    fn put_in(&self, call: &mut Call<Config>, side: usize) -> Answer<()> {
        let Some(stake) = stake_of(call) else { return Ok(()) };
        let member = &self.sides[side].subject;
        let key = format!("stake:{}:{side}", self.id);
        if call.spend_points(&key, member, &stake.account, stake.points, "the stake of a duel") {
            return Ok(());
        }
        Err(conflict("board.stake-too-high", "There are too few points for the stake."))
    }

    /// A side's stake goes to one of the two.
    fn pay_out(&self, call: &mut Call<Config>, side: usize, to: usize) {
        let Some(stake) = stake_of(call) else { return };
        let key = format!("stake:{}:{side}", self.id);
        let member = &self.sides[to].subject;
        if !call.give_points(&key, member, &stake.account, stake.points, "the stake of a duel") {
            call.log(&format!("{member} does not get a stake of {}", self.id));
        }
    }

    /// It is over.
    fn end(&mut self, call: &mut Call<Config>, state: State) {
        DUELS.remove(call, self.deadline, &self.id);
        let was_running = self.state == State::Running;
        self.state = state;
        let winner = usize::from(self.sides[0].score < self.sides[1].score);
        for side in 0..if was_running { 2 } else { 1 } {
            self.pay_out(call, side, if state == State::Won { winner } else { side });
        }
        for side in 0..2 {
            let key = of_key(&self.sides[side].subject);
            // Either may be in another one.
            if call.load::<String>(&key).as_ref() == Some(&self.id) {
                call.delete(&key);
            }
        }
        call.emit("leaderboard.duel-ended", &self.id, &self.view());
        self.tell(call, "leaderboard.duel-ended");
        self.save(call);
    }

    fn tell(&self, call: &mut Call<Config>, event: &str) {
        if call.config.subject == Subject::Member {
            for side in &self.sides {
                call.tell(event, &side.subject, &[("duel", self.id.clone())]);
            }
        }
    }

    /// Its time is over, or the activity's.
    pub(crate) fn decide(&mut self, call: &mut Call<Config>, is_over: bool) {
        let is_due = call.now() >= self.deadline;
        match self.state {
            State::Proposed if is_due || is_over => self.end(call, State::Expired),
            State::Running if is_due || is_over => {
                let is_even = self.sides[0].score == self.sides[1].score;
                self.end(call, if is_even { State::Drawn } else { State::Won });
            }
            _ => {}
        }
    }
}

fn stake_of(call: &Call<Config>) -> Option<Stake> {
    call.config.pk.as_ref()?.stake.clone()
}

fn rule(call: &Call<Config>) -> Answer<Pk> {
    call.config.pk.clone().ok_or_else(|| conflict("common.wrong-state", "There are no duels here."))
}

/// Whom the actor plays for.
fn side_of(call: &Call<Config>, group: Option<&String>) -> Answer<String> {
    match (call.config.subject, group) {
        (Subject::Member, None) => Ok(call.actor.clone()),
        (Subject::Group, Some(group)) if call.groups_of(&call.actor).contains(group) => Ok(group.clone()),
        _ => Err(not_allowed("common.not-owner", "You play for yourself, or for a group that you are in.")),
    }
}

fn must_be_free(call: &Call<Config>, subject: &str) -> Answer<()> {
    if call.load::<String>(&of_key(subject)).is_some() {
        return Err(conflict("board.duel-exists", "One of the two is in a duel.").with("subject", subject));
    }
    Ok(())
}

pub(crate) fn challenge(call: &mut Call<Config>, input: &ChallengeInput) -> Answer<DuelView> {
    let pk = rule(call)?;
    let side = side_of(call, input.side.as_ref())?;
    if side == input.to {
        return Err(invalid("common.self-action", "Nobody challenges themselves."));
    }
    let member = call.actor.clone();
    must_score(call, &member)?;
    let is_known = match call.config.subject {
        Subject::Member => call.member(&input.to).is_some(),
        Subject::Group => !call.members_of(&input.to, None).0.is_empty(),
    };
    if !is_known {
        return Err(not_found("common.not-found", "There is nobody of this name."));
    }
    let most = pk.stake.as_ref().map_or(0, |stake| stake.points);
    if input.stake.is_some_and(|stake| stake > most) {
        return Err(conflict("board.stake-too-high", "Stakes are no higher than this.").with("most", most));
    }
    call.admit(
        Some(&input.to).filter(|_| call.config.subject == Subject::Member).map(String::as_str),
        "leaderboard.challenge",
    )?
    .at_once()?;
    for subject in [&side, &input.to] {
        must_be_free(call, subject)?;
    }
    let number = call.count("duels", 1, 0, i64::MAX).expect("nobody challenges that often");
    let fresh = |subject: &str| Side { subject: subject.into(), score: 0 };
    let duel = Duel {
        id: format!("d{number}"),
        sides: [fresh(&side), fresh(&input.to)],
        state: State::Proposed,
        deadline: call.now().saturating_add_unsigned(pk.accept_window_ms),
    };
    duel.put_in(call, 0)?;
    // The one who is challenged may be challenged by others until they accept.
    call.save(&of_key(&side), &duel.id);
    DUELS.put(call, duel.deadline, &duel.id);
    call.emit("leaderboard.duel-proposed", &duel.id, &duel.view());
    duel.tell(call, "leaderboard.duel-proposed");
    duel.save(call);
    Ok(duel.view())
}

/// A duel that the actor is challenged to.
fn challenged(call: &Call<Config>, id: &str) -> Answer<Duel> {
    let duel = Duel::find(call, id)?;
    let is_theirs = match call.config.subject {
        Subject::Member => duel.sides[1].subject == call.actor,
        Subject::Group => call.groups_of(&call.actor).contains(&duel.sides[1].subject),
    };
    if !is_theirs {
        return Err(not_allowed("common.not-owner", "Somebody else is challenged."));
    }
    if duel.state != State::Proposed || call.now() >= duel.deadline {
        return Err(expired("board.duel-expired", "The challenge is gone."));
    }
    Ok(duel)
}

pub(crate) fn accept(call: &mut Call<Config>, id: &str) -> Answer<DuelView> {
    let pk = rule(call)?;
    let mut duel = challenged(call, id)?;
    let member = call.actor.clone();
    must_score(call, &member)?;
    call.admit(None, "leaderboard.accept")?.at_once()?;
    must_be_free(call, &duel.sides[1].subject)?;
    duel.put_in(call, 1)?;
    DUELS.remove(call, duel.deadline, &duel.id);
    duel.state = State::Running;
    duel.deadline = call.now().saturating_add_unsigned(pk.duration_ms);
    DUELS.put(call, duel.deadline, &duel.id);
    call.save(&of_key(&duel.sides[1].subject), &duel.id);
    call.emit("leaderboard.duel-accepted", &duel.id, &duel.view());
    duel.tell(call, "leaderboard.duel-accepted");
    duel.save(call);
    Ok(duel.view())
}

pub(crate) fn decline(call: &mut Call<Config>, id: &str) -> Answer<DuelView> {
    let mut duel = challenged(call, id)?;
    duel.end(call, State::Declined);
    Ok(duel.view())
}

/// A subject in a running duel has scored.
pub(crate) fn scored(call: &mut Call<Config>, subject: &str, delta: i64) {
    if call.config.pk.is_none() {
        return;
    }
    let Some(mut duel) = call.load::<String>(&of_key(subject)).and_then(|id| Duel::load(call, &id)) else { return };
    if duel.state != State::Running || call.now() >= duel.deadline {
        return;
    }
    if let Some(side) = duel.sides.iter_mut().find(|side| side.subject == subject) {
        side.score = side.score.saturating_add(delta);
        duel.save(call);
    }
}

pub(crate) fn view(call: &Call<Config>, id: &str) -> Answer<DuelView> {
    Ok(Duel::find(call, id)?.view())
}

pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Duel> {
    Duel::load(call, id)
}

fn of_key(subject: &str) -> String {
    bounded(format!("in-duel/{subject}"))
}
