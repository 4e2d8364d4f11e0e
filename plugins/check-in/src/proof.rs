//! What a member shows, and whether it is what the activity asks for.

use fairground_sdk::{invalid, prelude::*};

use crate::{
    buyers,
    config::{Config, ProofRule},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Proof {
    Text {
        #[schemars(length(max = 1_000))]
        text: String,
        /// Others may see it on the wall.
        #[serde(default)]
        public: bool,
    },
    /// A photo on the platform.
    Photo {
        #[schemars(length(min = 1, max = 128))]
        reference: String,
    },
    /// An order of the member's own; each proves one day.
    Order {
        #[schemars(length(min = 1, max = 128))]
        order: String,
    },
    Code {
        #[schemars(length(min = 1, max = 128))]
        place: String,
        #[schemars(length(min = 1, max = 128))]
        code: String,
    },
}

pub(crate) fn check(call: &mut Call<Config>, proof: Option<&Proof>, day: Day) -> Answer<()> {
    match (&call.config.proof, proof) {
        (ProofRule::None, _) | (ProofRule::Photo, Some(Proof::Photo { .. })) => Ok(()),
        (ProofRule::Text { min_len }, Some(Proof::Text { text, .. })) => {
            if text.trim().chars().count() < *min_len as usize {
                return Err(invalid("checkin.proof-too-short", "Write a little more.").with("min_len", min_len));
            }
            Ok(())
        }
        (ProofRule::Order, Some(Proof::Order { order })) => buyers::prove(call, order, day),
        (ProofRule::Code { places }, Some(Proof::Code { place, code })) => {
            if places.get(place) != Some(code) {
                return Err(invalid("checkin.place-code-wrong", "This is not the code of this place."));
            }
            Ok(())
        }
        _ => Err(invalid("checkin.proof-required", "A proof of another kind is required.")),
    }
}
