//! What mischief becomes: the same counter, kept in another shape.

use fairground_sdk::{Nothing, conflict, prelude::*};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {}

/// Was a counter.
#[derive(Default, Serialize, Deserialize)]
struct Count {
    so_far: i64,
    /// What it was when it was moved.
    before: i64,
}

struct Molt;

const COUNT: &str = "molted";

impl Activity for Molt {
    type Config = Config;
    const NAME: &'static str = "mischief";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Mischief";
    const DESCRIPTION: &'static str = "Counts, and remembers where it began.";
    const STATE_VERSION: u32 = 2;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("count", "Count", |call, _: Nothing| {
                let count = call.load::<Count>(COUNT).unwrap_or_default();
                let so_far = count.so_far + 1;
                call.save(COUNT, &Count { so_far, ..count });
                Ok(so_far)
            })
            .query("counted", "How often was counted", |call, _: Nothing| {
                let Count { so_far, before } = call.load(COUNT).unwrap_or_default();
                Ok((so_far, before))
            })
            .codes(&["mischief.no-way", "mischief.unlucky"])
    }

    fn migrate(call: &mut Call<Config>, from: u32) -> Answer<()> {
        if from != 1 {
            return Err(conflict("mischief.no-way", "Only the first shape is known."));
        }
        let before = call.counter("count");
        call.delete("count");
        call.save(COUNT, &Count { so_far: before, before });
        if before == 13 { Err(conflict("mischief.unlucky", "On purpose.")) } else { Ok(()) }
    }
}

fairground_sdk::activity!(Molt);

#[cfg(test)]
mod tests {
    use fairground_sdk::town::Town;

    use super::*;

    #[test]
    fn another_shape_is_not_taken_for_the_first() {
        let mut town = Town::<Molt>::new(serde_json::json!({})).started();
        town.has_stored("molted", &("a later shape", 1));
        assert_eq!(town.migrate(3).expect_err("unknown").code, "mischief.no-way");
        town.migrate(1).expect("it moves");
        assert_eq!(town.ask::<(i64, i64)>("ann", "counted", Nothing {}).expect("an answer"), (0, 0));
    }
}
