//! Cards: what was put on one, and what became of it.
//!
//! Points lie in lots by when they expire, at most [`LOTS`] of them: a lot takes what is earned within a share of the points' life, and lasts
//! until the last of it may go. So however often somebody buys, a card is a handful of entries.

use fairground_sdk::{Queue, Standing, conflict, prelude::*};

use crate::config::{Config, Giving};

/// Cards of which a lot expires.
pub(crate) const EXPIRING: Queue<'static> = Queue("expiring");

/// Points expire in so many steps of their life: they last that much longer at most.
const STEPS: u64 = 12;

/// Lots of one card: the steps of a life, and the two that it touches.
pub(crate) const LOTS: u32 = 16;

/// A lot that lasts.
const NEVER: i64 = 999_999_999_999_999;

/// More than anybody counts.
pub(crate) const COUNT_MAX: i64 = 1_000_000_000_000_000;

/// What a member has on their card. All in points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub member: String,
    /// UTC milliseconds.
    pub opened_at: i64,
    /// All that purchases were worth.
    pub earned: u64,
    pub spent: u64,
    pub expired: u64,
    /// Taken back with purchases that were paid back.
    pub reversed: u64,
    /// What could not be taken back, because it was spent: it comes off what is earned next.
    pub owed: u64,
    /// For each gift that is reached rather than bought, in the order of the config.
    pub reached: Vec<Reached>,
    /// The risk rules asked for a closer look: what it earns waits.
    pub is_under_review: bool,
}

/// A gift that is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reached {
    /// How often it was set aside: one that was put back has its key no more.
    pub tries: u32,
    pub is_given: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    order: &'a str,
    points: u64,
    balance: u64,
}

#[derive(Serialize)]
struct Expired {
    points: u64,
    balance: u64,
}

impl Card {
    pub(crate) fn load(call: &Call<Config>, member: &str) -> Option<Self> {
        call.load(&key(member))
    }

    pub(crate) fn open(call: &mut Call<Config>, standing: Standing) -> Self {
        let card = Self {
            member: call.actor.clone(),
            opened_at: call.now(),
            earned: 0,
            spent: 0,
            expired: 0,
            reversed: 0,
            owed: 0,
            reached: vec![Reached::default(); call.config.gifts.len()],
            is_under_review: standing.is_under_review,
        };
        count(call, "cards", 1);
        card
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&key(&self.member), self);
    }

    pub(crate) fn balance(&self) -> u64 {
        self.earned - self.spent - self.expired - self.reversed
    }

    /// What is on it, the first to expire first.
    pub(crate) fn lots(&self, call: &Call<Config>) -> Vec<(i64, u64)> {
        let prefix = lots(&self.member);
        let due = |key: &str| key[prefix.len()..].parse().expect("lots are named by instants");
        call.scan(&prefix, None, LOTS).into_iter().map(|(key, points)| (due(&key), points)).collect()
    }

    /// A purchase was made; answers when what it was worth expires.
    pub(crate) fn earn(&mut self, call: &mut Call<Config>, order: &str, points: u64, at: i64) -> i64 {
        let due = lasts_until(call, at);
        let repaid = self.owed.min(points);
        self.earned += points;
        self.owed -= repaid;
        self.reversed += repaid;
        count(call, "reversed", repaid);
        let left = points - repaid;
        if left > 0 {
            let lot = lot(&self.member, due);
            let before = call.load::<u64>(&lot).unwrap_or_default();
            call.save(&lot, &(before + left));
            if due < NEVER && before == 0 {
                EXPIRING.put(call, due, &self.member);
            }
        }
        count(call, "earned", points);
        call.emit("points-card.earned", &self.member, &Told { order, points, balance: self.balance() });
        let params = [("points", points.to_string()), ("balance", self.balance().to_string())];
        call.tell("points-card.earned", &self.member, &params);
        due
    }

    /// What a purchase was worth is taken back; answers how much there was. What has expired of its lot is gone, and nobody asks for it;
    /// what was spent is owed.
    pub(crate) fn reverse(&mut self, call: &mut Call<Config>, points: u64, due: i64) -> u64 {
        let gone_key = gone(&self.member, due);
        let expired = call.load::<u64>(&gone_key).unwrap_or_default();
        let forgiven = expired.min(points);
        if forgiven > 0 {
            call.save(&gone_key, &(expired - forgiven));
        }
        let asked = points - forgiven;
        let taken = self.balance().min(asked);
        self.take(call, taken, Some(due));
        self.reversed += taken;
        self.owed += asked - taken;
        count(call, "reversed", taken);
        taken
    }

    pub(crate) fn tell_reversed(&self, call: &mut Call<Config>, order: &str, points: u64) {
        call.emit("points-card.reversed", &self.member, &Told { order, points, balance: self.balance() });
        call.tell("points-card.reversed", &self.member, &[("points", points.to_string())]);
    }

    /// Pays with points.
    pub(crate) fn spend(&mut self, call: &mut Call<Config>, points: u64) -> Answer<()> {
        let balance = self.balance();
        if balance < points {
            let refused = conflict("points-card.not-enough-points", "You have too few points.");
            return Err(refused.with("needed", points).with("balance", balance));
        }
        self.take(call, points, None);
        self.spent += points;
        count(call, "spent", points);
        Ok(())
    }

    /// Off the lots: off one of them first where that is named, and then the oldest first.
    fn take(&self, call: &mut Call<Config>, points: u64, first: Option<i64>) {
        let mut missing = points;
        let mut lots = self.lots(call);
        lots.sort_by_key(|(due, _)| Some(*due) != first);
        for (due, left) in lots {
            if missing == 0 {
                break;
            }
            let taken = left.min(missing);
            missing -= taken;
            if taken == left {
                // Its place in the queue stays, and finds nothing.
                call.delete(&lot(&self.member, due));
            } else {
                call.save(&lot(&self.member, due), &(left - taken));
            }
        }
        assert_eq!(missing, 0, "lots hold the balance");
    }

    /// Lets go what is due by an instant.
    pub(crate) fn expire(&mut self, call: &mut Call<Config>, by: i64) {
        let mut points = 0;
        for (due, left) in self.lots(call).into_iter().take_while(|(due, _)| *due <= by) {
            call.delete(&lot(&self.member, due));
            // A lot that is heard of late may expire once more.
            let key = gone(&self.member, due);
            let before = call.load::<u64>(&key).unwrap_or_default();
            call.save(&key, &(before + left));
            points += left;
        }
        if points > 0 {
            self.expired += points;
            count(call, "expired", points);
            call.emit("points-card.expired", &self.member, &Expired { points, balance: self.balance() });
            call.tell("points-card.expired", &self.member, &[("points", points.to_string())]);
        }
    }

    /// Gives what is reached, and puts back what still waits and is reached no longer. What was given stays.
    pub(crate) fn weigh(&mut self, call: &mut Call<Config>) {
        if call.config.giving != Giving::Reach {
            return;
        }
        let standing = Standing { is_under_review: self.is_under_review };
        // What has expired was there when the gift was reached.
        let (balance, lasting) = (self.balance(), self.earned - self.reversed);
        for (at, gift) in call.config.gifts.clone().iter().enumerate() {
            let Reached { tries, is_given } = self.reached[at];
            if balance >= gift.points.into() && !is_given && has_stock(call, at) {
                let key = self.gift_key(at, tries);
                // One that cannot be given now is looked at again with the next purchase, which counts all the same.
                if call.reward(&key, &gift.offer, &self.member, standing).is_ok() {
                    self.reached[at].is_given = true;
                    use_stock(call, at, 1);
                    tell_gift(call, &self.member, &gift.offer, 0);
                }
            } else if lasting < gift.points.into()
                && is_given
                && call.release(&self.gift_key(at, tries), "its points were taken back")
            {
                self.reached[at] = Reached { tries: tries + 1, is_given: false };
                use_stock(call, at, -1);
            }
        }
    }

    pub(crate) fn gift_key(&self, at: usize, tries: u32) -> String {
        format!("reached:{at}:{tries}:{}", self.member)
    }
}

