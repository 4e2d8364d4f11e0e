//! What may be asked, and what must hold.

use fairground_sdk::{Block, Page, prelude::*};

use crate::{
    config::Config,
    reservation::{Reservation, State, taken_key},
};

/// Reservations of one member that are shown: the newest.
const SHOWN: u32 = 50;

/// Reservations that one audit recomputes.
const AUDITED: u32 = 256;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReserveInput {
    /// # Good 商品
    /// One of the sale's. 活動中的商品。
    #[schemars(length(min = 1, max = 128))]
    pub item: String,
    /// # Units 件數
    /// How many. 購買件數。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000))]
    pub quantity: u32,
}

fn one() -> u32 {
    1
}

/// A reservation, or a place among those who wait.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Reserved {
    reservation: Option<ReservationView>,
    /// How many are served before, and this one; none where something was reserved.
    waiting_place: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ReservationView {
    reservation: String,
    /// The order's key.
    order: String,
    item: String,
    quantity: u32,
    /// Minor units, of one unit.
    unit_price: i64,
    state: State,
    /// UTC milliseconds.
    pay_by: i64,
}

impl Reserved {
    pub(crate) fn made(made: &Reservation) -> Self {
        Self { reservation: Some(view(made)), waiting_place: None }
    }

    pub(crate) fn waits(place: u64) -> Self {
        Self { reservation: None, waiting_place: Some(place) }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct SaleView {
    /// Whether something is sold now.
    is_open: bool,
    /// Whether the next slot is about to start.
    is_warm_up: bool,
    /// When the slot that is open ends, or else the next one starts; none after the last. UTC milliseconds.
    changes_at: Option<i64>,
    items: Vec<ItemView>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ItemView {
    item: String,
    /// Minor units.
    price: i64,
    total: u32,
    /// Neither sold nor reserved, as far as this sale goes.
    left: u32,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    reservations: Vec<ReservationView>,
}

fn view(made: &Reservation) -> ReservationView {
    ReservationView {
        reservation: made.id.clone(),
        order: made.order(),
        item: made.sku.clone(),
        quantity: made.quantity,
        unit_price: made.unit_price,
        state: made.state,
        pay_by: made.pay_by,
    }
}

pub(crate) fn sale(call: &Call<Config>) -> SaleView {
    let now = call.now();
    let open = call.config.slot_at(now);
    let next = call.config.slots.iter().map(|slot| slot.starts_at).find(|starts| *starts > now);
    let left =
        |item: usize, total: u32| total.saturating_sub(u32::try_from(call.counter(&taken_key(item))).unwrap_or(0));
    let items = call.config.items.iter().enumerate().map(|(number, item)| ItemView {
        item: item.sku.clone(),
        price: item.sale_price,
        total: item.total,
        left: left(number, item.total),
    });
    SaleView {
        is_open: open.is_some(),
        is_warm_up: open.is_none() && next.is_some_and(|at| now >= at.saturating_sub_unsigned(call.config.warm_up_ms)),
        changes_at: open.map(|(_, slot)| slot.ends_at).or(next),
        items: items.collect(),
    }
}

pub(crate) fn mine(call: &Call<Config>) -> Mine {
    let ids = call.scan::<String>(&format!("mine/{}/", call.actor), None, SHOWN);
    let found = ids.into_iter().filter_map(|(_, id)| Reservation::load(call, &id));
    Mine { reservations: found.map(|made| view(&made)).collect() }
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let now = sale(call);
    let mut page = Page::of(call, "reserve").live("Open 進行中", ("sale", "/is_open"), "", now.is_open).live(
        "Until 倒數",
        ("sale", "/changes_at"),
        "utc-ms",
        now.changes_at,
    );
    if call.config.warm_up_ms > 0 {
        page = page.live("Soon 即將開場", ("sale", "/is_warm_up"), "", now.is_warm_up);
    }
    if let Some(first) = now.items.first() {
        page = page.live("Price 秒殺價", ("sale", "/items/0/price"), "minor", first.price).live(
            "Left 剩餘",
            ("sale", "/items/0/left"),
            "units",
            first.left,
        );
    }
    page.done()
}

/// X1 and X7, of the first reservations.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let all: Vec<Reservation> = call.scan("reservation/", None, AUDITED).into_iter().map(|(_, made)| made).collect();
    let holds = |made: &&Reservation| matches!(made.state, State::Reserved | State::Sold | State::Refunded);
    let mut broken = Vec::new();
    for (number, item) in call.config.items.iter().enumerate() {
        let taken: i64 =
            all.iter().filter(holds).filter(|made| made.sku == item.sku).map(|made| i64::from(made.quantity)).sum();
        let counted = call.counter(&taken_key(number));
        if counted > i64::from(item.total) || (all.len() < AUDITED as usize && counted != taken) {
            broken.push(format!("X1 {}", item.sku));
        }
    }
    for made in &all {
        let price =
            call.order(&made.order()).is_none_or(|order| order.total == made.unit_price * i64::from(made.quantity));
        if !price {
            broken.push(format!("X7 {}", made.id));
        }
    }
    broken
}
