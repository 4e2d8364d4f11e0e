//! What members of the demo community have begun before anybody comes to look.

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    activity::{Act, Activities, Actor, Answer},
    domain::{activity::ActivityId, id::Id, journal::Outcome},
};

/// Member, activity, action and input. What is said of `cat-code` is the code that cat was given.
fn deeds() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let thing = |title: &str, category: &str, wants: &str| json!({"title": title, "category": category, "grade": "good", "value": 3_000, "wants": [wants]});
    vec![
        ("cat", "daily", "check-in", json!({})),
        ("dan", "daily", "check-in", json!({})),
        ("cat", "teapot", "start", json!({})),
        ("dan", "teapot", "help", json!({"session": "1-cat"})),
        ("eve", "teapot", "help", json!({"session": "1-cat"})),
        ("dan", "tea-together", "open", json!({"sku": "tea"})),
        ("gus", "noon-sale", "reserve", json!({"item": "teapot"})),
        ("gus", "lucky-wheel", "spin", json!({})),
        ("cat", "bring-a-friend", "get-code", json!({})),
        ("hal", "bring-a-friend", "bind", json!({"code": "cat-code"})),
        ("cat", "next-tea", "vote", json!({"choices": ["oolong"]})),
        ("dan", "next-tea", "vote", json!({"choices": ["puer", "oolong"]})),
        ("eve", "water-the-tree", "start", json!({})),
        ("fay", "water-the-tree", "help", json!({"session": "1-eve"})),
        ("fay", "tea-for-a-friend", "send", json!({})),
        ("cat", "tea-card", "open", json!({})),
        ("dan", "tea-card", "open", json!({})),
        ("cat", "swap-shelf", "list", thing("A blue teapot", "kitchen", "books")),
        ("dan", "swap-shelf", "list", thing("The Classic of Tea", "books", "kitchen")),
        ("dan", "swap-shelf", "offer", json!({"mine": ["l2"], "theirs": ["l1"]})),
    ]
}

/// Who drank how much tea: the platform tells it.
const CUPS: [(&str, u32); 4] = [("cat", 3), ("dan", 5), ("eve", 2), ("fay", 5)];

/// Who bought for how much elsewhere, in minor units: the platform tells it too.
const BOUGHT: [(&str, i64); 2] = [("cat", 18_800), ("dan", 6_000)];

/// Tells the story, once in the life of a database.
pub(super) async fn tell(activities: &Activities, community: &Id) -> anyhow::Result<()> {
    let mine = Id::random("story").to_string();
    if activities.store.setting("demo-story", &mine).await? != mine {
        return Ok(());
    }
    let mut code = Value::Null;
    for (number, (member, activity, action, mut input)) in deeds().into_iter().enumerate() {
        if input["code"] == "cat-code" {
            input["code"] = code.clone();
        }
        let answer = act(activities, community, number, (member, activity, action, &input)).await;
        let answer = answer.with_context(|| format!("{member} could not {action} in {activity}"))?;
        if action == "get-code" {
            code = answer["code"].clone();
        }
    }
    let cups = CUPS.map(|(member, cups)| (member, "tea.drunk", json!({"cups": cups})));
    let bought = BOUGHT.map(|(member, total)| {
        let purchase = json!({"order": format!("elsewhere-{member}"), "sku": "tea", "total_minor": total});
        (member, "member.bought", purchase)
    });
    for (member, topic, payload) in cups.into_iter().chain(bought) {
        let payload = serde_json::value::to_raw_value(&payload)?;
        let event = (Id::new(&format!("{topic}-{member}"))?, topic.to_owned(), Id::new(member)?);
        activities.hear_platform(community, event, payload, activities.clock.now()).await?;
    }
    Ok(())
}

async fn act(
    activities: &Activities,
    community: &Id,
    number: usize,
    (member, activity, action, input): (&str, &str, &str, &Value),
) -> anyhow::Result<Value> {
    let id = ActivityId { community: community.clone(), activity: Id::new(activity)? };
    let member = Id::new(member)?;
    let (known, _) = activities.store.activity(&id).await?.context("it does not run")?;
    let standing = activities.standing(&known, &member).await?;
    let act = Act {
        actor: Actor::Member(member),
        name: action.into(),
        key: format!("story-{number}"),
        input: input.to_string(),
        standing,
        revision: known.revision(),
    };
    match activities.act(&id, act).await?.context("it does not run")? {
        Answer::Done { outcome: Outcome::Ok, answer, .. } => Ok(serde_json::from_str(answer.as_str())?),
        answer => anyhow::bail!("{answer:?}"),
    }
}
