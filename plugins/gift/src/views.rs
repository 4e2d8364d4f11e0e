//! What may be asked, and what must hold.

use fairground_sdk::{Block, HoldState, Page, prelude::*};

use crate::{
    config::{Config, Mode},
    gift::{Gift, Share, ShareState, State},
    invites::{Friend, Rounds, Stage},
    packets,
};

/// Gifts of one member that are shown: the newest.
const SHOWN: u32 = 30;

/// What one audit recomputes.
const GIFTS_MAX: u32 = 60;
const UNITS_MAX: usize = 600;
const FRIENDS_MAX: u32 = 256;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiftInput {
    /// # Gift 禮物
    /// The gift's id. 禮物編號。
    #[schemars(length(min = 1, max = 20))]
    pub gift: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ShareView {
    share: u32,
    units: u32,
    state: ShareState,
    claimer: Option<String>,
    /// UTC milliseconds; none where it lasts as long as the activity, or the order is not paid.
    expires_at: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct GiftView {
    gift: String,
    /// The order's key.
    order: String,
    state: State,
    /// Minor units.
    total: i64,
    shares: Vec<ShareView>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    gifts: Vec<GiftView>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Stats {
    /// Orders that were opened.
    gifts: i64,
    /// Packets that nobody has opened; none where there are none.
    packets_left: Option<i64>,
}

pub(crate) fn gift(gift: &Gift) -> GiftView {
    let share = |(number, share): (u32, &Share)| ShareView {
        share: number,
        units: share.units,
        state: share.state,
        claimer: share.claimer.clone(),
        expires_at: share.expires_at,
    };
    GiftView {
        gift: gift.id.clone(),
        order: gift.order(),
        state: gift.state,
        total: gift.total,
        shares: (0..).zip(&gift.shares).map(share).collect(),
    }
}

pub(crate) fn mine(call: &Call<Config>) -> Mine {
    let ids = call.scan::<String>(&format!("of/{}/", call.actor), None, SHOWN);
    let found = ids.into_iter().filter_map(|(_, id)| Gift::load(call, &id));
    Mine { gifts: found.map(|found| gift(&found)).collect() }
}

pub(crate) fn stats(call: &Call<Config>) -> Stats {
    Stats { gifts: call.counter("gifts"), packets_left: packets::view(call).ok().map(|packets| packets.left) }
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let now = stats(call);
    let action = match call.config.mode {
        Mode::BuyXGetY { .. } | Mode::GiftLink { .. } => "send",
        Mode::InviteGift { .. } => "get-code",
        Mode::RedPacket { .. } => "open",
    };
    let page = Page::of(call, action);
    let page = match (&call.config.mode, now.packets_left) {
        (_, Some(left)) => page.live("Packets left 剩餘紅包", ("stats", "/packets_left"), "packets", left),
        (Mode::InviteGift { needed, qualify, .. }, _) => {
            page.text(&format!("It takes {needed} friends who {}.", qualify.words()))
        }
        _ => page.live("Gifts 禮物數", ("stats", "/gifts"), "gifts", now.gifts),
    };
    page.done()
}

/// F1 to F5, of the first gifts and friends.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut room = UNITS_MAX;
    for (_, gift) in call.scan::<Gift>("gift/", None, GIFTS_MAX) {
        let units: u32 = gift.shares.iter().map(|share| share.units).sum();
        let Some(left) = room.checked_sub(units as usize) else { break };
        room = left;
        broken.extend(broken_rules(call, &gift).into_iter().map(|rule| format!("{rule} {}", gift.id)));
    }
    if let Mode::InviteGift { needed, max_rounds, .. } = call.config.mode {
        let friends = call.scan::<Friend>("friend/", None, FRIENDS_MAX);
        for (_, rounds) in call.scan::<Rounds>("rounds/", None, FRIENDS_MAX) {
            let qualified = friends
                .iter()
                .filter(|(_, friend)| friend.inviter == rounds.member && friend.stage == Stage::Qualified);
            let counts = friends.len() == FRIENDS_MAX as usize || qualified.count() == rounds.qualified as usize;
            let is_earned = rounds.redeemed <= rounds.qualified / needed && rounds.redeemed <= max_rounds;
            if !counts || !is_earned {
                broken.push(format!("F5 {}", rounds.member));
            }
        }
    }
    if !packets::is_sound(call) {
        broken.push("packets".into());
    }
    broken
}

fn broken_rules(call: &Call<Config>, gift: &Gift) -> Vec<&'static str> {
    let hold = |key: &String| call.find_hold(key).map(|hold| (hold.state, hold.beneficiary));
    let is_right = |share: &Share| {
        let holds: Vec<_> = gift.unit_keys(share).iter().map(hold).collect();
        let is_of = |member: &String| holds.iter().all(|hold| hold.as_ref().is_some_and(|(_, of)| of == member));
        let none_is = |state: HoldState| !holds.iter().flatten().any(|(held, _)| *held == state);
        match share.state {
            ShareState::Waiting | ShareState::Offered => none_is(HoldState::Captured),
            ShareState::Claimed | ShareState::Fulfilled => {
                share.claimer.as_ref().is_some_and(is_of) && none_is(HoldState::Released)
            }
            ShareState::Returned => is_of(&gift.giver),
            ShareState::Refunded | ShareState::Revoked => holds.iter().all(Option::is_none),
        }
    };
    let claims = |member: &String| {
        let is_theirs = |share: &&Share| {
            share.claimer.as_ref() == Some(member) && matches!(share.state, ShareState::Claimed | ShareState::Fulfilled)
        };
        gift.shares.iter().filter(is_theirs).count()
    };
    let is_open = |share: &Share| share.state == ShareState::Offered;
    let order = call.order(&gift.order());
    let is_kept = |order: fairground_sdk::Order| {
        order.state == fairground_sdk::OrderState::Open || order.paid - order.refunded <= gift.kept()
    };
    let keeps = call.was_refund_refused(&gift.order()) || order.is_none_or(is_kept);
    let rules = [
        ("F1", gift.shares.iter().all(is_right)),
        ("F2", call.config.self_claim || claims(&gift.giver) == 0),
        (
            "F2",
            gift.shares
                .iter()
                .filter_map(|share| share.claimer.as_ref())
                .all(|member| claims(member) <= call.config.per_claimer as usize),
        ),
        ("F4", gift.state == State::Paid || !gift.shares.iter().any(is_open)),
        ("F4", keeps || gift.state == State::Ordered),
    ];
    rules.into_iter().filter_map(|(rule, holds)| (!holds).then_some(rule)).collect()
}