#[derive(Serialize)]
struct Given<'a> {
    offer: &'a str,
    points: u64,
}

/// Tells of a gift, bought or reached.
pub(crate) fn tell_gift(call: &mut Call<Config>, member: &str, offer: &str, points: u64) {
    call.emit("points-card.given", member, &Given { offer, points });
    call.tell("points-card.given", member, &[("offer", offer.to_owned())]);
}

/// How many of a gift there are yet; none where there is no count.
pub(crate) fn stock_left(call: &Call<Config>, at: usize) -> Option<i64> {
    call.config.gifts[at].stock.map(|stock| i64::from(stock) - call.counter(&given_key(at)))
}

pub(crate) fn has_stock(call: &Call<Config>, at: usize) -> bool {
    stock_left(call, at).is_none_or(|left| left > 0)
}

pub(crate) fn use_stock(call: &mut Call<Config>, at: usize, pieces: i64) {
    let most = call.config.gifts[at].stock.map_or(COUNT_MAX, i64::from);
    call.count(&given_key(at), pieces, 0, most).expect("its stock was looked at");
}

pub(crate) fn given_key(at: usize) -> String {
    format!("given/{at}")
}

fn count(call: &mut Call<Config>, what: &str, delta: u64) {
    let delta = i64::try_from(delta).expect("fewer than can be counted");
    call.count(&format!("n/{what}"), delta, 0, COUNT_MAX).expect("fewer than can be counted");
}

/// When what is earned at an instant expires: at the end of the step that its life ends in.
fn lasts_until(call: &Call<Config>, at: i64) -> i64 {
    let lasts = call.config.expire_ms;
    if lasts == 0 {
        return NEVER;
    }
    let step = lasts.div_ceil(STEPS);
    let end = at.saturating_sub(call.started_at).max(0).unsigned_abs().saturating_add(lasts);
    call.started_at.saturating_add_unsigned(end.div_ceil(step) * step)
}

fn key(member: &str) -> String {
    format!("card/{member}")
}

/// What has expired of a lot, and was not asked back.
fn gone(member: &str, due: i64) -> String {
    format!("gone/{member}/{due:015}")
}

fn lots(member: &str) -> String {
    format!("lot/{member}/")
}

fn lot(member: &str, due: i64) -> String {
    format!("{}{due:015}", lots(member))
}
