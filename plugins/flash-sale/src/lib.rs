//! Flash sale (秒殺): a few units for a little while, at a price of their own. Time is looked at first, then the member's share, then
//! stock; a unit is set aside with the order, and nothing is sold twice.

mod config;
mod draw;
mod reservation;
#[cfg(test)]
mod tests;
mod views;
mod waiting;

use fairground_sdk::{
    Block, HostEvent, Nothing, ORDER_TOPICS, StopReason, conflict, limit_reached, not_allowed, not_found, prelude::*,
};

use config::{Config, Mode, Release};
use reservation::{Reservation, State, UNPAID};
use views::{ReserveInput, Reserved};

/// Set when the activity takes no more actions.
pub(crate) const OVER: &str = "over";

/// A timer is due within 400 days; what is later is planned again then.
pub(crate) const HORIZON_MS: i64 = 399 * 86_400_000;

const WARM_UP: &str = "warm-up";

/// What a reservation that lapses tells: its order is closed and paid back, and it is over.
const MESSAGES: u32 = 3;

/// Each that lapses may call the next who waits, by a timer; a call may set 16.
const LAPSED_AT_ONCE: u32 = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReservationInput {
    /// # Reservation 預留單
    /// The reservation's id. 預留單編號。
    #[schemars(length(min = 1, max = 40))]
    reservation: String,
}

struct FlashSale;

