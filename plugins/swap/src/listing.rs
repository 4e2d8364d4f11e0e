//! Listings: what members have to swap, and what they want for it.

use fairground_sdk::{Queue, conflict, invalid, limit_reached, not_allowed, not_found, prelude::*};

use crate::{
    config::Config,
    reputation::Reputation,
    views::{ListingView, view},
};

/// Listings that are gone, by the time of it.
pub(crate) const EXPIRY: Queue<'static> = Queue("listing");

/// What one listing wants.
const WANTS_MAX: usize = 20;

/// What its owner has turned down: the newest.
const REFUSED_MAX: usize = 50;

/// The best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Grade {
    New,
    LikeNew,
    Good,
    Fair,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Listed,
    /// In a trade that all sides have confirmed.
    Locked,
    Exchanged,
    Withdrawn,
    Expired,
    /// By an operator.
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub number: u32,
    pub owner: String,
    pub category: String,
    pub grade: Grade,
    pub title: String,
    /// What its owner thinks that it is worth, in minor units.
    pub value: i64,
    /// Listings and categories.
    pub wants: Vec<String>,
    /// Listings that its owner has turned down in a circle.
    pub refused: Vec<u32>,
    pub state: State,
    /// The circle that it is proposed in, or the trade that has locked it.
    pub trade: Option<String>,
    pub expires_at: i64,
    /// How often it was changed.
    pub version: u32,
    /// It was in a circle that somebody else turned down: it comes first in the next search.
    pub is_first: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListInput {
    /// # Title 標題
    /// What it is. 物品名稱。
    #[schemars(length(min = 1, max = 100))]
    pub title: String,
    /// # Category 類別
    /// One of the activity's. 活動的類別之一。
    #[schemars(length(min = 1, max = 40))]
    pub category: String,
    /// # Grade 成色
    /// How it is kept. 新舊程度。
    pub grade: Grade,
    /// # Value 估值
    /// What you think that it is worth, in minor units. 自估價值（最小貨幣單位）。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub value: i64,
    /// # Wanted 想換
    /// Categories, or ids of listings. 想換的類別或刊登編號。
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 40), regex(pattern = "^[A-Za-z0-9._~-]+$")))]
    pub wants: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListingInput {
    /// # Listing 刊登
    /// Its id. 刊登編號。
    #[schemars(length(min = 1, max = 20))]
    pub listing: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditInput {
    /// # Listing 刊登
    /// One of your own. 自己的刊登編號。
    #[schemars(length(min = 1, max = 20))]
    pub listing: String,
    /// # As 內容
    /// All of it, as it is from now on. 修改後的完整內容。
    #[serde(rename = "as")]
    pub new: ListInput,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantInput {
    /// # Listing 刊登
    /// One of your own. 自己的刊登編號。
    #[schemars(length(min = 1, max = 20))]
    pub listing: String,
    /// # Wanted 想換
    /// A category, or the id of a listing. 類別或刊登編號。
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub want: String,
}

/// As many as a member may list.
const LISTINGS_MAX: u32 = 100;

/// Listings of somebody who has left that one call takes off: each may set one of sixteen timers.
const LEFT_AT_ONCE: usize = 10;

/// Members of whom more listings are to be taken off.
pub(crate) const CLOSED: Queue<'static> = Queue("closed");

impl Listing {
    /// `l7`.
    pub(crate) fn id(&self) -> String {
        format!("l{}", self.number)
    }

    pub(crate) fn load(call: &Call<Config>, number: u32) -> Option<Self> {
        call.load(&key(number))
    }

    /// By its id, and by nothing else that looks like it.
    pub(crate) fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        let found = id.strip_prefix('l').and_then(|number| Self::load(call, number.parse().ok()?));
        let found = found.filter(|listing| listing.id() == id);
        found.ok_or_else(|| not_found("common.not-found", "There is no such listing."))
    }

    /// One of the actor's own.
    pub(crate) fn own(call: &Call<Config>, id: &str) -> Answer<Self> {
        let listing = Self::find(call, id)?;
        if listing.owner == call.actor {
            return Ok(listing);
        }
        Err(not_allowed("common.not-owner", "This is somebody else's."))
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&key(self.number), self);
    }

    /// Time counts, whether or not its timer has run.
    pub(crate) fn is_listed(&self, now: i64) -> bool {
        self.state == State::Listed && now < self.expires_at
    }

    pub(crate) fn must_be_listed(&self, now: i64) -> Answer<()> {
        if self.state == State::Locked {
            return Err(conflict("swap.already-locked", "It is in a trade already.").with("listing", self.id()));
        }
        if self.is_listed(now) {
            return Ok(());
        }
        Err(conflict("swap.not-listed", "It is not to be had any more.").with("listing", self.id()))
    }

    /// Whether its owner, who wants something like it, would take another for it.
    pub(crate) fn suits(&self, other: &Self, config: &Config) -> bool {
        self.owner != other.owner && !self.refused.contains(&other.number) && config.is_near(self.value, other.value)
    }

    pub(crate) fn refuse(&mut self, other: u32) {
        if self.refused.len() == REFUSED_MAX {
            self.refused.remove(0);
        }
        self.refused.push(other);
    }

    /// It is in no list any more.
    pub(crate) fn leave(&mut self, call: &mut Call<Config>, state: State) {
        self.state = state;
        EXPIRY.remove(call, self.expires_at, &self.number.to_string());
        call.delete(&shelf_key(&self.category, self.number));
        call.delete(&live_key(self.number));
        if state != State::Locked {
            self.is_off(call);
        }
        self.save(call);
    }

    /// It does not count for its owner any more.
    fn is_off(&self, call: &mut Call<Config>) {
        call.delete(&of_key(&self.owner, self.number));
        call.count(&count_key(&self.owner), -1, 0, i64::MAX).expect("it was counted when it was listed");
    }

    /// What was locked is exchanged, or its owner's business again.
    pub(crate) fn unlock(&mut self, call: &mut Call<Config>, state: State) {
        if self.state != State::Locked {
            return;
        }
        self.trade = None;
        self.state = state;
        if state == State::Listed && !call.is_active(&self.owner) {
            self.state = State::Removed;
            self.is_off(call);
        } else if state == State::Listed {
            let now = call.now();
            if now < self.expires_at {
                self.is_first = true;
                self.shelve(call);
            } else {
                self.state = State::Expired;
                self.is_off(call);
            }
        } else {
            self.is_off(call);
        }
        self.save(call);
    }

    fn shelve(&self, call: &mut Call<Config>) {
        call.save(&shelf_key(&self.category, self.number), &self.number);
        call.save(&live_key(self.number), &self.number);
        EXPIRY.put(call, self.expires_at, &self.number.to_string());
    }
}

