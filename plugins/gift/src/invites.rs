//! Bringing friends: so many who count are a gift.

use fairground_sdk::{
    HostEvent, NotBound, Standing, codes, conflict, invalid, limit_reached, not_allowed, not_found, platform,
    platform::Qualify, prelude::*, unless_exhausted,
};

use crate::config::{Config, Mode};

const CODE_LENGTH: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    Bound,
    /// The friend counts.
    Qualified,
    /// What they did was undone, before it had earned a gift.
    Undone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Friend {
    pub member: String,
    pub inviter: String,
    pub stage: Stage,
    bound_at: i64,
    is_under_review: bool,
    /// The order or the group that met the condition, and when.
    met_with: Option<String>,
    met_at: i64,
}

/// How far an inviter has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rounds {
    pub member: String,
    pub qualified: u32,
    pub redeemed: u32,
    /// Friends who count and whom the risk rules want to look at.
    reviewed: u32,
    /// How often a gift was given: a key that was put back cannot be used again.
    tries: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindInput {
    /// # Code 邀請碼
    /// The code of whoever brought you. 邀請人的邀請碼。
    #[schemars(length(min = 1, max = 40))]
    code: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct RoundsView {
    /// The code to give to friends; none where it was not asked for yet.
    code: Option<String>,
    /// Friends who count.
    qualified: u32,
    redeemed: u32,
    /// Gifts that can be redeemed now.
    ready: u32,
    needed: u32,
}

/// What `gift.qualified` tells.
#[derive(Serialize)]
struct Told<'a> {
    inviter: &'a str,
    qualified: u32,
}

/// What `gift.round` tells: how many it are now, and the key of the reward.
#[derive(Serialize)]
struct Round {
    n: u32,
    hold: String,
}

struct Rule {
    needed: u32,
    qualify: Qualify,
    offer: String,
    welcome_offer: Option<String>,
    /// 0 sets no limit.
    max_rounds: u32,
    window_ms: u64,
    must_be_new: bool,
}

fn rule(call: &Call<Config>) -> Answer<Rule> {
    match call.config.mode.clone() {
        Mode::InviteGift { needed, qualify, offer, welcome_offer, max_rounds, window_ms, friends_must_be_new } => {
            let must_be_new = friends_must_be_new;
            Ok(Rule { needed, qualify, offer, welcome_offer, max_rounds, window_ms, must_be_new })
        }
        _ => Err(conflict("common.wrong-state", "Nobody is brought here.")),
    }
}

impl Friend {
    pub(crate) fn load(call: &Call<Config>, member: &str) -> Option<Self> {
        call.load(&format!("friend/{member}"))
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("friend/{}", self.member), self);
    }

    fn qualify(&mut self, call: &mut Call<Config>, rule: &Rule, met_with: Option<String>, met_at: i64) -> Answer<()> {
        (self.stage, self.met_with, self.met_at) = (Stage::Qualified, met_with, met_at);
        let mut rounds = Rounds::load(call, &self.inviter);
        rounds.qualified += 1;
        rounds.reviewed += u32::from(self.is_under_review);
        rounds.save(call);
        if let Some(offer) = &rule.welcome_offer {
            let standing = Standing { is_under_review: self.is_under_review };
            unless_exhausted(call.reward(&welcome_key(&self.member), offer, &self.member, standing))?;
        }
        call.emit("gift.qualified", &self.member, &Told { inviter: &self.inviter, qualified: rounds.qualified });
        if rounds.ready(rule) > 0 {
            call.tell("gift.qualified", &self.inviter, &[("friend", self.member.clone())]);
        }
        self.save(call);
        Ok(())
    }

    /// What counted is undone, unless it has earned a gift already.
    fn undo(&mut self, call: &mut Call<Config>, needed: u32) {
        let mut rounds = Rounds::load(call, &self.inviter);
        call.take_back(&welcome_key(&self.member), "what it was given for is undone");
        if rounds.qualified <= rounds.redeemed * needed {
            // A gift that still waits is not given.
            if !call.release(&rounds.key(), "one of those who count has not") {
                return;
            }
            rounds.redeemed -= 1;
        }
        rounds.qualified -= 1;
        rounds.reviewed -= u32::from(self.is_under_review);
        rounds.save(call);
        self.stage = Stage::Undone;
        self.save(call);
    }
}

impl Rounds {
    pub(crate) fn load(call: &Call<Config>, member: &str) -> Self {
        let fresh = || Self { member: member.into(), ..Self::default() };
        call.load(&format!("rounds/{member}")).unwrap_or_else(fresh)
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("rounds/{}", self.member), self);
    }

    /// Of the gift that was given last.
    fn key(&self) -> String {
        format!("round:{}:{}:{}", self.redeemed, self.tries, self.member)
    }

    fn ready(&self, rule: &Rule) -> u32 {
        let most = if rule.max_rounds == 0 { u32::MAX } else { rule.max_rounds };
        (self.qualified / rule.needed).min(most).saturating_sub(self.redeemed)
    }
}

/// The actor's code, and how far they have come.
pub(crate) fn get_code(call: &mut Call<Config>) -> Answer<RoundsView> {
    rule(call)?;
    call.admit(None, "gift.get-code")?;
    let owner = call.actor.clone();
    if call.code_of(&owner, None).is_none() {
        call.make_code(&owner, None, CODE_LENGTH, codes::ALPHABET)?;
    }
    view(call)
}

