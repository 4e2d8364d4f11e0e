//! `fairground fairness`: was every draw what the seed says?

use anyhow::{Context, bail};

use crate::{
    config::Fairness,
    domain::{
        activity::ActivityId,
        chance::{Draw, Draws, commitment, told_seed},
        id::Id,
    },
    store::{PageRequest, Store},
};

/// Calls that are read at once.
const PAGE: usize = 500;

/// What making every draw of an activity again has found.
#[derive(Debug)]
pub struct Fair {
    pub commitment: String,
    /// In hexadecimal.
    pub seed: String,
    pub draws: usize,
    /// A line for each draw that comes out otherwise.
    pub unfair: Vec<String>,
}

/// Makes every draw of an activity again from its seed, which is told once it is settled.
pub async fn fairness(wish: &Fairness) -> anyhow::Result<Fair> {
    let Some((community, activity)) = wish.activity.split_once('/') else {
        bail!("an activity is named COMMUNITY/ACTIVITY, not {:?}", wish.activity);
    };
    let id = ActivityId { community: Id::new(community)?, activity: Id::new(activity)? };
    let store = Store::look(&wish.database).await?;
    let found = store.activity(&id).await?;
    let (activity, head) = found.with_context(|| format!("there is no activity {}", wish.activity))?;
    let commitment = commitment(&activity);
    let seed = told_seed(&activity, head.lifecycle);
    let seed =
        seed.with_context(|| format!("its seed is told once it is settled; until then there is {commitment}"))?;
    let mut fair = Fair { commitment, seed, draws: 0, unfair: Vec::new() };
    let mut page = PageRequest { after: String::new(), limit: PAGE };
    loop {
        let calls = store.journal(&id, &page).await?;
        for call in &calls.items {
            let mut draws = Draws { seed: &activity.seed, seq: call.seq, count: 0 };
            for draw in Draw::of_facts(call.facts.get()) {
                fair.draws += 1;
                if !draw.is_fair(&mut draws) {
                    fair.unfair.push(format!("call {}: {draw:?}", call.seq));
                }
            }
        }
        match calls.next {
            Some(next) => page.after = next,
            None => break,
        }
    }
    store.close().await;
    Ok(fair)
}