fn must_fit(call: &Call<Config>, input: &ListInput) -> Answer<()> {
    if !call.config.allows(&input.category) {
        return Err(not_allowed("swap.banned-category", "Nothing of this kind is swapped here."));
    }
    let grades = &call.config.grades;
    if !grades.is_empty() && !grades.contains(&input.grade) {
        return Err(not_allowed("swap.banned-category", "Nothing of this grade is swapped here."));
    }
    if input.title.trim().is_empty() || input.title.chars().any(char::is_control) {
        return Err(invalid("common.invalid-input", "It needs a title, and no characters that cannot be seen."));
    }
    Ok(())
}

pub(crate) fn list(call: &mut Call<Config>, input: ListInput) -> Answer<ListingView> {
    call.take_part(None, "swap.list")?.at_once()?;
    let owner = call.actor.clone();
    Reputation::must_do(call, &owner)?;
    must_fit(call, &input)?;
    let most = call.config.listings_per_member;
    if call.count(&count_key(&owner), 1, 0, most.into()).is_err() {
        return Err(limit_reached("swap.listing-limit", "You have listed as much as you may.").with("most", most));
    }
    let number = call.count("listings", 1, 0, u32::MAX.into()).expect("nobody lists that much");
    let listing = Listing {
        number: u32::try_from(number).expect("within its bound"),
        owner: owner.clone(),
        category: input.category,
        grade: input.grade,
        title: input.title,
        value: input.value,
        wants: input.wants,
        refused: Vec::new(),
        state: State::Listed,
        trade: None,
        expires_at: call.now().saturating_add_unsigned(call.config.listing_ttl_ms),
        version: 0,
        is_first: false,
    };
    call.save(&of_key(&owner, listing.number), &listing.number);
    listing.shelve(call);
    listing.save(call);
    call.emit("swap.listed", &listing.id(), &listing.category);
    Ok(view(&listing))
}

