//! A plugin that does what none should, one mischief an action; and a counter that shows what was kept.

mod people;
mod trade;

use fairground_sdk::{HostEvent, Nothing, conflict, prelude::*};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Amount {
    #[schemars(range(max = 10_000_000))]
    amount: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Gift {
    #[schemars(length(max = 128))]
    to: String,
    offer: String,
    /// Milliseconds that it stays held; captured at once where it is left out.
    hold_ms: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inviter {
    #[schemars(length(max = 128))]
    inviter: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct In {
    ms: i64,
}

struct Mischief;

impl Activity for Mischief {
    type Config = Config;
    const NAME: &'static str = "mischief";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Mischief";
    const DESCRIPTION: &'static str = "Does what none should.";

    fn blueprint() -> Blueprint<Self> {
        people::meets(trade::trades(stopped_by_the_host(Blueprint::new())))
            .action("count", "Count", |call, _: Nothing| Ok(count(call)))
            .action("version", "Which version", |_, _: Nothing| Ok(Self::VERSION))
            .action("refuse", "Refuse after writing", |call, _: Nothing| -> Answer<()> {
                count(call);
                Err(conflict("mischief.refused", "On purpose."))
            })
            .action("timers", "Set many timers", |call, input: Amount| {
                count(call);
                let now = call.now();
                Ok((0..input.amount).filter(|number| call.set_timer(&format!("t{number}"), now + 1_000)).count())
            })
            .action("bad-key", "Use a key that is none", |call, _: Nothing| {
                call.save("\u{0}notice", &1);
                Ok(())
            })
            .action("later", "Count later", |call, input: In| {
                let when = call.now() + input.ms;
                Ok(call.set_timer("later", when))
            })
            .action("doom", "Break off later", |call, input: In| {
                let when = call.now() + input.ms;
                Ok(call.set_timer("doomed", when))
            })
            .action("give", "Give an offer", |call, input: Gift| {
                let key = format!("gift:{}", count(call));
                match input.hold_ms {
                    Some(ms) => call.hold(&key, &input.offer, &input.to, ms).map(drop).map_err(fairground_sdk::refused),
                    None => call.give(&key, &input.offer, &input.to),
                }
            })
            .action("join-by", "Say who brought you", |call, input: Inviter| {
                let member = call.actor.clone();
                Ok(call.bind_inviter(&member, &input.inviter, "mischief").is_ok())
            })
            .query("counted", "How often was counted", |call, _: Nothing| Ok(call.counter("count")))
            .query("rung", "How often a timer rang", |call, _: Nothing| Ok(call.counter("rung")))
            .query("ends", "When it ends", |call, _: Nothing| Ok(call.ends_at))
            .query("write", "A query that writes", |call, _: Nothing| Ok(count(call)))
            .emits(&["mischief.done"])
            .codes(&["mischief.refused", "mischief.over-refund"])
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        trade::hear(call, event)
    }

    fn on_timer(call: &mut Call<Config>, key: &str, _: i64, _: &str) -> Answer<()> {
        count(call);
        assert!(key != "doomed", "on purpose");
        let _ = call.count("rung", 1, 0, i64::MAX);
        Ok(())
    }
}

fairground_sdk::activity!(Mischief);

/// What no guest gets away with: it eats time, memory and stack, or breaks off.
fn stopped_by_the_host(blueprint: Blueprint<Mischief>) -> Blueprint<Mischief> {
    floods(blueprint)
        .action("spin", "Never end", |call, _: Nothing| {
            count(call);
            let mut spins = 0u64;
            while std::hint::black_box(spins) < u64::MAX {
                spins += 1;
            }
            Ok(spins)
        })
        .action("hoard", "Take all memory", |call, _: Nothing| {
            count(call);
            let mut hoard = Vec::new();
            loop {
                hoard.push(std::hint::black_box(vec![1u8; 1 << 20]));
                if hoard.len() > 1_000 {
                    return Ok(hoard.len());
                }
            }
        })
        .action("recurse", "Never return", |call, _: Nothing| {
            count(call);
            Ok(deeper(std::hint::black_box(1)))
        })
        .action("babble", "Answer too much", |call, input: Amount| {
            count(call);
            Ok("x".repeat(input.amount as usize))
        })
        .action("break", "Break off after writing", |call, _: Nothing| -> Answer<()> {
            count(call);
            call.emit("mischief.done", "nobody", &1);
            panic!("on purpose\n\u{1b}[2Jforged line")
        })
}

/// What the host counts: calls, bytes, writes.
fn floods(blueprint: Blueprint<Mischief>) -> Blueprint<Mischief> {
    blueprint
        .action("flood-host", "Call the host without end", |call, _: Nothing| -> Answer<u64> {
            count(call);
            let mut sum = 0u64;
            loop {
                sum = sum.wrapping_add(u64::from(call.minute_of_day(0, "UTC")));
            }
        })
        .action("flood-log", "Log without end", |call, _: Nothing| -> Answer<()> {
            count(call);
            loop {
                call.log(&"x".repeat(500));
            }
        })
        .action("flood-storage", "Store without end", |call, _: Nothing| -> Answer<()> {
            count(call);
            for number in 0.. {
                call.save(&format!("flood/{number}"), &number);
            }
            Ok(())
        })
        .action("large-value", "Store too large a value", |call, input: Amount| {
            count(call);
            call.save("large", &"x".repeat(input.amount as usize));
            Ok(())
        })
        .action("shout", "Send a lot in one host call", |call, input: Amount| {
            count(call);
            call.log(&"x".repeat(input.amount as usize));
            Ok(())
        })
}

fn count(call: &mut Call<Config>) -> i64 {
    call.count("count", 1, 0, i64::MAX).expect("it has no bound")
}

#[allow(unconditional_recursion, reason = "on purpose")]
fn deeper(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    deeper(frame[0] + 1) + frame[63]
}
