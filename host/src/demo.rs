//! `--demo`: a community to play with. Set up once; what happens in it stays.

mod story;

use std::net::SocketAddr;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{
    activity::{Activities, Control, Creation},
    domain::{
        activity::ActivityId,
        community::CommunityProfile,
        endpoint::{Endpoint, EndpointKind, EndpointState, SHOP},
        group::{GroupKind, GroupProfile, MembershipProfile},
        id::Id,
        member::{Member, MemberProfile, MemberStatus},
        money::{Currency, Money},
    },
    http,
    store::{
        api_keys::{ApiKey, KeyKind},
        budgets::BudgetProfile,
        groups::Joined,
        orders::Sku,
        templates::NoticeTemplate,
    },
};

const COMMUNITY: &str = "demo";
const TIME_ZONE: &str = "Asia/Shanghai";
/// What members who wish it are reminded with, by language.
const REMINDERS: [(&str, &str, &str); 2] = [
    ("en", "{{ title }}", "{{ member }}, you have not checked in today."),
    ("zh", "{{ title }}", "{{ member }}，你今天還沒有簽到。"),
];

const MEMBERS: [&str; 8] = ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"];

/// Each with its first and last member.
const GROUPS: [(&str, &str, GroupKind, std::ops::Range<usize>); 2] =
    [("early-birds", "Early birds", GroupKind::Core, 0..5), ("riverside", "Riverside", GroupKind::Local, 3..8)];

/// Ready configs of the first-party plugins, beside their code.
const CHECK_IN: &str = include_str!("../../plugins/check-in/template.json");
const BARGAIN: &str = include_str!("../../plugins/bargain/template.json");
const GROUP_BUY: &str = include_str!("../../plugins/group-buy/template.json");
const FLASH_SALE: &str = include_str!("../../plugins/flash-sale/template.json");
const WHEEL: &str = include_str!("../../plugins/wheel/template.json");
const COUPON: &str = include_str!("../../plugins/coupon/template.json");
const VOTE: &str = include_str!("../../plugins/vote/template.json");
const BOOST: &str = include_str!("../../plugins/boost/template.json");
const GIFT: &str = include_str!("../../plugins/gift/template.json");
const LEADERBOARD: &str = include_str!("../../plugins/leaderboard/template.json");
const SWAP: &str = include_str!("../../plugins/swap/template.json");
const POINTS_CARD: &str = include_str!("../../plugins/points-card/template.json");
const TEMPLATES: [&str; 12] =
    [CHECK_IN, BARGAIN, GROUP_BUY, FLASH_SALE, WHEEL, COUPON, VOTE, BOOST, GIFT, LEADERBOARD, SWAP, POINTS_CARD];

/// What the demo shop sells: id, title, price and how many, also as a stock pool.
const GOODS: [(&str, &str, i64, i64); 2] = [("teapot", "A teapot", 12_800, 20), ("tea", "A tin of tea", 6_000, 60)];

/// Answers what to try, ready to paste.
pub(crate) async fn set_up(activities: &Activities, address: SocketAddr) -> anyhow::Result<String> {
    let community = id(COMMUNITY)?;
    if activities.store.community(&community).await?.is_none() {
        people(activities, &community).await?;
    }
    goods(activities, &community).await?;
    for template in TEMPLATES {
        run(activities, &community, template).await?;
    }
    story::tell(activities, &community).await?;
    let app_key = app_key(activities, &community).await?;
    Ok(what_to_try(address, &app_key))
}

fn id(text: &str) -> anyhow::Result<Id> {
    Ok(Id::new(text)?)
}

