//! Codes: who is meant by one.

use fairground_sdk::{MemberStatus, conflict, expired, limit_reached, not_allowed, not_found, prelude::*};

use crate::config::Config;

/// Letters and digits that nobody takes for another: 32, so that a character is five bits.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A code that is taken is drawn again; of a thousand million few are.
const DRAWS_MAX: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    pub owner: String,
    /// The one member whom it is for; none where it is for anybody.
    pub recipient: Option<String>,
    pub uses: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetCodeInput {
    /// # For 指定對象
    /// The member whom a personal code is for; null makes one for anybody. 專屬碼的對象；null 為不限。
    #[serde(rename = "for")]
    #[schemars(length(min = 1, max = 128))]
    recipient: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct OwnCode {
    code: String,
    /// How many have used it.
    uses: u32,
    recipient: Option<String>,
}

/// The actor's code: the same each time.
pub(crate) fn get(call: &mut Call<Config>, input: GetCodeInput) -> Answer<OwnCode> {
    call.admit(None, "coupon.get-code")?;
    if !call.config.has_referrals() {
        return Err(conflict("common.wrong-state", "Nobody is brought here: there are coupons to claim."));
    }
    let owner = call.actor.clone();
    let own_key = match &input.recipient {
        Some(recipient) => fairground_sdk::bounded(format!("code-of/{owner}/{recipient}")),
        None => format!("code-of/{owner}"),
    };
    if let Some(text) = call.find::<String>(&own_key)
        && let Some(Code { uses, recipient, .. }) = load(call, &text)
    {
        return Ok(OwnCode { code: text, uses, recipient });
    }
    if let Some(recipient) = &input.recipient {
        if call.member(recipient).is_none() {
            return Err(not_found("common.not-found", "There is no such member."));
        }
        let most = i64::from(call.config.code.personal);
        if call.count(&format!("personal/{owner}"), 1, 0, most).is_err() {
            return Err(limit_reached("referral.code-limit", "You have all the personal codes that you may.")
                .with("most", most));
        }
    }
    let text = draw(call)?;
    call.save(&own_key, &text);
    save(call, &text, &Code { owner, recipient: input.recipient.clone(), uses: 0 });
    Ok(OwnCode { code: text, uses: 0, recipient: input.recipient })
}

fn draw(call: &mut Call<Config>) -> Answer<String> {
    let length = call.config.code.length;
    for _ in 0..DRAWS_MAX {
        let mut drawn = call.draw("code", 0, (1u64 << (5 * length)) - 1);
        let mut text = String::new();
        for _ in 0..length {
            text.push(char::from(ALPHABET[usize::try_from(drawn % 32).expect("below 32")]));
            drawn /= 32;
        }
        if load(call, &text).is_none() {
            return Ok(text);
        }
    }
    Err(limit_reached("common.busy", "Nearly all codes of this length are taken; try again.").retryable())
}

/// The code as it is kept: people write small letters and blanks.
fn normal(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

fn load(call: &Call<Config>, text: &str) -> Option<Code> {
    call.find(&format!("code/{}", normal(text)))
}

fn save(call: &mut Call<Config>, text: &str, code: &Code) {
    call.save(&format!("code/{}", normal(text)), code);
}

/// The code that the actor may use, or why not.
pub(crate) fn find(call: &Call<Config>, text: &str) -> Answer<Code> {
    let unknown = || not_found("referral.code-not-found", "There is no such code.");
    let code = load(call, text).ok_or_else(unknown)?;
    // What a banned account has given out works no longer.
    let works = call.member(&code.owner).is_some_and(|owner| owner.status == MemberStatus::Active);
    if !works {
        return Err(expired("referral.code-expired", "This code works no longer."));
    }
    if code.owner == call.actor {
        return Err(not_allowed("referral.self", "Nobody brings themselves."));
    }
    if code.recipient.as_ref().is_some_and(|recipient| *recipient != call.actor) {
        return Err(not_allowed("referral.recipient-mismatch", "This code is for somebody else."));
    }
    let most = if code.recipient.is_some() { 1 } else { call.config.code.uses };
    let has_used = || call.load::<bool>(&used_key(text, &call.actor)).is_some();
    if most > 0 && code.uses >= most && !has_used() {
        return Err(limit_reached("referral.code-limit", "This code has been used as often as it may."));
    }
    Ok(code)
}

/// The actor has used it; again is no other use.
pub(crate) fn count_use(call: &mut Call<Config>, text: &str, code: Code) {
    let used = used_key(text, &call.actor);
    if call.load::<bool>(&used).is_some() {
        return;
    }
    call.save(&used, &true);
    save(call, text, &Code { uses: code.uses + 1, ..code });
}

fn used_key(text: &str, member: &str) -> String {
    fairground_sdk::bounded(format!("used/{}/{member}", normal(text)))
}