pub(crate) fn view(call: &Call<Config>) -> Answer<RoundsView> {
    let rule = rule(call)?;
    let rounds = Rounds::load(call, &call.actor);
    Ok(RoundsView {
        code: call.code_of(&call.actor, None).map(|code| code.text),
        qualified: rounds.qualified,
        redeemed: rounds.redeemed,
        ready: rounds.ready(&rule),
        needed: rule.needed,
    })
}

/// The actor was brought by the owner of a code.
pub(crate) fn bind(call: &mut Call<Config>, input: &BindInput) -> Answer<Stage> {
    let rule = rule(call)?;
    let member = call.actor.clone();
    let is_new = call.is_new_member(&member);
    let code = call.find_code(&input.code).filter(|code| call.is_code_valid(code));
    let code = code.ok_or_else(|| not_found("gift.link-invalid", "There is no such code."))?;
    let inviter = code.owner.clone();
    if inviter == member || (call.config.risk.is_some() && call.are_one(&inviter, &member, "gift.bind")) {
        return Err(not_allowed("gift.self-claim", "Nobody brings themselves."));
    }
    let standing = call.take_part(Some(&inviter), "gift.bind")?;
    let taken = || conflict("gift.link-used", "Somebody has brought you already.");
    if Friend::load(call, &member).is_some() {
        return Err(taken());
    }
    if rule.must_be_new && !is_new {
        return Err(not_allowed("common.new-member-only", "This is for new members."));
    }
    let has_ordered = call.member(&member).is_some_and(|member| member.first_order_at.is_some());
    if has_ordered && matches!(rule.qualify, Qualify::FirstOrder { .. }) {
        return Err(not_allowed("common.new-member-only", "This is for those who have not ordered."));
    }
    if let Qualify::JoinGroup { group } = &rule.qualify {
        let groups = call.groups_of(&member);
        if group.as_ref().map_or(!groups.is_empty(), |group| groups.contains(group)) {
            return Err(conflict("common.not-eligible", "You are in the group already."));
        }
    }
    let source = call.activity.clone();
    call.bind_to_inviter(&member, &inviter, &source).map_err(|why| match why {
        NotBound::AlreadyBound => taken(),
        NotBound::Cycle => invalid("common.invalid-input", "You have brought this member."),
        NotBound::SelfInvitation | NotBound::UnknownMember => not_found("gift.link-invalid", "There is no such code."),
    })?;
    call.use_code(&code);
    let now = call.now();
    let is_under_review = standing.is_under_review;
    let mut friend =
        Friend { member, inviter, stage: Stage::Bound, bound_at: now, is_under_review, met_with: None, met_at: 0 };
    friend.save(call);
    if rule.qualify == Qualify::Register {
        friend.qualify(call, &rule, None, now)?;
    }
    Ok(friend.stage)
}

/// What the platform tells of a friend.
pub(crate) fn hear(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
    let (Ok(rule), Some(mut friend)) = (rule(call), Friend::load(call, &event.subject)) else { return Ok(()) };
    let order = event.purchase().map(|purchase| purchase.order).filter(|order| !order.is_empty());
    let window = friend.bound_at..friend.bound_at.saturating_add_unsigned(rule.window_ms);
    if friend.stage == Stage::Bound && window.contains(&event.at) && rule.qualify.is_met_by(event) {
        if call.is_active(&friend.inviter) && call.is_active(&friend.member) {
            friend.qualify(call, &rule, order.or_else(|| event.group()), event.at)?;
        }
        return Ok(());
    }
    let is_undone = match event.topic.as_str() {
        platform::RETURNED => order.is_some() && order == friend.met_with,
        platform::LEFT => event.at >= friend.met_at && event.group().is_some() && event.group() == friend.met_with,
        platform::CLOSED => true,
        _ => false,
    };
    if friend.stage == Stage::Qualified && is_undone {
        friend.undo(call, rule.needed);
    }
    Ok(())
}

/// A gift for so many friends.
pub(crate) fn redeem(call: &mut Call<Config>) -> Answer<RoundsView> {
    let rule = rule(call)?;
    let standing = call.admit(None, "gift.redeem")?;
    let member = call.actor.clone();
    let mut rounds = Rounds::load(call, &member);
    if rule.max_rounds > 0 && rounds.redeemed >= rule.max_rounds {
        return Err(limit_reached("gift.round-limit", "You have had all the gifts that you may."));
    }
    let missing = (rounds.redeemed + 1).saturating_mul(rule.needed).saturating_sub(rounds.qualified);
    if missing > 0 {
        return Err(conflict("gift.not-enough-invites", "Bring some more.").with("missing", missing));
    }
    rounds.redeemed += 1;
    rounds.tries += 1;
    let standing = Standing { is_under_review: standing.is_under_review || rounds.reviewed > 0 };
    call.reward(&rounds.key(), &rule.offer, &member, standing)?;
    rounds.save(call);
    call.emit("gift.round", &member, &Round { n: rounds.redeemed, hold: rounds.key() });
    call.tell("gift.round", &member, &[("n", rounds.redeemed.to_string())]);
    view(call)
}

fn welcome_key(member: &str) -> String {
    format!("welcome:{member}")
}