async fn people(activities: &Activities, community: &Id) -> anyhow::Result<()> {
    let Activities { store, clock, .. } = activities;
    let now = clock.now();
    let currency = Currency::new("CNY")?;
    let profile = CommunityProfile { name: "Demo community".into(), currency, time_zone: TIME_ZONE.into() };
    store.put_community(community, &profile, now).await?;
    for name in MEMBERS {
        let member = id(name)?;
        let defaults = Member {
            id: member.clone(),
            status: MemberStatus::Active,
            tier: "ordinary".into(),
            tags: Vec::new(),
            clusters: Vec::new(),
            time_zone: TIME_ZONE.into(),
            channel: None,
            registered_at: now,
            first_order_at: None,
            inviter: None,
            language: None,
        };
        store.put_member(community, &member, &MemberProfile::default(), &defaults).await?;
    }
    for (name, title, kind, members) in GROUPS {
        let group = id(name)?;
        let profile = GroupProfile { name: title.into(), kind, region: None, capacity: 0, parent: None };
        store.put_group(community, &group, &profile).await?;
        for member in &MEMBERS[members] {
            let of = (community, &group, &id(member)?);
            let joined = store.put_membership(of, &MembershipProfile::default(), now).await?;
            if !matches!(joined, Some(Joined::Yes(_))) {
                bail!("a group without a capacity is never full");
            }
        }
    }
    let shop = Endpoint {
        community: community.clone(),
        id: id(SHOP)?,
        kind: EndpointKind::DemoShop,
        url: String::new(),
        topics: Vec::new(),
        keys: Vec::new(),
        state: EndpointState::Active,
        created_at: now,
    };
    store.put_endpoint(&shop).await?;
    for (language, title, body) in REMINDERS {
        let template = NoticeTemplate {
            id: id("check-in.remind")?,
            language: language.into(),
            title: title.into(),
            body: body.into(),
        };
        store.put_notice_template(community, &template).await?;
    }
    let limit = Money { minor: 100_000, currency };
    let budget = BudgetProfile { limit, max_grants: None, per_member_grants: None, refundable: true };
    store.put_budget(community, &id("treats")?, &budget, None, now).await?;
    Ok(())
}

/// Also in a community that an earlier demo has left.
async fn goods(activities: &Activities, community: &Id) -> anyhow::Result<()> {
    let store = &activities.store;
    for (name, title, price_minor, many) in GOODS {
        let good = id(name)?;
        if store.sku(community, &good).await?.is_none() {
            let sku = Sku { id: good.clone(), title: title.into(), price_minor, sellable: many };
            store.put_sku(community, &sku).await?;
            store.put_pool(community, &good, many).await?;
        }
    }
    Ok(())
}

/// Makes and starts an activity from a plugin's template, unless it is there.
async fn run(activities: &Activities, community: &Id, template: &str) -> anyhow::Result<()> {
    let wish: Creation = serde_json::from_str(template).context("a template is not in order")?;
    let home = activities.store.community(community).await?.context("it was just put there")?;
    let name = wish.id.clone().context("a template has an id")?;
    let known = ActivityId { community: community.clone(), activity: name.clone() };
    if activities.store.activity(&known).await?.is_some() {
        return Ok(());
    }
    match activities.create(&home, wish, None).await {
        Ok((activity, _)) => {
            let operator = id("demo")?;
            let started = activities.control(&activity.id, Control::Start, &operator).await?;
            match started {
                Some(answer) if answer.is_ok() => Ok(()),
                answer => bail!("{name} did not start: {answer:?}"),
            }
        }
        Err(error) => bail!("{name} could not be made: {error:?}"),
    }
}

/// The demo's own app key. Kept in the open, because it is good for the demo community alone.
async fn app_key(activities: &Activities, community: &Id) -> anyhow::Result<String> {
    let (fresh, made_up) = http::make_key(KeyKind::App, Some(community.clone()), None, activities.clock.now());
    let secret = activities.store.setting("demo-app-key", &made_up).await?;
    let key = ApiKey { id: Id::random("key"), ..fresh };
    activities.store.insert_key(&key, &http::secret_hash(&secret)).await?;
    Ok(secret)
}

