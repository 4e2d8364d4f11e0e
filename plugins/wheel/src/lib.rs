//! Wheel (抽獎轉盤): a spin wins a prize by odds that everybody sees, from the activity's own seed that anybody can check afterwards.

mod config;
#[cfg(test)]
mod tests;

use fairground_sdk::{Block, Nothing, Page, conflict, prelude::*, unless_exhausted};

use config::Config;

/// Spins of one member that are shown: the newest.
const SHOWN: u32 = 50;

/// More than anybody spins.
const NUMBERS_MAX: i64 = 9_999_999_999;

/// What a spin came to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Spin {
    /// What was won.
    prize: String,
    /// The place on the wheel that was drawn; where that prize was used up, the fallback is won.
    place: usize,
    is_fallback: bool,
    /// The name of the offer that is given or set aside; none where there is nothing to give, or the budget is used up.
    offer: Option<String>,
    /// UTC milliseconds.
    at: i64,
}

#[derive(Serialize, JsonSchema)]
struct PrizeView {
    name: String,
    weight: u32,
    /// Of the whole: the odds are weight over this.
    of: u64,
    /// None where there is no count.
    left: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Odds {
    prizes: Vec<PrizeView>,
    fallback: String,
    /// How often anybody has spun.
    spins: i64,
}

#[derive(Serialize, JsonSchema)]
struct Mine {
    spins: Vec<Spin>,
}

struct Wheel;

impl Activity for Wheel {
    type Config = Config;
    const NAME: &'static str = "wheel";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Wheel 抽獎轉盤";
    const DESCRIPTION: &'static str = "Members spin a wheel whose odds everybody sees.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("spin", "Spin 轉一次", |call, _: Nothing| spin(call))
            .query("odds", "The odds 機率", |call, _: Nothing| Ok(odds(call)))
            .query("mine", "Your spins 我的紀錄", |call, _: Nothing| Ok(mine(call)))
            .emits(&["wheel.spun"])
            .tells(&["wheel.spun"])
            .codes(&["wheel.not-enough-points"])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        let mut page = Page::of(call, "spin").live("Spins 次數", ("odds", "/spins"), "spins", call.counter("spins"));
        for prize in &call.config.prizes {
            page = page.text(&format!("{}: {} / {}", prize.name, prize.weight, call.config.whole()));
        }
        Ok(page.done())
    }

    /// W1 every spin won something of the wheel; W2 no prize was won more often than there are.
    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        let won: Vec<i64> = (0..call.config.prizes.len()).map(|place| call.counter(&won_key(place))).collect();
        let mut broken = Vec::new();
        if won.iter().sum::<i64>() + call.counter("fallbacks") != call.counter("spins") {
            broken.push("W1".into());
        }
        for (place, prize) in call.config.prizes.iter().enumerate() {
            if prize.stock.is_some_and(|stock| won[place] > i64::from(stock)) {
                broken.push(format!("W2 {place}"));
            }
        }
        Ok(broken)
    }
}

fairground_sdk::activity!(Wheel);

fn spin(call: &mut Call<Config>) -> Answer<Spin> {
    let standing = call.take_part(None, "wheel.spin")?;
    let member = call.actor.clone();
    let number = call.count("spins", 1, 0, NUMBERS_MAX).expect("nobody spins that often");
    let (price, account) = (call.config.cost_points, call.config.account.clone());
    if price > 0 && !call.spend_points(&format!("spin:{number}"), &member, &account, price, "a spin of the wheel") {
        return Err(conflict("wheel.not-enough-points", "You have too few points.").with("needed", price));
    }
    let whole = call.config.whole();
    // Up to the whole, and not including it: every number stands for a prize.
    let drawn = call.draw("wheel", 0, whole - 1);
    let place = call.config.prize_at(drawn);
    let prize = call.config.prizes[place].clone();
    let key = format!("won:{number}");
    let most = prize.stock.map_or(i64::MAX, i64::from);
    let is_left = call.counter(&won_key(place)) < most;
    let given = match &prize.offer {
        Some(offer) if is_left => unless_exhausted(call.reward(&key, offer, &member, standing))?.is_some(),
        _ => is_left,
    };
    let (name, offer) = if given {
        call.count(&won_key(place), 1, 0, most).expect("one is left");
        (prize.name, prize.offer)
    } else {
        call.count("fallbacks", 1, 0, NUMBERS_MAX).expect("fewer than spins");
        let fallback = call.config.fallback.clone();
        let key = format!("fallback:{number}");
        let given = match &fallback.offer {
            Some(offer) => unless_exhausted(call.reward(&key, offer, &member, standing))?.is_some(),
            None => false,
        };
        (fallback.name, fallback.offer.filter(|_| given))
    };
    let spin = Spin { prize: name, place, is_fallback: !given, offer, at: call.now() };
    // The newest first.
    call.save(&format!("spin/{member}/{:010}", NUMBERS_MAX - number), &spin);
    call.emit("wheel.spun", &member, &spin);
    call.tell("wheel.spun", &member, &[("prize", spin.prize.clone())]);
    Ok(spin)
}

fn odds(call: &Call<Config>) -> Odds {
    let left =
        |place: usize, stock: u32| stock.saturating_sub(u32::try_from(call.counter(&won_key(place))).unwrap_or(stock));
    let prizes = call.config.prizes.iter().enumerate().map(|(place, prize)| PrizeView {
        name: prize.name.clone(),
        weight: prize.weight,
        of: call.config.whole(),
        left: prize.stock.map(|stock| left(place, stock)),
    });
    Odds { prizes: prizes.collect(), fallback: call.config.fallback.name.clone(), spins: call.counter("spins") }
}

fn mine(call: &Call<Config>) -> Mine {
    let spins = call.scan(&format!("spin/{}/", call.actor), None, SHOWN);
    Mine { spins: spins.into_iter().map(|(_, spin)| spin).collect() }
}

fn won_key(place: usize) -> String {
    format!("won/{place}")
}
