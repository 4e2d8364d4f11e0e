//! Circles: each gives to the next what that one wants. Found among some listings at a time, the shortest first, in the order of numbers.

use fairground_sdk::prelude::*;

use crate::{
    config::{Config, Matching},
    listing::Listing,
    trade::Trade,
};

/// Listings that one search looks at.
const LISTINGS_MAX: u32 = 200;

/// Circles that one search proposes: each tells up to five members.
const PROPOSED_MAX: usize = 8;

/// The timer of the next search.
pub(crate) const SEARCH: &str = "search";

/// Where the next search begins.
const AFTER: &str = "search-after";

pub(crate) fn plan(call: &mut Call<Config>) {
    if let Matching::Cycles { run_every_ms, .. } = call.config.matching {
        let next = call.now().saturating_add_unsigned(run_every_ms);
        // Trades and listings have one timer each, so there is room for this one.
        let _ = call.set_timer(SEARCH, next);
    }
}

/// Looks for circles, proposes them, and plans the next search.
pub(crate) fn search(call: &mut Call<Config>) {
    let Matching::Cycles { max_len, max_edges, .. } = call.config.matching else { return };
    let after = call.load::<String>(AFTER);
    let page = call.scan::<Listing>("listing/", after.as_deref(), LISTINGS_MAX);
    match page.last().filter(|_| page.len() == LISTINGS_MAX as usize) {
        Some((key, _)) => call.save(AFTER, key),
        None => drop(call.delete(AFTER)),
    }
    let now = call.now();
    let is_free = |listing: &Listing| listing.is_listed(now) && listing.trade.is_none();
    let mut listings: Vec<Listing> = page.into_iter().map(|(_, listing)| listing).filter(is_free).collect();
    // Those whose circle somebody else turned down come first; the sort keeps the order of numbers.
    listings.sort_by_key(|listing| !listing.is_first);
    let circles = find(&listings, &call.config, max_len as usize, max_edges);
    let most = PROPOSED_MAX.min(call.batch_of(1, "swap.proposed") as usize / 6).max(1);
    let mut proposed = 0;
    for circle in circles {
        if proposed == most {
            break;
        }
        let chosen: Vec<&Listing> = circle.iter().map(|place| &listings[*place]).collect();
        if propose(call, &chosen) {
            proposed += 1;
        }
    }
    plan(call);
}

/// Circles of 2 up to so many listings, no listing in two: the shortest first, then by their first listing. Bounded by a number of steps.
pub(crate) fn find(listings: &[Listing], config: &Config, max_len: usize, max_edges: u32) -> Vec<Vec<usize>> {
    let mut edges = max_edges;
    // Who could give to whom: the receiver wants it.
    let receivers: Vec<Vec<usize>> = (0..listings.len())
        .map(|giver| {
            let takes = |receiver: &usize| listings[*receiver].takes(&listings[giver], config);
            (0..listings.len()).filter(takes).collect()
        })
        .collect();
    let mut used = vec![false; listings.len()];
    let mut circles = Vec::new();
    for len in 2..=max_len {
        for start in 0..listings.len() {
            let mut path = vec![start];
            if !used[start] && extend(&mut path, len, (listings, &receivers, &used), &mut edges) {
                path.iter().for_each(|place| used[*place] = true);
                circles.push(path);
            }
        }
    }
    circles
}

/// Extends a path to a circle of exactly so many, all of different owners.
fn extend(path: &mut Vec<usize>, len: usize, graph: (&[Listing], &[Vec<usize>], &[bool]), edges: &mut u32) -> bool {
    let (listings, receivers, used) = graph;
    let (start, last) = (path[0], path[path.len() - 1]);
    if path.len() == len {
        return receivers[last].contains(&start);
    }
    for next in &receivers[last] {
        if *edges == 0 {
            return false;
        }
        *edges -= 1;
        let is_owner_in = path.iter().any(|place| listings[*place].owner == listings[*next].owner);
        // A circle is found from the first of its listings.
        if used[*next] || *next <= start || is_owner_in {
            continue;
        }
        path.push(*next);
        if extend(path, len, graph, edges) {
            return true;
        }
        path.pop();
    }
    false
}

/// Proposes a circle, unless two of its sides are one.
fn propose(call: &mut Call<Config>, circle: &[&Listing]) -> bool {
    if call.config.risk.is_some() {
        for (at, one) in circle.iter().enumerate() {
            if circle[at + 1..].iter().any(|other| call.are_one(&one.owner, &other.owner, "swap.match")) {
                return false;
            }
        }
    }
    let sides = circle.iter().map(|listing| (listing.owner.clone(), vec![*listing])).collect();
    let trade = Trade::propose(call, sides, 0);
    for listing in circle {
        let mut listing = (*listing).clone();
        listing.trade = Some(trade.id.clone());
        listing.is_first = false;
        listing.save(call);
    }
    true
}