/// Commands to paste: ann and bob take part in everything that runs.
fn what_to_try(address: SocketAddr, app_key: &str) -> String {
    let host = format!("http://{address}");
    let home = format!("{host}/v1/communities/{COMMUNITY}");
    let token = |member: &str| {
        let body: Value = json!({"member": member, "ttl_seconds": 900});
        format!(
            "$(curl -s {home}/member-tokens -H 'Authorization: Bearer {app_key}' -d '{body}' | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')"
        )
    };
    let act = |member: &str, activity: &str, action: &str, input: &str| {
        format!(
            "curl -s {home}/activities/{activity}/actions/{action} -H \"Authorization: Bearer ${member}\" -H \"Idempotency-Key: $RANDOM$RANDOM\" -d '{input}'; echo"
        )
    };
    let ask = |member: &str, activity: &str, query: &str| {
        format!("curl -s \"{home}/activities/{activity}/queries/{query}\" -H \"Authorization: Bearer ${member}\"; echo")
    };
    [
        format!("The demo community runs: browse the API at {host}/docs, or paste these, line by line."),
        String::new(),
        "# tokens of two members, good for 15 minutes".into(),
        format!("ANN={}", token("ann")),
        format!("BOB={}", token("bob")),
        "# ann checks in today, and looks at her streak".into(),
        act("ANN", "daily", "check-in", "{}"),
        ask("ANN", "daily", "me"),
        "# ann starts a bargain, bob helps her, and both see the price fall".into(),
        act("ANN", "teapot", "start", "{}"),
        act("BOB", "teapot", "help", r#"{"session":"1-ann"}"#),
        ask("BOB", "teapot", "session?session=1-ann"),
        "# dan has opened a group for tea, and ann joins it; whoever pays at the demo shop (with the operator's key) keeps the seat".into(),
        act("ANN", "tea-together", "join", r#"{"sku":"tea","group":"g1"}"#),
        ask("ANN", "tea-together", "group?group=g1"),
        "# bob takes one of twenty teapots at half price, and sees how many are left".into(),
        act("BOB", "noon-sale", "reserve", r#"{"item":"teapot"}"#),
        ask("BOB", "noon-sale", "sale"),
        "# ann spins the wheel, whose odds everybody sees".into(),
        ask("ANN", "lucky-wheel", "odds"),
        act("ANN", "lucky-wheel", "spin", "{}"),
        "# ann votes for two teas, and sees how it stands".into(),
        act("ANN", "next-tea", "vote", r#"{"choices":["oolong","jasmine"]}"#),
        ask("ANN", "next-tea", "results"),
        "# bob waters the tree of eve".into(),
        act("BOB", "water-the-tree", "help", r#"{"session":"1-eve"}"#),
        "# ann gets a code to bring friends with; bob sees who drinks most tea, and what cat would give for a book".into(),
        act("ANN", "bring-a-friend", "get-code", "{}"),
        ask("BOB", "tea-drinkers", "top"),
        ask("BOB", "swap-shelf", "browse?category=kitchen"),
        "# ann buys tea for two friends; once it is paid she makes a link for each".into(),
        act("ANN", "tea-for-a-friend", "send", "{}"),
        ask("ANN", "tea-for-a-friend", "mine"),
        "# ann gets a card that her purchases fill; cat has 18 points on hers, and takes a cup of tea for ten".into(),
        act("ANN", "tea-card", "open", "{}"),
        format!("CAT={}", token("cat")),
        act("CAT", "tea-card", "redeem", r#"{"offer":"cup"}"#),
        "# ann wants to be reminded from tomorrow on; what comes is in her inbox".into(),
        act("ANN", "daily", "remind", r#"{"on":true}"#),
        format!("curl -s {home}/members/ann/inbox -H \"Authorization: Bearer $ANN\"; echo"),
        "# what ann has got".into(),
        format!("curl -s {home}/members/ann/rewards -H \"Authorization: Bearer $ANN\"; echo"),
        String::new(),
    ]
    .join("\n")
}
