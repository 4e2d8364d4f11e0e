//! What the guest asks of members and groups, and what it tells them.

use fairground_sdk::{
    Audience, Channel, Funnel, InviteStats, Line, Newness, Nothing, Notice, Urgency, Verdict, prelude::*,
};

use crate::{Config, Mischief};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct News {
    member: Option<String>,
    group: Option<String>,
    #[serde(default)]
    channel: Over,
    #[serde(default)]
    urgency: About,
    template: Option<String>,
    #[serde(default)]
    key: String,
    #[serde(default)]
    window_ms: u64,
    not_before: Option<i64>,
    not_after: Option<i64>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Over {
    #[default]
    InApp,
    Sms,
    Subscription,
    Email,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum About {
    Transactional,
    #[default]
    Activity,
    Marketing,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Case {
    member: String,
    group: String,
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Whom {
    member: String,
    group: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    member: String,
    segment: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Act {
    action: String,
    with: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Stats {
    invited: u32,
    joined: u32,
    qualified: u32,
    reversed: u32,
}

impl From<InviteStats> for Stats {
    fn from(InviteStats { invited, joined, qualified, reversed }: InviteStats) -> Self {
        Self { invited, joined, qualified, reversed }
    }
}

#[derive(Serialize, JsonSchema)]
struct Assessed {
    verdict: String,
    reasons: Vec<String>,
}

fn notice(input: News) -> Option<Notice> {
    let audience = input.member.map(Audience::Member).or(input.group.map(Audience::Group))?;
    let channel = match input.channel {
        Over::InApp => Channel::InApp,
        Over::Sms => Channel::Sms,
        Over::Subscription => Channel::Subscription,
        Over::Email => Channel::Email,
    };
    let urgency = match input.urgency {
        About::Transactional => Urgency::Transactional,
        About::Activity => Urgency::Activity,
        About::Marketing => Urgency::Marketing,
    };
    Some(Notice {
        params: vec![("what".into(), "a teapot".into())],
        channel,
        urgency,
        dedupe_key: input.key,
        dedupe_window: input.window_ms,
        not_before: input.not_before,
        not_after: input.not_after,
        ..Notice::new(input.template.unwrap_or_else(|| "news".into()), audience)
    })
}

/// Everything that a call may ask of its host, one host call or two each.
const DEEDS: [fn(&mut Call<Config>); 58] = [
    |call| _ = call.day(call.now(), "Asia/Shanghai", 0),
    |call| _ = call.day_start(call.day(0, "UTC", 0), "Europe/Berlin", 240),
    |call| _ = call.minute_of_day(call.now(), "UTC"),
    |call| _ = call.add_days(call.day(0, "UTC", 0), 1),
    |call| _ = call.days_between(call.day(0, "UTC", 0), call.day(call.now(), "UTC", 0)),
    |call| call.save("deed", &1),
    |call| _ = call.load::<i64>("deed"),
    |call| _ = call.scan::<i64>("d", None, 10),
    |call| _ = call.delete("deed"),
    |call| _ = call.count("deeds", 1, 0, 1_000),
    |call| _ = call.counter("deeds"),
    |call| call.rank_put("deeds", "ann", 1, 1),
    |call| _ = call.rank("deeds", "ann"),
    |call| _ = call.ranks("deeds", 1, 10),
    |call| _ = call.rank_len("deeds"),
    |call| _ = call.rank_remove("deeds", "ann"),
    |call| _ = call.draw("deed", 1, 6),
    |call| _ = call.draw_distinct("deed", 6, 2),
    |call| _ = call.set_timer("deed", call.now() + 1),
    |call| _ = call.set_timer_every("deeds", &[1], 60, "UTC"),
    |call| _ = call.cancel_timer("deed"),
    |call| call.emit("mischief.done", "deed", &1),
    |call| call.log("deed"),
    |call| _ = call.budget(),
    |call| _ = call.hold("d1", "points", "ann", 1_000),
    |call| _ = call.find_hold("d1"),
    |call| _ = call.capture("d1"),
    |call| _ = call.points("ann", "stars"),
    |call| _ = call.spend_points("d", "ann", "stars", 1, "deed"),
    |call| _ = call.revoke("d1", "deed"),
    |call| _ = call.hold("d2", "packet", "bob", 1_000),
    |call| _ = call.capture_part("d2", 1),
    |call| _ = call.hold_commission("d3", "packet", "ann", "bob", 1_000),
    |call| _ = call.release("d2", "deed"),
    |call| _ = call.hold("d4", "coupon", "bob", 1_000),
    |call| _ = call.capture("d4"),
    |call| _ = call.hold("d5", "mug", "bob", 1_000),
    |call| _ = call.capture("d5"),
    |call| _ = call.reserve("d", "mug", 1, 1_000),
    |call| _ = call.commit_reservation("d"),
    |call| _ = call.release_reservation("d"),
    |call| _ = call.sku("mug"),
    |call| _ = call.open_order("d", "ann", &[Line { sku: "mug".into(), quantity: 1, unit_price: 400 }], 1_000),
    |call| _ = call.order("d"),
    |call| _ = call.hold_fulfilment("d", true),
    |call| _ = call.refund("d", "d", 1, "deed"),
    |call| _ = call.cancel_order("d", "deed"),
    |call| _ = call.member("ann"),
    |call| _ = call.members_of("g", None),
    |call| _ = call.is_in_segment("ann", "deed"),
    |call| _ = call.search("deed", None),
    |call| _ = call.is_new("ann", Newness::Configured, 0),
    |call| _ = call.bind_inviter("dan", "ann", "deed"),
    |call| _ = (call.invite_stats("ann"), call.group_invite_stats("g", None), call.rules_accepted("g", "ann")),
    |call| _ = call.assess_risk("ann", None, "deed"),
    |call| _ = call.notify(&Notice::new("news", Audience::Member("ann".into()))),
    |call| _ = (call.propose_promotion("ann", "g", "deed"), call.report_violation("g", "ann", "deed", "deed")),
    |call| {
        call.funnel(Funnel::Activation, "ann", None);
        call.book_cost("sms", 1, 1);
    },
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct After {
    deeds: usize,
}

pub(crate) fn meets(blueprint: Blueprint<Mischief>) -> Blueprint<Mischief> {
    blueprint
        .action("tell", "Send news", |call, input: News| Ok(notice(input).is_some_and(|notice| call.notify(&notice))))
        .action("promote", "Propose a member", |call, Case { member, group, text }: Case| {
            Ok(call.propose_promotion(&member, &group, &text))
        })
        .action("report", "Report a member", |call, Case { member, group, text }: Case| {
            Ok(call.report_violation(&group, &member, &text, "seen"))
        })
        .action("assess", "Have oneself assessed", |call, input: Act| {
            let report = call.assess_risk(&call.actor, input.with.as_deref(), &input.action);
            let verdict = match report.verdict {
                Verdict::Allow => "allow",
                Verdict::Review => "review",
                Verdict::Deny => "deny",
            };
            Ok(Assessed { verdict: verdict.into(), reasons: report.reasons })
        })
        .action("acquired", "Come over a channel", |call, _: Nothing| {
            let member = call.actor.clone();
            call.funnel(Funnel::Acquisition, &member, Some("sms"));
            Ok(())
        })
        .action("book", "Book what messages cost", |call, _: Nothing| {
            call.book_cost("sms", 500, 100);
            Ok(())
        })
        .action("bind-and-count", "Bind oneself and count at once", |call, Whom { member, .. }: Whom| {
            let own = call.actor.clone();
            let _ = call.bind_inviter(&own, &member, "mischief");
            Ok(Stats::from(call.invite_stats(&member)))
        })
        .action("break-after", "Break off after so many deeds", |call, After { deeds }: After| -> Answer<()> {
            DEEDS.iter().take(deeds).for_each(|deed| deed(call));
            panic!("on purpose, after {deeds}")
        })
        .query("is-new", "Whether somebody is new", |call, Whom { member, .. }: Whom| {
            Ok(call.is_new(&member, Newness::Configured, call.started_at))
        })
        .query("in-segment", "Whether somebody is in a segment", |call, Named { member, segment }: Named| {
            Ok(call.is_in_segment(&member, &segment))
        })
        .query("search", "Who is in a segment", |call, Named { segment, .. }: Named| Ok(call.search(&segment, None).0))
        .query("brought", "Whom somebody has brought", |call, Whom { member, group }: Whom| {
            Ok(Stats::from(match group {
                Some(group) => call.group_invite_stats(&group, Some(&member)),
                None => call.invite_stats(&member),
            }))
        })
        .query("accepted", "Which rules somebody has accepted", |call, Whom { member, group }: Whom| {
            Ok(call.rules_accepted(&group.unwrap_or_default(), &member))
        })
}
