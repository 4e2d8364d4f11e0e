//! Links: a secret for each share, kept as a hash, good for one claim.

use fairground_sdk::{Rewarded, conflict, expired, limit_reached, not_allowed, not_found, prelude::*};
use sha2::{Digest, Sha256};

use crate::{
    config::{Config, RefundRule},
    gift::{Gift, Share, ShareState, State},
    views::{self, GiftView},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShareInput {
    /// # Gift 禮物
    /// The gift's id. 禮物編號。
    #[schemars(length(min = 1, max = 20))]
    pub gift: String,
    /// # Share 份額
    /// Its number, from 0. 份額編號，由 0 起。
    #[schemars(range(max = 49))]
    pub share: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenInput {
    /// # Link 連結
    /// What the giver was given for it. 送禮人取得的連結碼。
    #[schemars(length(min = 1, max = 64))]
    pub token: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Link {
    gift: String,
    share: u32,
    /// Shown this once: only its hash is kept. Another one ends it.
    token: String,
    /// UTC milliseconds; none where it lasts as long as the activity.
    expires_at: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Claimed {
    units: u32,
    /// When it is given; none where it was at once. UTC milliseconds.
    given_at: Option<i64>,
}

/// Makes a link for a share of the actor's own gift.
pub(crate) fn make(call: &mut Call<Config>, input: &ShareInput) -> Answer<Link> {
    let mut gift = Gift::own(call, &input.gift)?;
    let place = place_of(&gift, input.share)?;
    must_be_open(call, &gift.shares[place])?;
    // 128 bits that nobody can guess.
    let token = format!("{:016x}{:016x}", call.draw("link", 0, u64::MAX - 1), call.draw("link", 0, u64::MAX - 1));
    let link = hash(&token);
    if let Some(before) = gift.shares[place].link.replace(link.clone()) {
        call.delete(&link_key(&before));
    }
    call.save(&link_key(&link), &(gift.id.clone(), place));
    gift.save(call);
    Ok(Link { gift: input.gift.clone(), share: input.share, token, expires_at: gift.shares[place].expires_at })
}

fn place_of(gift: &Gift, share: u32) -> Answer<usize> {
    let place = share as usize;
    if place < gift.shares.len() { Ok(place) } else { Err(not_found("common.not-found", "There is no such share.")) }
}

fn must_be_open(call: &Call<Config>, share: &Share) -> Answer<()> {
    match share.state {
        ShareState::Offered if share.expires_at.is_some_and(|at| call.now() >= at) => {
            Err(expired("gift.link-expired", "Nobody has claimed it in time."))
        }
        ShareState::Offered => Ok(()),
        ShareState::Waiting => Err(conflict("common.wrong-state", "The order is not paid.").retryable()),
        ShareState::Claimed | ShareState::Fulfilled => Err(conflict("gift.link-used", "Somebody has claimed it.")),
        ShareState::Returned | ShareState::Refunded | ShareState::Revoked => {
            Err(expired("gift.link-expired", "It is not offered any more."))
        }
    }
}

/// The share that a link is for.
fn find(call: &Call<Config>, token: &str) -> Answer<(Gift, usize)> {
    let unknown = || not_found("gift.link-invalid", "There is no such link.");
    let (id, place) = call.load::<(String, usize)>(&link_key(&hash(token))).ok_or_else(unknown)?;
    Ok((Gift::load(call, &id).ok_or_else(unknown)?, place))
}

pub(crate) fn claim(call: &mut Call<Config>, input: &TokenInput) -> Answer<Claimed> {
    let (mut gift, place) = find(call, &input.token)?;
    let claimer = call.actor.clone();
    let giver = gift.giver.clone();
    let is_own = claimer == giver || (call.config.risk.is_some() && call.are_one(&giver, &claimer, "gift.claim"));
    if is_own && !call.config.self_claim {
        return Err(not_allowed("gift.self-claim", "What you gave is for others."));
    }
    let standing = call.admit(Some(giver.as_str()).filter(|giver| *giver != claimer), "gift.claim")?;
    must_be_open(call, &gift.shares[place])?;
    let had = |share: &&Share| {
        let is_theirs = share.claimer.as_deref() == Some(claimer.as_str());
        is_theirs && matches!(share.state, ShareState::Claimed | ShareState::Fulfilled)
    };
    if gift.shares.iter().filter(had).count() >= call.config.per_claimer as usize {
        return Err(limit_reached("gift.claim-limit", "You have had your share of this gift."));
    }
    let offer = call.config.claim_offer().cloned().expect("where there is a share, there is an offer");
    // What was set aside in the giver's name makes room for it.
    gift.put_back(call, place);
    let mut given_at = None;
    for key in gift.unit_keys(&gift.shares[place]) {
        if let Rewarded::Waits(due) = call.reward(&key, &offer, &claimer, standing)? {
            given_at = Some(due);
        }
    }
    gift.forget_link(call, place);
    let share = &mut gift.shares[place];
    share.claimer = Some(claimer.clone());
    share.state = if given_at.is_some() { ShareState::Claimed } else { ShareState::Fulfilled };
    let units = share.units;
    gift.told_of(call, "gift.claimed", &[place]);
    gift.save(call);
    Ok(Claimed { units, given_at })
}

/// Whoever was given a link does not want it: the giver need not wait.
pub(crate) fn decline(call: &mut Call<Config>, input: &TokenInput) -> Answer<GiftView> {
    let (mut gift, place) = find(call, &input.token)?;
    if gift.giver == call.actor {
        return Err(not_allowed("gift.self-claim", "It is for others to decline; you may recall it."));
    }
    call.admit(None, "gift.decline")?;
    must_be_open(call, &gift.shares[place])?;
    gift.expire(call, place);
    Ok(views::gift(&gift))
}

/// The giver takes back what nobody has claimed.
pub(crate) fn recall(call: &mut Call<Config>, id: &str) -> Answer<GiftView> {
    let mut gift = Gift::own(call, id)?;
    if gift.state == State::Ordered {
        gift.lapse(call);
        return Ok(views::gift(&gift));
    }
    let offered = gift.places(ShareState::Offered);
    let is_claimed = gift.shares.iter().any(|share| matches!(share.state, ShareState::Claimed | ShareState::Fulfilled));
    let is_blocked = is_claimed && call.config.refund_rule == RefundRule::BlockAfterClaim;
    if gift.state != State::Paid || offered.is_empty() || gift.unit_value == 0 || is_blocked {
        return Err(conflict("gift.cannot-recall", "There is nothing that can be taken back."));
    }
    gift.refund_shares(call, &offered, "the giver took it back");
    Ok(views::gift(&gift))
}

/// An operator takes a share back from whoever claimed it, before it is given.
pub(crate) fn revoke(call: &mut Call<Config>, input: &ShareInput) -> Answer<GiftView> {
    let unknown = || not_found("common.not-found", "There is no such gift.");
    let mut gift = Gift::load(call, &input.gift).ok_or_else(unknown)?;
    let place = place_of(&gift, input.share)?;
    gift.settle_claim(call, place);
    if gift.shares[place].state != ShareState::Claimed {
        return Err(conflict("common.wrong-state", "It is not waiting for anybody."));
    }
    for key in gift.unit_keys(&gift.shares[place]) {
        call.take_back(&key, "revoked");
    }
    gift.shares[place].tries += 1;
    gift.shares[place].state = ShareState::Revoked;
    gift.told_of(call, "gift.revoked", &[place]);
    gift.save(call);
    Ok(views::gift(&gift))
}

/// What was claimed cannot be delivered: the giver has their money back, where there is any. What is on its way, or used, stays.
pub(crate) fn give_back(call: &mut Call<Config>, input: &ShareInput) -> Answer<GiftView> {
    let unknown = || not_found("common.not-found", "There is no such gift.");
    let mut gift = Gift::load(call, &input.gift).ok_or_else(unknown)?;
    let place = place_of(&gift, input.share)?;
    if !matches!(gift.shares[place].state, ShareState::Claimed | ShareState::Fulfilled) {
        return Err(conflict("common.wrong-state", "Nobody has claimed it."));
    }
    for key in gift.unit_keys(&gift.shares[place]) {
        if !call.take_back(&key, "it cannot be delivered") {
            return Err(conflict("common.wrong-state", "It is on its way, or used."));
        }
    }
    gift.shares[place].tries += 1;
    gift.shares[place].state = ShareState::Refunded;
    call.refund_beyond(&gift.order(), gift.kept(), "it cannot be delivered");
    gift.told_of(call, "gift.returned", &[place]);
    gift.save(call);
    Ok(views::gift(&gift))
}

fn hash(token: &str) -> String {
    fairground_sdk::hex(&Sha256::digest(token))
}

fn link_key(link: &str) -> String {
    format!("link/{link}")
}