pub(crate) fn edit(call: &mut Call<Config>, input: EditInput) -> Answer<ListingView> {
    let mut listing = Listing::own(call, &input.listing)?;
    listing.must_be_listed(call.now())?;
    if listing.trade.is_some() {
        return Err(conflict("swap.already-locked", "It is proposed in a circle: decline that first."));
    }
    must_fit(call, &input.new)?;
    call.delete(&shelf_key(&listing.category, listing.number));
    let ListInput { title, category, grade, value, wants } = input.new;
    // Offers for what it was are not offers for what it is.
    let version = listing.version + 1;
    listing = Listing { title, category, grade, value, wants, version, ..listing };
    call.save(&shelf_key(&listing.category, listing.number), &listing.number);
    listing.save(call);
    Ok(view(&listing))
}

pub(crate) fn want(call: &mut Call<Config>, input: &WantInput) -> Answer<ListingView> {
    let mut listing = Listing::own(call, &input.listing)?;
    listing.must_be_listed(call.now())?;
    if !call.config.allows(&input.want) {
        Listing::find(call, &input.want)?;
    }
    if listing.wants.len() >= WANTS_MAX {
        return Err(limit_reached("swap.listing-limit", "It wants enough already.").with("most", WANTS_MAX));
    }
    if !listing.wants.contains(&input.want) {
        listing.wants.push(input.want.clone());
        listing.save(call);
    }
    Ok(view(&listing))
}

pub(crate) fn withdraw(call: &mut Call<Config>, id: &str) -> Answer<ListingView> {
    let mut listing = Listing::own(call, id)?;
    listing.must_be_listed(call.now())?;
    if listing.trade.is_some() {
        return Err(conflict("swap.already-locked", "It is proposed in a circle: decline that first."));
    }
    listing.leave(call, State::Withdrawn);
    Ok(view(&listing))
}

/// An operator takes a listing off.
pub(crate) fn remove(call: &mut Call<Config>, id: &str) -> Answer<ListingView> {
    let mut listing = Listing::find(call, id)?;
    listing.must_be_listed(call.now())?;
    if listing.trade.is_some() {
        return Err(conflict("swap.already-locked", "It is proposed in a circle, which has a time to it."));
    }
    listing.leave(call, State::Removed);
    call.emit("swap.removed", &listing.id(), &listing.owner);
    Ok(view(&listing))
}

/// Whoever has left has nothing to swap. What is proposed ends in its time, and what is locked by its own rules.
pub(crate) fn left(call: &mut Call<Config>, owner: &str) {
    let listed = |number: u32| Listing::load(call, number).filter(|it| it.state == State::Listed && it.trade.is_none());
    let numbers = call.scan::<u32>(&of_member(owner), None, LISTINGS_MAX).into_iter();
    let listings: Vec<Listing> = numbers.filter_map(|(_, number)| listed(number)).take(LEFT_AT_ONCE + 1).collect();
    if listings.len() > LEFT_AT_ONCE {
        let now = call.now();
        CLOSED.put(call, now, owner);
    }
    for mut listing in listings.into_iter().take(LEFT_AT_ONCE) {
        listing.leave(call, State::Removed);
    }
}

/// Some listings have been up long enough, or their owners have left.
pub(crate) fn expire(call: &mut Call<Config>, number: &str) {
    let Some(mut listing) = number.parse().ok().and_then(|number| Listing::load(call, number)) else { return };
    // One in a proposed circle is looked at when that is over.
    if listing.state != State::Listed || listing.trade.is_some() {
        return;
    }
    if call.now() >= listing.expires_at {
        listing.leave(call, State::Expired);
    } else if !call.is_active(&listing.owner) {
        listing.leave(call, State::Removed);
    }
}

fn key(number: u32) -> String {
    format!("listing/{number:010}")
}

pub(crate) fn shelf(category: &str) -> String {
    format!("shelf/{category}/")
}

pub(crate) fn shelf_key(category: &str, number: u32) -> String {
    format!("{}{number:010}", shelf(category))
}

/// Those that are listed, for whoever looks for circles.
pub(crate) const LIVE: &str = "live/";

fn live_key(number: u32) -> String {
    format!("{LIVE}{number:010}")
}

pub(crate) fn of_member(owner: &str) -> String {
    format!("of/{owner}/")
}

fn of_key(owner: &str, number: u32) -> String {
    format!("{}{number:010}", of_member(owner))
}

fn count_key(owner: &str) -> String {
    format!("listed/{owner}")
}
