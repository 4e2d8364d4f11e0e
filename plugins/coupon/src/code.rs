//! Codes: who is meant by one.

use fairground_sdk::{Code, conflict, expired, limit_reached, not_allowed, not_found, prelude::*};

use crate::config::{CodeRule, Config};

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
    let (owner, recipient) = (call.actor.clone(), input.recipient.as_deref());
    let code = match call.code_of(&owner, recipient) {
        Some(code) => code,
        None => {
            may_be_personal(call, &owner, recipient)?;
            let CodeRule { length, alphabet, .. } = call.config.code.clone();
            call.make_code(&owner, recipient, length, &alphabet)?
        }
    };
    Ok(OwnCode { code: code.text, uses: code.uses, recipient: code.recipient })
}

fn may_be_personal(call: &mut Call<Config>, owner: &str, recipient: Option<&str>) -> Answer<()> {
    let Some(recipient) = recipient else { return Ok(()) };
    if call.member(recipient).is_none() {
        return Err(not_found("common.not-found", "There is no such member."));
    }
    let most = i64::from(call.config.code.personal);
    match call.count(&format!("personal/{owner}"), 1, 0, most) {
        Ok(_) => Ok(()),
        Err(_) => {
            let all = "You have all the personal codes that you may.";
            Err(limit_reached("referral.code-limit", all).with("most", most))
        }
    }
}

/// The code that the actor may use, or why not.
pub(crate) fn find(call: &Call<Config>, text: &str) -> Answer<Code> {
    let unknown = || not_found("referral.code-not-found", "There is no such code.");
    let code = call.find_code(text).ok_or_else(unknown)?;
    if !call.is_code_valid(&code) {
        return Err(expired("referral.code-expired", "This code works no longer."));
    }
    if code.owner == call.actor {
        return Err(not_allowed("referral.self", "Nobody brings themselves."));
    }
    if code.recipient.as_ref().is_some_and(|recipient| *recipient != call.actor) {
        return Err(not_allowed("referral.recipient-mismatch", "This code is for somebody else."));
    }
    let most = if code.recipient.is_some() { 1 } else { call.config.code.uses };
    if most > 0 && code.uses >= most && !call.has_used(&code) {
        return Err(limit_reached("referral.code-limit", "This code has been used as often as it may."));
    }
    Ok(code)
}