impl Activity for FlashSale {
    type Config = Config;
    const NAME: &'static str = "flash-sale";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Flash sale 秒殺";
    const DESCRIPTION: &'static str = "A few units for a little while, at a price of their own.";

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("reserve", "Reserve 搶購", |call, input: ReserveInput| reserve(call, &input))
            .action("cancel", "Give back 取消", |call, input: ReservationInput| cancel(call, &input))
            .action("enter", "Enter the draw 報名抽籤", |call, _: Nothing| draw::enter(call))
            .action("remind-me", "Remind me 開場提醒", |call, _: Nothing| remind_me(call))
            .query("sale", "What there is 商品與場次", |call, _: Nothing| Ok(views::sale(call)))
            .query("draw", "The draw 抽籤", |call, _: Nothing| Ok(draw::view(call)))
            .query("mine", "Your reservations 我的預留", |call, _: Nothing| Ok(views::mine(call)))
            .emits(&[
                "flash-sale.reserved",
                "flash-sale.sold",
                "flash-sale.lapsed",
                "flash-sale.sold-out",
                "flash-sale.restocked",
                "flash-sale.drawn",
                "flash-sale.late-refund",
            ])
            .tells(&[
                "flash-sale.warm-up",
                "flash-sale.reserved",
                "flash-sale.sold",
                "flash-sale.lapsed",
                "flash-sale.drawn",
            ])
            .listens(&ORDER_TOPICS)
            .codes(&[
                "flash.not-in-slot",
                "flash.sold-out",
                "flash.member-limit",
                "flash.slot-limit",
                "flash.order-max",
                "flash.reservation-lapsed",
                "flash.not-winner",
                "flash.already-entered",
                "flash.too-fast",
            ])
    }

    fn check(config: &Config, _: &Offers) -> Result<Report, Vec<Issue>> {
        config.check()
    }

    fn start(call: &mut Call<Config>) -> Answer<()> {
        plan_warm_up(call);
        Ok(())
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if UNPAID.rings(key) {
            let most = call.batch_of(MESSAGES, &["flash-sale.lapsed"]).min(LAPSED_AT_ONCE);
            for id in UNPAID.take(call, most, due) {
                lapse(call, &id);
            }
        }
        match key.split_once(':') {
            Some(("serve", item)) => item.parse().map_or(Ok(()), |item| waiting::serve(call, item)),
            _ if key == draw::TIMER => draw::run(call),
            _ if key == WARM_UP => {
                remind(call);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        let Some(news) = event.order_news() else { return Ok(()) };
        let Some(mut made) = news.intent.strip_prefix("order:").and_then(|id| Reservation::load(call, id)) else {
            return Ok(());
        };
        let is_over = call.load::<bool>(OVER).is_some();
        let was = made.state;
        match event.topic.as_str() {
            "order.paid" => made.paid(call, &news, event.at, is_over),
            "order.closed" if made.state == State::Reserved => made.give_up(call, State::Lapsed),
            "order.refunded" => made.refunded(call, &news),
            "order.refund-refused" => call.refund_again(&news),
            _ => {}
        }
        if made.state != was && !is_over {
            waiting::call_next(call, made.item);
        }
        Ok(())
    }

    fn stop(call: &mut Call<Config>, _: StopReason) -> Answer<()> {
        call.save(OVER, &true);
        Ok(())
    }

    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let most = call.batch_of(4, &["flash-sale.lapsed"]);
        let open = Reservation::open_ones(call, most);
        let is_last = open.len() < most as usize;
        for mut made in open {
            made.give_up(call, State::Lapsed);
        }
        Ok(is_last)
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(FlashSale);

fn reserve(call: &mut Call<Config>, input: &ReserveInput) -> Answer<Reserved> {
    let now = call.now();
    let Some((slot, _)) = call.config.slot_at(now) else {
        return Err(conflict("flash.not-in-slot", "Nothing is sold now.").retryable());
    };
    let not_sold = || not_found("common.not-found", "This is not sold here.");
    let (number, item) = call.config.item(&input.item).ok_or_else(not_sold)?;
    let of = (number, &item.clone());
    if input.quantity > of.1.per_order_max {
        return Err(limit_reached("flash.order-max", "So many are not sold at once.").with("most", of.1.per_order_max));
    }
    let member = call.actor.clone();
    draw::may_buy(call, &member)?;
    limit_rate(call)?;
    call.admit(None, "flash-sale.reserve")?.at_once()?;
    if call.config.release == Release::WaitingList {
        if waiting::waits(call, slot, number, &member) {
            return Ok(Reserved::waits(waiting::join(call, slot, number, &member, input.quantity)));
        }
        // Whoever waits was there first.
        if waiting::is_waited_for(call, slot, number) || !has_room(call, of, slot, &member, input.quantity)? {
            Reservation::must_be_within_share(call, of, slot, &member, input.quantity)?;
            Reservation::must_be_possible(call, of, slot, input.quantity)?;
            count_part(call)?;
            return Ok(Reserved::waits(waiting::join(call, slot, number, &member, input.quantity)));
        }
    }
    count_part(call)?;
    let made = Reservation::make(call, of, slot, &member, input.quantity)?;
    Ok(Reserved::made(&made))
}

/// In a draw the entry was the part that counts.
fn count_part(call: &mut Call<Config>) -> Answer<()> {
    if call.config.mode == Mode::FirstCome { call.count_part() } else { Ok(()) }
}

/// Whether there are units for somebody whom no limit of their own keeps from them; where one does, that is what is said.
fn has_room(
    call: &mut Call<Config>,
    item: (usize, &config::Item),
    slot: usize,
    member: &str,
    quantity: u32,
) -> Answer<bool> {
    if Reservation::fits(call, item, slot, member, quantity) {
        return Ok(call.has_units(&item.1.pool, quantity.into()));
    }
    Reservation::must_be_within_share(call, item, slot, member, quantity)?;
    Ok(false)
}

/// So many wishes a second, of all members.
fn limit_rate(call: &mut Call<Config>) -> Answer<()> {
    let most = call.config.requests_per_second;
    if most == 0 {
        return Ok(());
    }
    let second = call.now().div_euclid(1_000);
    let (of, count) = call.load::<(i64, u32)>("rate").unwrap_or_default();
    let count = if of == second { count } else { 0 };
    if count >= most {
        return Err(limit_reached("flash.too-fast", "Too many at once; try again in a second.").retryable());
    }
    call.save("rate", &(second, count + 1));
    Ok(())
}

fn cancel(call: &mut Call<Config>, input: &ReservationInput) -> Answer<Reserved> {
    let mut made = Reservation::find(call, &input.reservation)?;
    if made.member != call.actor {
        return Err(not_allowed("common.not-owner", "This reservation is somebody else's."));
    }
    if made.state != State::Reserved {
        return Err(reservation::lapsed());
    }
    made.give_up(call, State::Cancelled);
    waiting::call_next(call, made.item);
    Ok(Reserved::made(&made))
}

/// Nobody paid in time.
fn lapse(call: &mut Call<Config>, id: &str) {
    if let Some(mut made) = Reservation::load(call, id).filter(|made| made.state == State::Reserved)
        && call.now() >= made.pay_by
    {
        made.give_up(call, State::Lapsed);
        waiting::call_next(call, made.item);
    }
}

fn remind_me(call: &mut Call<Config>) -> Answer<Nothing> {
    call.may_take_part()?;
    if !call.config.notices.iter().any(|rule| rule.event == "flash-sale.warm-up") {
        return Err(conflict("common.wrong-state", "The organiser reminds nobody here."));
    }
    let member = call.actor.clone();
    call.save(&format!("remind/{member}"), &member);
    Ok(Nothing {})
}

/// The timer of the next slot's warm-up.
fn plan_warm_up(call: &mut Call<Config>) {
    let now = call.now();
    if let Some(next) = warm_ups(call).find(|at| *at > now) {
        // Without it nobody is reminded, and all else goes on.
        let _ = call.set_timer(WARM_UP, next.min(now.saturating_add(HORIZON_MS)));
    }
}

/// When each slot's warm-up is.
fn warm_ups(call: &Call<Config>) -> impl Iterator<Item = i64> + use<> {
    let ahead = call.config.warm_up_ms;
    let starts: Vec<i64> = call.config.slots.iter().map(|slot| slot.starts_at.saturating_sub_unsigned(ahead)).collect();
    starts.into_iter()
}

/// Reminds those who asked for it, some at a time; each once.
fn remind(call: &mut Call<Config>) {
    let now = call.now();
    // One that was too far away when it was planned.
    if warm_ups(call).all(|at| at > now) {
        return plan_warm_up(call);
    }
    let most = call.batch_of(1, &["flash-sale.warm-up"]);
    let members = call.scan::<String>("remind/", None, most);
    let is_last = members.len() < most as usize;
    for (key, member) in members {
        call.tell("flash-sale.warm-up", &member, &[]);
        call.delete(&key);
    }
    if is_last {
        plan_warm_up(call);
    } else {
        let _ = call.set_timer(WARM_UP, now);
    }
}
