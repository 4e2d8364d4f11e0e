//! Swap (換): members give what they have for what they want, two at a time or in circles; who does not ship loses their deposit to those
//! who did, and every trade ends.

mod circles;
mod config;
mod ending;
mod escrow;
mod listing;
mod reputation;
mod steps;
#[cfg(test)]
mod tests;
mod trade;
mod views;

use fairground_sdk::{Block, HostEvent, Nothing, StopReason, platform, prelude::*};

use config::Config;
use listing::{CLOSED, EXPIRY, ListingInput};
use steps::TradeInput;
use trade::{DEADLINES, Trade};

/// Trades that one call ends: one tells up to five members, and may put ten listings back, each with one of sixteen timers.
const ENDED_AT_ONCE: u32 = 1;

/// What it tells.
const TOPICS: [&str; 14] = [
    "swap.listed",
    "swap.removed",
    "swap.offered",
    "swap.proposed",
    "swap.declined",
    "swap.expired",
    "swap.locked",
    "swap.shipped",
    "swap.received",
    "swap.settled",
    "swap.unwound",
    "swap.cancelled",
    "swap.disputed",
    "swap.resolved",
];

/// Of these it tells whoever is a side.
const TOLD: [&str; 11] = [
    "swap.offered",
    "swap.proposed",
    "swap.declined",
    "swap.expired",
    "swap.locked",
    "swap.shipped",
    "swap.settled",
    "swap.unwound",
    "swap.cancelled",
    "swap.disputed",
    "swap.resolved",
];

/// What it refuses with.
const CODES: [&str; 13] = [
    "swap.not-listed",
    "swap.already-locked",
    "swap.not-party",
    "swap.window-passed",
    "swap.value-gap",
    "swap.top-up-limit",
    "swap.banned-category",
    "swap.listing-limit",
    "swap.reputation",
    "swap.same-party",
    "swap.code-wrong",
    "swap.dispute-closed",
    "swap.deposit-required",
];

struct Swap;

impl Activity for Swap {
    type Config = Config;
    const NAME: &'static str = "swap";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Swap 以物換物";
    const DESCRIPTION: &'static str = "Members swap things: by offers, or in circles that are found for them.";

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("list", "List something 刊登", listing::list)
            .action("edit", "Change a listing 修改刊登", listing::edit)
            .action("want", "Want something for it 想換", |call, input: listing::WantInput| {
                listing::want(call, &input)
            })
            .action("withdraw", "Take a listing off 下架", |call, input: ListingInput| {
                listing::withdraw(call, &input.listing)
            })
            .action("offer", "Offer a swap 出價", |call, input: steps::OfferInput| steps::offer(call, &input))
            .action("counter", "Offer something else 還價", |call, input: steps::CounterInput| {
                steps::counter(call, &input)
            })
            .action("accept", "Accept an offer 接受", |call, input: TradeInput| steps::confirm(call, &input.trade))
            .action("confirm", "Confirm a circle 確認", |call, input: TradeInput| steps::confirm(call, &input.trade))
            .action("decline", "Decline 拒絕", |call, input: TradeInput| steps::decline(call, &input.trade))
            .action("ship", "It is on its way 寄出", |call, input: steps::ShipInput| steps::ship(call, &input))
            .action("receive", "It has come 收到", |call, input: steps::ReceiveInput| steps::receive(call, &input))
            .action("enter-code", "Enter the code 輸入面交碼", |call, input: steps::CodeInput| {
                steps::enter_code(call, &input)
            })
            .action("dispute", "It is not right 提出爭議", |call, input: steps::DisputeInput| {
                steps::dispute(call, &input)
            })
            .operator_action("ops-resolve", "Decide a dispute 裁定爭議", |call, input: steps::ResolveInput| {
                steps::resolve(call, &input)
            })
            .operator_action("ops-remove", "Take a listing off 強制下架", |call, input: ListingInput| {
                listing::remove(call, &input.listing)
            })
            .query("browse", "What there is 瀏覽", |call, input: views::BrowseInput| views::browse(call, &input))
            .query("listing", "A listing 刊登", |call, input: ListingInput| {
                Ok(views::view(&listing::Listing::find(call, &input.listing)?))
            })
            .query("matches", "What would fit yours 可換", |call, input: ListingInput| {
                views::matches(call, &input.listing)
            })
            .query("trade", "One of your trades 我的交易", |call, input: TradeInput| {
                Ok(views::trade_view(call, &Trade::of_actor(call, &input.trade)?.0))
            })
            .query("mine", "Yours 我的刊登與交易", |call, _: Nothing| Ok(views::mine(call)))
            .query("reputation", "Reputation 信譽", |call, input: views::MemberInput| {
                Ok(views::reputation(call, &input))
            })
            .query("stats", "How it goes 統計", |call, _: Nothing| Ok(views::stats(call)))
            .emits(&TOPICS)
            .tells(&TOLD)
            .listens(&[platform::CLOSED])
            .codes(&CODES)
    }

    fn check(config: &Config, _: &Offers) -> Result<Report, Vec<Issue>> {
        config.check()
    }

    fn start(call: &mut Call<Config>) -> Answer<()> {
        circles::plan(call);
        Ok(())
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if key == circles::SEARCH {
            circles::search(call);
        }
        if EXPIRY.rings(key) {
            for number in EXPIRY.take(call, 50, due) {
                listing::expire(call, &number);
            }
        }
        if CLOSED.rings(key) {
            for member in CLOSED.take(call, 1, due) {
                listing::left(call, &member);
            }
        }
        if DEADLINES.rings(key) {
            for id in DEADLINES.take(call, ENDED_AT_ONCE, due) {
                if let Some(mut trade) = Trade::load(call, &id) {
                    trade.ring(call, false);
                }
            }
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        listing::left(call, &event.subject);
        Ok(())
    }

    fn stop(call: &mut Call<Config>, _: StopReason) -> Answer<()> {
        call.cancel_timer(circles::SEARCH);
        Ok(())
    }

    /// What is proposed is over; what is on its way goes as if its time were over.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let open = trade::open_ones(call, ENDED_AT_ONCE);
        for mut trade in open.clone() {
            trade.ring(call, true);
        }
        Ok(open.is_empty())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(Swap);
