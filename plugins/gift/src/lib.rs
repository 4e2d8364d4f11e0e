//! Gift (送): buy and get, give by a link, bring friends for a gift, or open a red packet; each unit goes to one, once.

mod buying;
mod config;
mod gift;
mod invites;
mod links;
mod packets;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{Block, HostEvent, Nothing, StopReason, platform, prelude::*};

use config::Config;
use gift::{Gift, OVER, UNCLAIMED, UNPAID};
use views::GiftInput;

/// Gifts, or shares, that one call ends: of fifty units each.
const ENDED_AT_ONCE: u32 = 1;
const EXPIRED_AT_ONCE: u32 = 2;

/// What it tells, of all of which members are told as well.
const TOPICS: [&str; 7] =
    ["gift.offered", "gift.claimed", "gift.returned", "gift.revoked", "gift.qualified", "gift.round", "gift.opened"];

struct Giving;

impl Activity for Giving {
    type Config = Config;
    const NAME: &'static str = "gift";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Gift 送禮";
    const DESCRIPTION: &'static str = "Buy and get, gifts by link, gifts for bringing friends, and red packets.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("send", "Buy, or give 購買或送禮", |call, input: buying::SendInput| buying::send(call, &input))
            .action("link", "A link for a share 取得連結", |call, input: links::ShareInput| {
                links::make(call, &input)
            })
            .action("claim", "Claim 領取", |call, input: links::TokenInput| links::claim(call, &input))
            .action("decline", "Do not want it 婉拒", |call, input: links::TokenInput| links::decline(call, &input))
            .action("recall", "Take it back 收回", |call, input: GiftInput| links::recall(call, &input.gift))
            .action("get-code", "Get your code 取得邀請碼", |call, _: Nothing| invites::get_code(call))
            .action("bind", "Use a code 使用邀請碼", |call, input: invites::BindInput| invites::bind(call, &input))
            .action("redeem", "Redeem a gift 兌換禮物", |call, _: Nothing| invites::redeem(call))
            .action("open", "Open a packet 拆紅包", |call, _: Nothing| packets::open(call))
            .operator_action("ops-revoke", "Revoke a claim 撤銷領取", |call, input: links::ShareInput| {
                links::revoke(call, &input)
            })
            .operator_action("ops-return", "It cannot be delivered 無法送達", |call, input: links::ShareInput| {
                links::give_back(call, &input)
            })
            .query("gift", "One of your gifts 我的禮物", |call, input: GiftInput| {
                Ok(views::gift(&Gift::own(call, &input.gift)?))
            })
            .query("mine", "Your gifts 我送出的", |call, _: Nothing| Ok(views::mine(call)))
            .query("rounds", "How far you are 邀請進度", |call, _: Nothing| invites::view(call))
            .query("packets", "The packets 紅包", |call, _: Nothing| packets::view(call))
            .query("stats", "How it goes 統計", |call, _: Nothing| Ok(views::stats(call)))
            .emits(&TOPICS)
            .tells(&TOPICS)
            .listens(&["order.paid", "order.closed", "order.refunded", "order.refund-refused", platform::EVERYTHING])
            .codes(&[
                "gift.link-used",
                "gift.link-expired",
                "gift.link-invalid",
                "gift.self-claim",
                "gift.claim-limit",
                "gift.not-enough-invites",
                "gift.round-limit",
                "gift.cannot-recall",
                "gift.quantity-rule",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if UNPAID.rings(key) {
            for id in UNPAID.take(call, ENDED_AT_ONCE, due) {
                if let Some(mut gift) = Gift::load(call, &id) {
                    gift.lapse(call);
                }
            }
        }
        if UNCLAIMED.rings(key) {
            let most = EXPIRED_AT_ONCE.min(call.batch_of(2, &["gift.returned"]));
            for name in UNCLAIMED.take(call, most, due) {
                expire(call, &name);
            }
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        let Some(news) = event.order_news() else { return invites::hear(call, event) };
        let Some(mut gift) = news.intent.strip_prefix("gift:").and_then(|id| Gift::load(call, id)) else {
            return Ok(());
        };
        match event.topic.as_str() {
            "order.paid" => gift.paid(call, Some(&news)),
            "order.closed" => gift.lapse(call),
            // What was asked for is known.
            "order.refunded" if news.refund.is_none() => {
                gift.refunded(call, news.paid_minor - news.refunded_minor - news.refunding_minor);
            }
            "order.refund-refused" => call.refund_again(&news),
            _ => {}
        }
        Ok(())
    }

    fn stop(call: &mut Call<Config>, _: StopReason) -> Answer<()> {
        call.save(OVER, &true);
        Ok(())
    }

    /// What is unpaid lapses; what nobody has claimed goes as if its time were over; what waits is given.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let live = Gift::live_ones(call, ENDED_AT_ONCE);
        for mut gift in live.clone() {
            gift.end(call);
        }
        Ok(live.is_empty())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(Giving);

fn expire(call: &mut Call<Config>, name: &str) {
    if let Some((id, place)) = name.split_once('.')
        && let (Some(mut gift), Ok(place)) = (Gift::load(call, id), place.parse::<usize>())
        && gift.shares.get(place).and_then(|share| share.expires_at).is_some_and(|at| call.now() >= at)
    {
        gift.expire(call, place);
    }
}
