//! Group-buy (拼): members buy together and pay less for it. A seat is taken with the order, not when it is paid, so nobody pays for a
//! seat that is not there; a group that fails pays everybody back.

mod alone;
mod audit;
mod config;
mod group;
mod joining;
mod payments;
mod seat;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{Block, HostEvent, Nothing, ORDER_TOPICS, StopReason, conflict, not_found, prelude::*};

use config::Config;
use group::{Group, State};
use joining::{JoinInput, OpenInput, SeatInput};
use views::{GroupInput, GroupView, MineInput, OpenGroupsInput, PreviewInput};

/// Groups that one call ends: each with as many seats as it can tell of.
const ENDED_AT_ONCE: u32 = 1;

/// Orders of those who bought alone that one call closes.
const CLOSED_AT_ONCE: u32 = 25;

/// Seats that lapse in one call: one may end its group.
const LAPSED_AT_ONCE: u32 = 1;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OpsCancelInput {
    /// # Group 團
    /// The group's id. 團編號。
    #[schemars(length(min = 1, max = 32))]
    group: String,
    /// # Reason 原因
    /// For the log. 記入日誌。
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

struct GroupBuy;

impl Activity for GroupBuy {
    type Config = Config;
    const NAME: &'static str = "group-buy";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Group-buy 拼團";
    const DESCRIPTION: &'static str = "Members buy together, and pay less for it.";

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("open", "Open a group 開團", |call, input: OpenInput| joining::open(call, &input))
            .action("join", "Join a group 參團", |call, input: JoinInput| joining::join(call, &input))
            .action("leave", "Leave an unpaid seat 離開", |call, input: SeatInput| joining::leave(call, &input))
            .action("withdraw", "Withdraw a paid seat 退團", |call, input: SeatInput| joining::withdraw(call, &input))
            .action("buy-alone", "Buy alone 單獨購買", |call, input: OpenInput| alone::buy(call, &input))
            .operator_action("ops-cancel", "Cancel a group 取消團", |call, input: OpsCancelInput| {
                cancel(call, &input)
            })
            .query("group", "A group 團", |call, input: GroupInput| views::whole(call, &input.group))
            .query("open-groups", "Groups to join 可參加的團", |call, input: OpenGroupsInput| {
                views::open_groups(call, &input)
            })
            .query("my-groups", "Your seats 我的座位", |call, input: MineInput| Ok(views::mine(call, &input)))
            .query("prices", "What it costs 價格", |call, _: Nothing| Ok(views::prices(call)))
            .query("price-preview", "What it would cost 試算", |call, input: PreviewInput| {
                views::preview(call, &input)
            })
            .emits(&[
                "group-buy.opened",
                "group-buy.joined",
                "group-buy.seat-lapsed",
                "group-buy.completed",
                "group-buy.failed",
                "group-buy.leader-changed",
                "group-buy.tier-reached",
                "group-buy.reseated",
            ])
            .tells(&[
                "group-buy.completed",
                "group-buy.failed",
                "group-buy.leader-changed",
                "group-buy.reseated",
                "group-buy.seat-lapsed",
            ])
            .listens(&ORDER_TOPICS)
            .codes(&[
                "group-buy.group-full",
                "group-buy.group-expired",
                "group-buy.group-not-forming",
                "group-buy.already-in-group",
                "group-buy.concurrent-limit",
                "group-buy.quantity-limit",
                "group-buy.open-limit",
                "group-buy.join-limit",
                "group-buy.max-groups",
                "group-buy.unpaid-order-exists",
                "group-buy.sku-not-in-activity",
                "group-buy.price-changed",
                "group-buy.withdraw-not-allowed",
            ])
    }

    fn check(config: &Config, _: &Offers) -> Result<Report, Vec<Issue>> {
        config.check()
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if group::FORMING.rings(key) {
            group::expire_due(call, ENDED_AT_ONCE, due);
        } else if group::ENDING.rings(key) {
            group::end_some(call, ENDED_AT_ONCE, due);
        } else if seat::UNPAID.rings(key) {
            seat::lapse_due(call, LAPSED_AT_ONCE, due);
        } else if alone::UNPAID.rings(key) {
            alone::close_due(call, CLOSED_AT_ONCE, due);
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        payments::hear(call, event);
        Ok(())
    }

    fn stop(call: &mut Call<Config>, _: StopReason) -> Answer<()> {
        call.save(payments::OVER, &true);
        Ok(())
    }

    /// Ends what is still open: a group whose deadline has come by its rule, any other as stopped.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let groups = Group::open_ones(call, ENDED_AT_ONCE);
        for mut group in groups.iter().cloned() {
            match group.state {
                State::Forming if call.now() >= group.deadline => group.expire(call),
                State::Forming => group.end(call, State::Stopped),
                _ => group.end_seats(call),
            }
        }
        let alone = if groups.is_empty() { alone::open_ones(call, CLOSED_AT_ONCE) } else { Vec::new() };
        for mut bought in alone.iter().cloned() {
            let _ = call.cancel_order(&bought.order, "the activity is over");
            bought.close(call);
        }
        Ok(groups.is_empty() && alone.is_empty())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(audit::audit(call))
    }
}

fairground_sdk::activity!(GroupBuy);

/// An operator ends a group; everybody is paid back.
fn cancel(call: &mut Call<Config>, input: &OpsCancelInput) -> Answer<GroupView> {
    let mut group = Group::find(call, &input.group)?;
    if group.state != State::Forming {
        return Err(conflict("group-buy.group-not-forming", "The group is over."));
    }
    call.log(&format!("{} is cancelled: {}", group.id, input.reason));
    group.end(call, State::Cancelled);
    Ok(views::group(&group))
}

fn not_sold() -> Problem {
    not_found("group-buy.sku-not-in-activity", "This is not sold here.")
}
