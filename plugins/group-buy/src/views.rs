//! What may be asked.

use fairground_sdk::{Block, Page, prelude::*};

use crate::{
    config::{Completion, Config},
    group::{self, Group},
    seat::{self, Seat},
};

/// Rows of a page of groups.
const PAGE: u32 = 50;

#[derive(Serialize, JsonSchema)]
pub(crate) struct SeatView {
    /// The seat's id.
    seat: String,
    /// The order's key.
    order: String,
    state: seat::State,
    quantity: u32,
    /// Minor units, of one unit.
    unit_price: i64,
    /// UTC milliseconds.
    pay_by: i64,
    group: GroupView,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct GroupView {
    group: String,
    sku: String,
    state: group::State,
    size: u32,
    /// How many must have paid at the deadline.
    least: u32,
    paid: u32,
    held: u32,
    free: u32,
    /// UTC milliseconds.
    deadline: i64,
    /// What a unit costs with those who have paid so far, in minor units.
    price: i64,
    /// The names are masked: `a***`.
    leader: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct WholeGroup {
    group: GroupView,
    /// Those who sit in it, masked, in the order in which they came; none once it is over.
    members: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupInput {
    /// # Group 團
    /// The group's id. 團編號。
    #[schemars(length(min = 1, max = 32))]
    pub group: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenGroupsInput {
    /// # Good 商品
    /// Groups of this good. 此商品的團。
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub sku: String,
    /// # After 上頁末位
    /// The `next` of the page before. 上一頁的 next。
    #[schemars(length(min = 1, max = 64))]
    pub after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct OpenGroups {
    /// Those that lack the fewest members first.
    groups: Vec<GroupView>,
    next: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MineInput {
    /// # After 上頁末位
    /// The `next` of the page before. 上一頁的 next。
    #[schemars(length(min = 1, max = 32))]
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    seats: Vec<SeatView>,
    next: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewInput {
    /// # Good 商品
    /// One of the config's. 活動中的商品。
    #[schemars(length(min = 1, max = 128))]
    sku: String,
    /// # Units 件數
    /// How many. 購買件數。
    #[schemars(range(min = 1, max = 1_000))]
    quantity: Option<u32>,
    /// # Members 人數
    /// Who will have paid in the end; the least that completes a group where nothing is said. 最終付款人數；不填為最低成團人數。
    #[schemars(range(min = 2, max = 200), extend("x-unit" = "members"))]
    members: Option<u32>,
}

/// Minor units, of all units together.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Preview {
    /// Whether a group of so many is completed.
    completes: bool,
    solo: i64,
    /// What is paid first.
    pays: i64,
    /// What comes back when the group is completed.
    back: i64,
    leader_pays: i64,
    leader_back: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Price {
    sku: String,
    /// Minor units, of one unit; as the others.
    solo: i64,
    group: i64,
    leader: i64,
    /// From how many members on it costs how much.
    tiers: Vec<(u32, i64)>,
    size: u32,
    least: u32,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Prices {
    goods: Vec<Price>,
}

/// The first character, which says enough to those who know.
fn masked(member: &str) -> String {
    member.chars().take(1).chain("***".chars()).collect()
}

pub(crate) fn group(group: &Group) -> GroupView {
    let reached = group.tiers.iter().rev().find(|tier| tier.size <= group.paid);
    GroupView {
        group: group.id.clone(),
        sku: group.sku.clone(),
        state: group.state,
        size: group.size,
        least: group.least,
        paid: group.paid,
        held: group.held,
        free: group.free(),
        deadline: group.deadline,
        price: reached.map_or(group.price, |tier| tier.price),
        leader: masked(&group.leader),
    }
}

pub(crate) fn seat(seat: &Seat, of: &Group) -> SeatView {
    SeatView {
        seat: seat.id(),
        order: seat.order.clone(),
        state: seat.state,
        quantity: seat.quantity,
        unit_price: seat.unit_price,
        pay_by: seat.pay_by,
        group: group(of),
    }
}

pub(crate) fn whole(call: &Call<Config>, id: &str) -> Answer<WholeGroup> {
    let found = Group::find(call, id)?;
    let seats = Seat::live_of(call, id, seat::LIVE_MAX);
    let members = seats.iter().map(|seat| masked(&seat.member)).collect();
    Ok(WholeGroup { group: group(&found), members })
}

pub(crate) fn open_groups(call: &Call<Config>, input: &OpenGroupsInput) -> Answer<OpenGroups> {
    if !call.config.auto_match {
        return Ok(OpenGroups { groups: Vec::new(), next: None });
    }
    let prefix = group::places_of(&input.sku);
    let after = input.after.as_ref().map(|after| format!("{prefix}{after}"));
    let places = call.scan::<String>(&prefix, after.as_deref(), PAGE);
    let next =
        if places.len() == PAGE as usize { places.last().map(|(key, _)| key[prefix.len()..].into()) } else { None };
    let groups = places.iter().filter_map(|(_, id)| Group::load(call, id)).map(|found| group(&found)).collect();
    Ok(OpenGroups { groups, next })
}

/// A member's last seat in each group.
pub(crate) fn mine(call: &Call<Config>, input: &MineInput) -> Mine {
    let prefix = seat::of_member(&call.actor);
    let after = input.after.as_ref().map(|after| format!("{prefix}{after}"));
    let ids = call.scan::<String>(&prefix, after.as_deref(), PAGE);
    let next = if ids.len() == PAGE as usize { ids.last().map(|(key, _)| key[prefix.len()..].into()) } else { None };
    let seats = ids.iter().filter_map(|(_, id)| {
        let mine = Seat::load(call, id)?;
        let of = Group::load(call, &mine.group)?;
        Some(seat(&mine, &of))
    });
    Mine { seats: seats.collect(), next }
}

pub(crate) fn preview(call: &Call<Config>, input: &PreviewInput) -> Answer<Preview> {
    let config = &call.config;
    let sku = config.sku(&input.sku).ok_or_else(crate::not_sold)?;
    let members = input.members.unwrap_or_else(|| config.least_size()).min(config.full_size());
    let quantity = i64::from(input.quantity.unwrap_or(1));
    let leader = sku.leader_price.unwrap_or(sku.group_price);
    let back = |paid: i64| group::price_with(&config.tiers, (sku.group_price, leader), paid == leader, members);
    let lines = [sku.group_price, leader].map(|paid| (paid * quantity, (paid - back(paid).min(paid)) * quantity));
    let [(pays, back), (leader_pays, leader_back)] = lines;
    let completes = members >= config.least_size();
    Ok(Preview { completes, solo: sku.solo_price * quantity, pays, back, leader_pays, leader_back })
}

pub(crate) fn prices(call: &Call<Config>) -> Prices {
    let config = &call.config;
    let goods = config.skus.iter().map(|sku| Price {
        sku: sku.sku.clone(),
        solo: sku.solo_price,
        group: sku.group_price,
        leader: sku.leader_price.unwrap_or(sku.group_price),
        tiers: config.tiers.iter().map(|tier| (tier.size, tier.price)).collect(),
        size: config.full_size(),
        least: config.least_size(),
    });
    Prices { goods: goods.collect() }
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let config = &call.config;
    let mut page = Page::of(call, "open");
    if let Some(first) = config.skus.first() {
        page = page.live("Alone 單買價", ("prices", "/goods/0/solo"), "minor", first.solo_price).live(
            "In a group 拼團價",
            ("prices", "/goods/0/group"),
            "minor",
            first.group_price,
        );
    }
    page = page.live("Members needed 成團人數", ("prices", "/goods/0/least"), "members", config.least_size());
    if let Completion::MerchantFill { .. } = config.completion {
        page = page.text("The merchant may complete a group. No members are made up. 商家可代為成團，不虛構成員。");
    }
    page.done()
}
