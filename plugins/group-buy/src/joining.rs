//! Opening a group, joining one, and leaving it again.

use fairground_sdk::{conflict, limit_reached, not_allowed, prelude::*};

use crate::{
    config::{Config, Withdraw},
    group::{self, Group},
    seat::{self, Seat, State},
    views::{self, SeatView},
};

/// Groups that are looked at for a free seat: those in which the member sits already are passed over.
const PLACES_LOOKED_AT: u32 = 50;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenInput {
    /// # Good 商品
    /// One of the config's. 活動中的商品。
    #[schemars(length(min = 1, max = 128))]
    pub sku: String,
    /// # Units 件數
    /// How many. 購買件數。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000))]
    pub quantity: u32,
    /// # Price that was shown 頁面單價
    /// Minor units, of one unit; another price is refused. 頁面顯示的單價；不符則拒絕。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    pub unit_price: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinInput {
    /// # Group 團
    /// Without one, the group that lacks the fewest members. 不填則自動加入差人最少的團。
    #[schemars(length(min = 1, max = 32))]
    group: Option<String>,
    /// # Good 商品
    /// The group's good. 該團的商品。
    #[schemars(length(min = 1, max = 128))]
    sku: String,
    /// # Units 件數
    /// How many. 購買件數。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000))]
    quantity: u32,
    /// # Price that was shown 頁面單價
    /// Minor units, of one unit; another price is refused. 頁面顯示的單價；不符則拒絕。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    unit_price: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeatInput {
    /// # Seat 座位
    /// The seat's id: `g1.2`. 座位編號。
    #[schemars(length(min = 1, max = 40))]
    pub seat: String,
}

impl OpenInput {
    pub(crate) fn check(&self, call: &Call<Config>) -> Answer<()> {
        check_quantity(call, self.quantity)
    }
}

fn one() -> u32 {
    1
}

pub(crate) fn open(call: &mut Call<Config>, input: &OpenInput) -> Answer<SeatView> {
    call.take_part(None, "group-buy.open")?.at_once()?;
    let member = call.actor.clone();
    count_against(call, "opened", call.config.open_limit, "group-buy.open-limit")?;
    check_quantity(call, input.quantity)?;
    seat::must_be_free(call, &member)?;
    let mut group = Group::open(call, &input.sku, &member)?;
    must_be_shown(input.unit_price, group.leader_price)?;
    let seat = Seat::take(call, &mut group, &member, input.quantity)?;
    Ok(views::seat(&seat, &group))
}

pub(crate) fn join(call: &mut Call<Config>, input: &JoinInput) -> Answer<SeatView> {
    let member = call.actor.clone();
    let mut group = match &input.group {
        Some(id) => Group::find(call, id)?,
        None => match_group(call, &input.sku, &member)?,
    };
    let is_new = !call.config.new_joiner_only || call.is_new_member(&member);
    let leader = group.leader.clone();
    call.take_part(Some(&leader).filter(|leader| **leader != member).map(String::as_str), "group-buy.join")?
        .at_once()?;
    if !is_new {
        return Err(not_allowed("common.new-member-only", "Only new members join; open a group instead."));
    }
    count_against(call, "joined", call.config.join_limit, "group-buy.join-limit")?;
    if group.sku != input.sku {
        return Err(crate::not_sold());
    }
    group.must_be_forming(call.now())?;
    if seat::sits_in(call, &group.id, &member) {
        return Err(conflict("group-buy.already-in-group", "You sit in this group."));
    }
    check_quantity(call, input.quantity)?;
    seat::must_be_free(call, &member)?;
    if group.free() == 0 {
        return Err(conflict("group-buy.group-full", "Every seat is taken.").retryable());
    }
    must_be_shown(input.unit_price, group.price)?;
    let seat = Seat::take(call, &mut group, &member, input.quantity)?;
    Ok(views::seat(&seat, &group))
}

/// Whoever says which price they saw pays that one, or nothing happens.
pub(crate) fn must_be_shown(shown: Option<i64>, price: i64) -> Answer<()> {
    if shown.is_some_and(|shown| shown != price) {
        return Err(conflict("group-buy.price-changed", "It costs something else now.").with("unit_price", price));
    }
    Ok(())
}

fn match_group(call: &Call<Config>, sku: &str, member: &str) -> Answer<Group> {
    if !call.config.auto_match {
        return Err(conflict("group-buy.group-not-forming", "Name the group: this activity has no open list."));
    }
    best_for(call, sku, member)
        .ok_or_else(|| conflict("group-buy.group-not-forming", "No group is open; open one.").retryable())
}

/// The group of a good that lacks the fewest members, and in which this one does not sit.
pub(crate) fn best_for(call: &Call<Config>, sku: &str, member: &str) -> Option<Group> {
    let places = call.scan::<String>(&group::places_of(sku), None, PLACES_LOOKED_AT);
    let fits = |group: &Group| {
        group.must_be_forming(call.now()).is_ok() && group.free() > 0 && !seat::sits_in(call, &group.id, member)
    };
    places.into_iter().filter_map(|(_, id)| Group::load(call, &id)).find(fits)
}

/// Whether so many more units stay within what is sold in all.
pub(crate) fn is_within_total(call: &Call<Config>, quantity: u32) -> bool {
    let most = call.config.quantity_total;
    most == 0 || call.counter("units") + i64::from(quantity) <= i64::from(most)
}

fn check_quantity(call: &Call<Config>, quantity: u32) -> Answer<()> {
    if quantity > call.config.quantity_per_order || !is_within_total(call, quantity) {
        return Err(limit_reached("group-buy.quantity-limit", "So many cannot be bought."));
    }
    Ok(())
}

/// Counts something that a member does only so often; 0 sets no limit.
fn count_against(call: &mut Call<Config>, what: &str, most: u32, code: &'static str) -> Answer<()> {
    let key = format!("{what}/{}", call.actor);
    if most > 0 && call.count(&key, 1, 0, i64::from(most)).is_err() {
        return Err(limit_reached(code, "You have done this as often as you may."));
    }
    Ok(())
}

/// One of the actor's own seats, and its group.
fn own(call: &Call<Config>, input: &SeatInput) -> Answer<(Seat, Group)> {
    let seat = Seat::find(call, &input.seat)?;
    if seat.member != call.actor {
        return Err(not_allowed("common.not-owner", "This seat is somebody else's."));
    }
    let group = Group::find(call, &seat.group)?;
    Ok((seat, group))
}

/// Gives up a seat that is not paid.
pub(crate) fn leave(call: &mut Call<Config>, input: &SeatInput) -> Answer<SeatView> {
    let (mut seat, mut group) = own(call, input)?;
    if seat.state != State::Held {
        return Err(conflict("common.wrong-state", "Only a seat that is not paid is left; withdraw from one that is."));
    }
    seat.lapse(call, &mut group);
    Ok(views::seat(&seat, &group))
}

/// Gives up a seat that is paid; the money goes back.
pub(crate) fn withdraw(call: &mut Call<Config>, input: &SeatInput) -> Answer<SeatView> {
    let (mut seat, mut group) = own(call, input)?;
    if call.config.withdraw_paid == Withdraw::Never {
        return Err(conflict("group-buy.withdraw-not-allowed", "Nobody withdraws here once they have paid."));
    }
    if seat.state != State::Paid || group.state != group::State::Forming {
        return Err(conflict("group-buy.withdraw-not-allowed", "Only a paid seat of a forming group is given up."));
    }
    seat.withdraw(call, &mut group);
    Ok(views::seat(&seat, &group))
}
