//! What an organiser sets.

use fairground_sdk::prelude::*;

fairground_sdk::config! {
    /// A flash sale 秒殺. Prices in minor units of the community's currency.
    pub(crate) struct Config {
        /// # Goods 商品
        /// What is sold, for how much, and how many. 出售的商品、價格與數量。
        #[schemars(length(min = 1, max = 50))]
        pub items: Vec<Item>,
        /// # Slots 場次
        /// When it is sold: in order, and none reaches into another. 開售時段，依序且不重疊。
        #[schemars(length(min = 1, max = 100))]
        pub slots: Vec<Slot>,
        /// # A slot, each member 每人每場件數
        /// Units of all goods that one member may have in a slot; 0 sets no limit. 一人一場可買幾件；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 1_000), extend("x-unit" = "units"))]
        pub per_member_slot: u32,
        /// # Time to pay 付款時限
        /// 30 seconds to an hour. 三十秒至一小時。
        #[serde(default = "five_minutes")]
        #[schemars(range(min = 30_000, max = 3_600_000), extend("x-unit" = "ms"))]
        pub pay_window_ms: u64,
        /// # Mode 方式
        /// Who comes first, or who is drawn. 先到先得或抽籤。
        #[serde(default)]
        pub mode: Mode,
        /// # What is given back 釋出的商品
        /// For sale to anybody again, or to those who wait. 重新開放，或給候補。
        #[serde(default)]
        pub release: Release,
        /// # Late payment 逾時付款
        /// Money that comes after the units were given up. 商品釋出後才付款如何處理。
        #[serde(default)]
        pub late_payment: LatePayment,
        /// # Warm-up 預熱
        /// How long before a slot those are reminded who asked for it. 開場前多久提醒預約的人。
        #[serde(default = "five_minutes")]
        #[schemars(range(max = 86_400_000), extend("x-unit" = "ms"))]
        pub warm_up_ms: u64,
        /// # Wishes a second 每秒受理
        /// How many are taken in one second of all members; 0 sets no limit. 全部成員每秒受理幾次；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 100_000), extend("x-unit" = "wishes"))]
        pub requests_per_second: u32,
    }
}

/// # Good 商品
/// One good, its price and how many there are. 一種商品、價格與數量。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    /// # Good 商品編號
    /// The shop's id of it. 商店中的商品編號。
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub sku: String,
    /// # Price 秒殺價
    /// Of one unit. 每件價格。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    pub sale_price: i64,
    /// # Stock pool 庫存池
    /// Where the units come from. 商品庫存池。
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub pool: String,
    /// # Units 總件數
    /// How many are sold in this sale, whatever the pool has. 本活動出售的件數。
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "units"))]
    pub total: u32,
    /// # Each member 每人件數
    /// Units that one member may have in all slots together; 0 sets no limit. 一人共可買幾件；0 為不限。
    #[serde(default = "one")]
    #[schemars(range(max = 1_000), extend("x-unit" = "units"))]
    pub per_member_total: u32,
    /// # Each order 每單件數
    /// Units of one order. 一單最多幾件。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "units"))]
    pub per_order_max: u32,
}

/// # Slot 場次
/// A time in which it is sold; the end is not part of it. 一段開售時間，不含結束時刻。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slot {
    /// # Starts at 開始
    /// UTC milliseconds. UTC 毫秒。
    #[schemars(range(min = 0, max = 253_402_300_799_000_i64), extend("x-unit" = "utc-ms"))]
    pub starts_at: i64,
    /// # Ends at 結束
    /// UTC milliseconds. UTC 毫秒。
    #[schemars(range(min = 1, max = 253_402_300_799_000_i64), extend("x-unit" = "utc-ms"))]
    pub ends_at: i64,
    /// # Units of the slot 本場件數
    /// Of all goods together; null sets no limit but the goods' own. 本場全部商品合計；null 為不另限。
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "units"))]
    pub quota: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Mode {
    #[default]
    FirstCome,
    /// Members enter, and winners are drawn who may buy for a while; who does not is followed by another.
    Draw {
        /// # Enter until 報名截止
        /// UTC milliseconds, within a slot: the draw is then. UTC 毫秒，須在某場之內；屆時開獎。
        #[schemars(range(min = 1, max = 253_402_300_799_000_i64), extend("x-unit" = "utc-ms"))]
        enter_until: i64,
        /// # Winners 中籤人數
        /// How many may buy at once. 同時可購買的人數。
        #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "members"))]
        winners: u32,
        /// # Time to buy 購買時限
        /// How long a winner may reserve. 中籤者多久內須下單。
        #[schemars(range(min = 60_000, max = 604_800_000), extend("x-unit" = "ms"))]
        buy_window_ms: u64,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Release {
    #[default]
    BackToPool,
    /// Who comes when all is taken waits, and is served in order while the slot lasts.
    WaitingList,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LatePayment {
    #[default]
    FulfilIfStockElseRefund,
    Refund,
}

fn one() -> u32 {
    1
}
fn five_minutes() -> u64 {
    300_000
}

impl Config {
    /// A good and its number.
    pub(crate) fn item(&self, sku: &str) -> Option<(usize, &Item)> {
        self.items.iter().enumerate().find(|(_, item)| item.sku == sku)
    }

    /// When the first slot after an instant starts.
    pub(crate) fn next_start(&self, now: i64) -> Option<i64> {
        self.slots.iter().map(|slot| slot.starts_at).find(|starts| *starts > now)
    }

    /// The slot that is open, with its number.
    pub(crate) fn slot_at(&self, now: i64) -> Option<(usize, Slot)> {
        let open = self.slots.iter().position(|slot| (slot.starts_at..slot.ends_at).contains(&now))?;
        Some((open, self.slots[open]))
    }

    pub(crate) fn check(&self) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        for (at, item) in self.items.iter().enumerate() {
            let is_first = self.items.iter().position(|known| known.sku == item.sku) == Some(at);
            issues.expect(is_first, format!("/items/{at}/sku"), "invalid-config", "Each good once.");
        }
        for (at, slot) in self.slots.iter().enumerate() {
            let lasts = slot.starts_at < slot.ends_at;
            issues.expect(lasts, format!("/slots/{at}"), "invalid-config", "A slot begins before it ends.");
        }
        let apart = self.slots.windows(2).all(|pair| pair[0].ends_at <= pair[1].starts_at);
        issues.expect(apart, "/slots", "invalid-config", "Slots stand in order, and none reaches into another.");
        if let Mode::Draw { enter_until, .. } = self.mode {
            let within = self.slot_at(enter_until).is_some();
            issues.expect(
                within,
                "/mode/draw/enter_until",
                "invalid-config",
                "The draw is in a slot, so that winners can buy.",
            );
        }
        let total: u64 = self.items.iter().map(|item| u64::from(item.total)).sum();
        let mut disclosures = vec![format!("There are {total} units in all.")];
        if let Mode::Draw { winners, .. } = self.mode {
            disclosures.push(format!("{winners} are drawn among all who enter, each with the same odds."));
        }
        issues.or(Report { max_liability: Some(0), disclosures, warnings: Vec::new() })
    }
}
