//! Circles: each gives to the next what that one wants. Found among some listings at a time, the shortest first, in the order of numbers.

use std::collections::BTreeMap;

use fairground_sdk::prelude::*;

use crate::{
    config::{Config, Matching},
    listing::{LIVE, Listing},
    trade::Trade,
};

/// Listings that one search looks at.
const LISTINGS_MAX: u32 = 200;

/// Circles that one search proposes: each tells up to five members.
const PROPOSED_MAX: usize = 8;

/// Pairs that one search looks at, of those that want something of each other.
const PAIRS_MAX: u32 = 40_000;

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
    let now = call.now();
    let free = window(call).into_iter().filter_map(|number| Listing::load(call, number));
    let mut listings: Vec<Listing> = free.filter(|listing| listing.is_listed(now) && listing.trade.is_none()).collect();
    // Those whose circle somebody else turned down come first; the sort keeps the order of numbers.
    listings.sort_by_key(|listing| !listing.is_first);
    let persons = persons(call, &listings);
    let circles = find(&listings, &persons, &call.config, (max_len as usize, max_edges));
    let most = PROPOSED_MAX.min(call.batch_of(1, &["swap.proposed"]) as usize / 6).max(1);
    for circle in circles.into_iter().take(most) {
        let chosen: Vec<&Listing> = circle.iter().map(|place| &listings[*place]).collect();
        propose(call, &chosen);
    }
    plan(call);
}

/// Numbers of the listings that this search looks at. Half of them are looked at again by the next one, so that no two are always apart.
fn window(call: &mut Call<Config>) -> Vec<u32> {
    let after = call.load::<String>(AFTER);
    let mut page = call.scan::<u32>(LIVE, after.as_deref(), LISTINGS_MAX);
    match page.get(LISTINGS_MAX as usize / 2) {
        Some((key, _)) => call.save(AFTER, key),
        None => drop(call.delete(AFTER)),
    }
    if page.len() < LISTINGS_MAX as usize && after.is_some() {
        let rest = LISTINGS_MAX - u32::try_from(page.len()).expect("a page");
        page.extend(call.scan::<u32>(LIVE, None, rest));
    }
    let numbers: std::collections::BTreeSet<u32> = page.into_iter().map(|(_, number)| number).collect();
    numbers.into_iter().collect()
}

/// Who is who: owners whom the risk rules take for one are one.
fn persons(call: &Call<Config>, listings: &[Listing]) -> Vec<usize> {
    let mut known = BTreeMap::<String, usize>::new();
    let mut persons = Vec::with_capacity(listings.len());
    for (place, listing) in listings.iter().enumerate() {
        let name = format!("member {}", listing.owner);
        if let Some(person) = known.get(&name) {
            persons.push(*person);
            continue;
        }
        let asks = call.config.risk.is_some();
        let clusters = if asks { call.assess_risk(&listing.owner, None, "swap.match").clusters } else { Vec::new() };
        let person = clusters.iter().find_map(|cluster| known.get(cluster).copied()).unwrap_or(place);
        known.extend(clusters.into_iter().map(|cluster| (cluster, person)));
        known.insert(name, person);
        persons.push(person);
    }
    persons
}

/// What may be given to whom.
struct Graph<'a> {
    /// Listing → those whose owners would take it, in order.
    receivers: Vec<Vec<usize>>,
    persons: &'a [usize],
    used: Vec<bool>,
    /// Steps that are left.
    edges: u32,
}

/// Circles of 2 up to so many listings, no listing in two, all sides different persons: the shortest first, then by their first listing.
/// Bounded by a number of steps.
pub(crate) fn find(
    listings: &[Listing],
    persons: &[usize],
    config: &Config,
    (max_len, max_edges): (usize, u32),
) -> Vec<Vec<usize>> {
    let receivers = receivers(listings, config);
    let mut graph = Graph { receivers, persons, used: vec![false; listings.len()], edges: max_edges };
    let mut circles = Vec::new();
    for len in 2..=max_len {
        for start in 0..listings.len() {
            let mut path = vec![start];
            if !graph.used[start] && extend(&mut path, len, &mut graph) {
                path.iter().for_each(|place| graph.used[*place] = true);
                circles.push(path);
            }
        }
    }
    circles
}

/// By what is wanted, and not by trying each pair.
fn receivers(listings: &[Listing], config: &Config) -> Vec<Vec<usize>> {
    let mut offered = BTreeMap::<String, Vec<usize>>::new();
    for (place, listing) in listings.iter().enumerate() {
        offered.entry(listing.category.clone()).or_default().push(place);
        offered.entry(listing.id()).or_default().push(place);
    }
    let mut receivers = vec![Vec::new(); listings.len()];
    let mut pairs = 0;
    for (receiver, listing) in listings.iter().enumerate() {
        let wanted = listing.wants.iter().filter_map(|want| offered.get(want)).flatten();
        let wanted: std::collections::BTreeSet<usize> = wanted.copied().collect();
        for giver in wanted {
            pairs += 1;
            if pairs <= PAIRS_MAX && listing.suits(&listings[giver], config) {
                receivers[giver].push(receiver);
            }
        }
    }
    receivers
}

/// Extends a path to a circle of exactly so many.
fn extend(path: &mut Vec<usize>, len: usize, graph: &mut Graph<'_>) -> bool {
    let (start, last) = (path[0], path[path.len() - 1]);
    for next in graph.receivers[last].clone() {
        if graph.edges == 0 {
            return false;
        }
        graph.edges -= 1;
        if path.len() == len {
            if next == start {
                return true;
            }
            continue;
        }
        let is_person_in = path.iter().any(|place| graph.persons[*place] == graph.persons[next]);
        // A circle is found from the first of its listings.
        if graph.used[next] || next <= start || is_person_in {
            continue;
        }
        path.push(next);
        if extend(path, len, graph) {
            return true;
        }
        path.pop();
    }
    false
}

fn propose(call: &mut Call<Config>, circle: &[&Listing]) {
    let sides = circle.iter().map(|listing| (listing.owner.clone(), vec![*listing])).collect();
    let trade = Trade::propose(call, sides, (false, 0));
    for listing in circle {
        let mut listing = (*listing).clone();
        listing.trade = Some(trade.id.clone());
        listing.is_first = false;
        listing.save(call);
    }
}
