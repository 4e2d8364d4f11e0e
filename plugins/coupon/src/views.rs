//! What may be asked, and what must hold.

use fairground_sdk::{Block, Nothing, Page, prelude::*};

use crate::{
    CLAIMED,
    config::Config,
    inviter::Inviter,
    referral::{Referral, State, of_inviter},
};

const PAGE: u32 = 50;

/// What one audit recomputes.
const AUDITED: u32 = 200;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageInput {
    /// # After 之後
    /// The last member of the page before; null begins. 前一頁最後一位；null 為從頭。
    #[schemars(length(min = 1, max = 128))]
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ReferralView {
    invitee: String,
    inviter: String,
    state: State,
    /// Why it was rejected or expired, or what its rewards wait for.
    reason: Option<String>,
    /// UTC milliseconds.
    bound_at: i64,
    /// Until when it can count. UTC milliseconds.
    expires_at: i64,
    /// When the rewards that are held are given. UTC milliseconds.
    given_at: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Referrals {
    referrals: Vec<ReferralView>,
    /// For the next page; none on the last.
    after: Option<String>,
}

/// How many referrals there are in each state.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Stats {
    bound: i64,
    qualified: i64,
    rewarded: i64,
    expired: i64,
    rejected: i64,
    clawed_back: i64,
    /// How many were claimed.
    claimed: i64,
    /// How many are left to claim; none where there is nothing to claim.
    claims_left: Option<i64>,
    /// Of the viewer's own, how many are rewarded.
    mine_rewarded: u32,
}

pub(crate) fn view(call: &Call<Config>, referral: &Referral) -> ReferralView {
    ReferralView {
        invitee: referral.invitee.clone(),
        inviter: referral.inviter.clone(),
        state: if referral.is_held(call) { State::Held } else { referral.state },
        reason: referral.reason.clone(),
        bound_at: referral.bound_at,
        expires_at: referral.expires_at,
        given_at: referral.given_at,
    }
}

/// Those whom the viewer has brought, by id.
pub(crate) fn my_referrals(call: &Call<Config>, input: &PageInput) -> Answer<Referrals> {
    let prefix = of_inviter(&call.actor);
    let after = input.after.as_ref().map(|after| crate::referral::of_key(&call.actor, after));
    if after.as_ref().is_some_and(|after| after.chars().any(char::is_control)) {
        return Err(fairground_sdk::invalid("common.invalid-input", "This is nobody's id."));
    }
    let found = call.scan::<String>(&prefix, after.as_deref(), PAGE);
    let next = (found.len() == PAGE as usize).then(|| found.last().map(|(_, invitee)| invitee.clone())).flatten();
    let referrals = found.iter().filter_map(|(_, invitee)| Referral::load(call, invitee));
    Ok(Referrals { referrals: referrals.map(|referral| view(call, &referral)).collect(), after: next })
}

pub(crate) fn mine(call: &Call<Config>, _: Nothing) -> Answer<Option<ReferralView>> {
    Ok(Referral::load(call, &call.actor).map(|referral| view(call, &referral)))
}

pub(crate) fn stats(call: &Call<Config>) -> Stats {
    let of = |state: State| call.counter(state.counter());
    let claimed = call.counter(CLAIMED);
    Stats {
        bound: of(State::Bound),
        qualified: of(State::Qualified),
        rewarded: of(State::Rewarded),
        expired: of(State::Expired),
        rejected: of(State::Rejected),
        clawed_back: of(State::ClawedBack),
        claimed,
        claims_left: call.config.giveaway.as_ref().map(|giveaway| i64::from(giveaway.total) - claimed),
        mine_rewarded: Inviter::load(call, &call.actor).rewarded,
    }
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let now = stats(call);
    let action = if call.config.has_referrals() { "get-code" } else { "claim" };
    let mut page = Page::of(call, action);
    if call.config.has_referrals() {
        let words = format!("It counts once those you bring {}.", call.config.qualify.words());
        page =
            page.text(&words).live("Brought and rewarded 成功邀請", ("stats", "/rewarded"), "referrals", now.rewarded);
    }
    if let Some(left) = now.claims_left {
        page = page.live("Left to claim 剩餘張數", ("stats", "/claims_left"), "pieces", left);
    }
    page.done()
}

/// R1, R2, R4, R5, R8 and R9, of the first referrals and inviters.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let referrals: Vec<Referral> = call.scan("referral/", None, AUDITED).into_iter().map(|(_, found)| found).collect();
    for referral in &referrals {
        if referral.inviter == referral.invitee {
            broken.push(format!("R9 {}", referral.invitee));
        }
        if !referral.is_sound(call) {
            broken.push(format!("R1 {}", referral.invitee));
        }
    }
    let is_whole = referrals.len() < AUDITED as usize;
    let count = |state: State| referrals.iter().filter(|referral| referral.state == state).count();
    for state in State::ALL {
        if is_whole && i64::try_from(count(state)) != Ok(call.counter(state.counter())) {
            broken.push(format!("G9 {}", state.counter()));
        }
    }
    for (_, inviter) in call.scan::<Inviter>("inviter/", None, AUDITED) {
        let rewarded =
            referrals.iter().filter(|referral| referral.inviter == inviter.member && referral.state == State::Rewarded);
        let counts = !is_whole || rewarded.count() == inviter.rewarded as usize;
        if !counts || !inviter.is_sound(call) {
            broken.push(format!("R4, R5 {}", inviter.member));
        }
    }
    if call.config.giveaway.as_ref().is_some_and(|giveaway| call.counter(CLAIMED) > giveaway.total.into()) {
        broken.push("R6".into());
    }
    broken
}
