//! Coupons (券): members bring members, and both get something once it counts, or neither does; and coupons that anybody may claim.

mod code;
mod config;
mod inviter;
mod referral;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{
    Block, HostEvent, NotBound, Nothing, Queue, conflict, limit_reached, not_allowed, platform, platform::Qualify,
    prelude::*,
};

use config::{Attribution, Config, Giveaway};
use referral::{EXPIRY, Referral, State, UNPAID};
use views::ReferralView;

/// How many were claimed.
pub(crate) const CLAIMED: &str = "claimed";

/// Claims at once.
const CLAIM_MAX: u32 = 20;

/// Messages of a referral: what became of it, and, where it was tried in the end, what it was rejected for.
const MESSAGES: u32 = 2;

/// Grants of one call, at most 100, are three for a referral and some tiers.
const PAID_AT_ONCE: u32 = 5;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BindInput {
    /// # Code 邀請碼
    /// The code of whoever brought you. 邀請人的邀請碼。
    #[schemars(length(min = 1, max = 40))]
    code: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClaimInput {
    /// # How many 張數
    /// All of them, or none. 全部領到或都不領。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = CLAIM_MAX))]
    quantity: u32,
}

fn one() -> u32 {
    1
}

#[derive(Serialize, JsonSchema)]
struct Claimed {
    /// How many the member has had in all.
    mine: i64,
    left: i64,
}

struct Coupon;

impl Activity for Coupon {
    type Config = Config;
    const NAME: &'static str = "coupon";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Coupons 邀請有券";
    const DESCRIPTION: &'static str = "Members bring members, and both get something; coupons to claim.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("get-code", "Get your code 取得邀請碼", code::get)
            .action("bind", "Use a code 使用邀請碼", |call, input: BindInput| bind(call, &input.code))
            .action("claim", "Claim 領券", |call, input: ClaimInput| claim(call, input.quantity))
            .query("my-referrals", "Whom you brought 我的邀請", |call, input: views::PageInput| {
                views::my_referrals(call, &input)
            })
            .query("mine", "Who brought you 我的邀請人", |call, input: Nothing| views::mine(call, input))
            .query("stats", "How it goes 統計", |call, _: Nothing| Ok(views::stats(call)))
            .emits(&[
                "coupon.bound",
                "coupon.qualified",
                "coupon.rewarded",
                "coupon.expired",
                "coupon.rejected",
                "coupon.clawed-back",
                "coupon.claimed",
            ])
            .tells(&[
                "coupon.bound",
                "coupon.qualified",
                "coupon.rewarded",
                "coupon.welcomed",
                "coupon.expired",
                "coupon.rejected",
                "coupon.clawed-back",
                "coupon.claimed",
            ])
            .listens(&[platform::EVERYTHING])
            .codes(&[
                "referral.code-not-found",
                "referral.code-expired",
                "referral.code-limit",
                "referral.self",
                "referral.already-referred",
                "referral.not-new",
                "referral.inviter-limit",
                "referral.cycle",
                "referral.recipient-mismatch",
                "referral.window-passed",
                "referral.condition-failed",
                "referral.same-cluster",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if EXPIRY.rings(key) {
            let (told, _) = batches(call);
            for invitee in EXPIRY.take(call, told, due) {
                expire(call, &invitee);
            }
        }
        if UNPAID.rings(key) {
            let (_, paid) = batches(call);
            for invitee in UNPAID.take(call, paid, due) {
                try_again(call, &invitee);
            }
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        let Some(mut referral) = Referral::load(call, &event.subject) else { return Ok(()) };
        let order = event.purchase().map(|purchase| purchase.order).filter(|order| !order.is_empty());
        if referral.is_open_at(event.at) && call.config.qualify.is_met_by(event) {
            let met_with = order.or_else(|| event.group());
            let is_returned = |met_with: &String| call.load::<bool>(&returned_key(&event.subject, met_with)).is_some();
            if !met_with.as_ref().is_some_and(is_returned) {
                referral.qualify(call, met_with, event.at);
            }
            return Ok(());
        }
        let is_waiting = referral.is_waiting_at(event.at) && event.at >= referral.met_at;
        match event.topic.as_str() {
            // It may be told before the purchase is.
            platform::RETURNED if referral.is_open_at(event.at) => {
                let key = returned_key(&event.subject, &order.unwrap_or_default());
                call.save(&key, &true);
            }
            platform::RETURNED
                if order.is_some() && order == referral.met_with && (is_waiting || call.config.clawback_on_refund) =>
            {
                referral.undo(call, "the order was paid back");
            }
            platform::CLOSED if is_waiting => referral.undo(call, "the account was closed"),
            platform::LEFT if is_waiting && event.group().is_some() && event.group() == referral.met_with => {
                referral.undo(call, "the member left the group");
            }
            _ => {}
        }
        Ok(())
    }

    /// What has not counted expires; what waits for a budget is tried once more, and then rejected.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let (told, paid) = batches(call);
        let open = EXPIRY.take(call, told, Queue::ALL);
        for invitee in &open {
            if let Some(mut referral) = Referral::load(call, invitee)
                && referral.state == State::Bound
            {
                referral.expire(call);
            }
        }
        if !open.is_empty() {
            return Ok(false);
        }
        let unpaid = UNPAID.take(call, paid, Queue::ALL);
        for invitee in &unpaid {
            try_again(call, invitee);
            if let Some(mut referral) = Referral::load(call, invitee)
                && referral.state == State::Qualified
            {
                let reason = referral.reason.clone().unwrap_or_default();
                referral.reject(call, &reason);
            }
        }
        Ok(unpaid.is_empty())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(Coupon);

/// The actor was brought by the owner of a code.
fn bind(call: &mut Call<Config>, text: &str) -> Answer<ReferralView> {
    let invitee = call.actor.clone();
    let is_new = call.is_new_member(&invitee);
    let code = code::find(call, text)?;
    let inviter = code.owner.clone();
    if call.config.risk.is_some() && call.are_one(&inviter, &invitee, "coupon.bind") {
        return Err(not_allowed("referral.same-cluster", "Nobody brings themselves."));
    }
    let is_change = Referral::load(call, &invitee).is_some();
    let standing = call.admit(Some(&inviter), "coupon.bind")?;
    if !is_change {
        call.count_part()?;
    }
    must_be_free(call, &invitee, &inviter)?;
    if call.config.invitee_must_be_new && !is_new {
        return Err(not_allowed("referral.not-new", "This is for new members."));
    }
    must_be_outside(call, &invitee)?;
    if inviter::Inviter::load(call, &inviter).is_at_limit(&call.config) {
        return Err(limit_reached("referral.inviter-limit", "This member has brought as many as are rewarded."));
    }
    if call.config.attribution == Attribution::FirstTouch {
        bind_in_community(call, &invitee, &inviter)?;
    }
    call.use_code(&code);
    let mut referral = Referral::bind(call, &inviter, standing);
    if call.config.qualify == Qualify::Register {
        let now = call.now();
        referral.qualify(call, None, now);
    }
    Ok(views::view(call, &referral))
}

/// Whoever was brought already was: here, or anywhere in the community.
fn must_be_free(call: &Call<Config>, invitee: &str, inviter: &str) -> Answer<()> {
    let taken = || conflict("referral.already-referred", "Somebody has brought you already.");
    let may_change = call.config.attribution == Attribution::LastTouch;
    match Referral::load(call, invitee) {
        None => {}
        Some(Referral { state: State::Bound | State::Expired, inviter: before, .. })
            if may_change && before != inviter => {}
        Some(_) => return Err(taken()),
    }
    let bound = call.member(invitee).and_then(|member| member.inviter);
    if bound.is_some_and(|bound| bound != inviter) { Err(taken()) } else { Ok(()) }
}

/// Whoever is in the group cannot be brought into it.
fn must_be_outside(call: &Call<Config>, invitee: &str) -> Answer<()> {
    let Qualify::JoinGroup { group } = &call.config.qualify else { return Ok(()) };
    let groups = call.groups_of(invitee);
    let is_in = group.as_ref().map_or(!groups.is_empty(), |group| groups.contains(group));
    if is_in { Err(conflict("referral.condition-failed", "You are in the group already.")) } else { Ok(()) }
}

/// Binds the two for ever, in the community's own forest of who brought whom.
fn bind_in_community(call: &mut Call<Config>, invitee: &str, inviter: &str) -> Answer<()> {
    let source = call.activity.clone();
    call.bind_to_inviter(invitee, inviter, &source).map_err(|why| match why {
        NotBound::AlreadyBound => conflict("referral.already-referred", "Somebody has brought you already."),
        NotBound::Cycle => conflict("referral.cycle", "You have brought this member, or whoever did."),
        NotBound::SelfInvitation => not_allowed("referral.self", "Nobody brings themselves."),
        NotBound::UnknownMember => conflict("referral.code-expired", "This code works no longer."),
    })
}

fn returned_key(member: &str, order: &str) -> String {
    fairground_sdk::bounded(format!("returned/{member}/{order}"))
}

/// Referrals of which one call can tell what became of them, and of them that it can reward.
fn batches(call: &Call<Config>) -> (u32, u32) {
    // Of a reward two members are told.
    let told =
        call.batch_of(MESSAGES, &["coupon.rewarded", "coupon.welcomed", "coupon.rejected", "coupon.expired"]) / 2;
    let told = told.max(1);
    (told, PAID_AT_ONCE.min(told))
}

fn expire(call: &mut Call<Config>, invitee: &str) {
    if let Some(mut referral) = Referral::load(call, invitee)
        && referral.state == State::Bound
        && call.now() >= referral.expires_at
    {
        referral.expire(call);
    }
}

fn try_again(call: &mut Call<Config>, invitee: &str) {
    if let Some(mut referral) = Referral::load(call, invitee)
        && referral.state == State::Qualified
    {
        referral.pay(call);
    }
}

/// Some of what anybody may claim; all of them, or none.
fn claim(call: &mut Call<Config>, quantity: u32) -> Answer<Claimed> {
    let Some(Giveaway { offer, total, per_member }) = call.config.giveaway.clone() else {
        return Err(conflict("common.wrong-state", "There is nothing to claim here: bring somebody."));
    };
    let standing = call.take_part(None, "coupon.claim")?;
    let member = call.actor.clone();
    let quantity = i64::from(quantity);
    let Ok(mine) = call.count(&format!("claims/{member}"), quantity, 0, per_member.into()) else {
        return Err(limit_reached("common.limit-member-total", "You have claimed your share.").with("most", per_member));
    };
    let Ok(claimed) = call.count(CLAIMED, quantity, 0, total.into()) else {
        let left = i64::from(total) - call.counter(CLAIMED);
        let gone = Problem::new(
            fairground_sdk::Kind::InsufficientStock,
            "common.stock-exhausted",
            "There are not so many left.",
        );
        return Err(gone.with("left", left));
    };
    for number in claimed - quantity + 1..=claimed {
        call.reward(&format!("claim:{number}"), &offer, &member, standing)?;
    }
    call.emit("coupon.claimed", &member, &quantity);
    call.tell("coupon.claimed", &member, &[]);
    Ok(Claimed { mine, left: i64::from(total) - claimed })
}
