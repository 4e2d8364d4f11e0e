//! Codes that members give to others: short, without letters that are taken for each other, and drawn anew where one is taken.

use serde::{Deserialize, Serialize};

use crate::{Answer, Call, bounded, limit_reached};

/// Letters and digits that nobody takes for another.
pub const ALPHABET: &str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A code that is taken is drawn again; of a thousand million few are.
const DRAWS_MAX: u32 = 8;

/// A code as it is kept. Its keys begin with `fg/code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    pub text: String,
    pub owner: String,
    /// The one member whom it is for; none where it is for anybody.
    pub recipient: Option<String>,
    /// How many have used it.
    pub uses: u32,
}

impl<C> Call<C> {
    /// The code of a member, for anybody or for one recipient; none where there is none yet.
    pub fn code_of(&self, owner: &str, recipient: Option<&str>) -> Option<Code> {
        self.find_code(&self.find::<String>(&own_key(owner, recipient))?)
    }

    /// Makes a code of 6 to 12 characters of an alphabet, of at most 32 in ASCII, for a member who has none.
    pub fn make_code(&mut self, owner: &str, recipient: Option<&str>, length: u32, alphabet: &str) -> Answer<Code> {
        let letters = alphabet.as_bytes();
        let size = letters.len() as u64;
        for _ in 0..DRAWS_MAX {
            let mut drawn = self.draw("code", 0, size.pow(length) - 1);
            let mut text = String::new();
            for _ in 0..length {
                text.push(char::from(letters[usize::try_from(drawn % size).expect("a small number")]));
                drawn /= size;
            }
            if self.find_code(&text).is_none() {
                let code = Code { text, owner: owner.into(), recipient: recipient.map(Into::into), uses: 0 };
                self.save(&own_key(owner, recipient), &code.text);
                self.save(&key(&code.text), &code);
                return Ok(code);
            }
        }
        Err(limit_reached("common.busy", "Nearly all codes of this length are taken; try again.").retryable())
    }

    /// A code as people write it: with small letters, blanks and dashes.
    pub fn find_code(&self, text: &str) -> Option<Code> {
        let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
        let text: String = letters.map(|letter| letter.to_ascii_uppercase()).collect();
        self.find(&key(&text))
    }

    /// Whether its owner may give it out: what a banned account has given works no longer.
    pub fn is_code_valid(&self, code: &Code) -> bool {
        self.is_active(&code.owner)
    }

    /// Whether the actor has used a code.
    pub fn has_used(&self, code: &Code) -> bool {
        self.load::<bool>(&used_key(code, &self.actor)).is_some()
    }

    /// The actor uses a code; again is no other use.
    pub fn use_code(&mut self, code: &Code) {
        if !self.has_used(code) {
            let used = used_key(code, &self.actor);
            self.save(&used, &true);
            self.save(&key(&code.text), &Code { uses: code.uses + 1, ..code.clone() });
        }
    }
}

fn key(text: &str) -> String {
    bounded(format!("fg/code/{text}"))
}

fn own_key(owner: &str, recipient: Option<&str>) -> String {
    match recipient {
        Some(recipient) => bounded(format!("fg/code-of/{owner}/{recipient}")),
        None => format!("fg/code-of/{owner}"),
    }
}

fn used_key(code: &Code, member: &str) -> String {
    bounded(format!("fg/code-used/{}/{member}", code.text))
}
