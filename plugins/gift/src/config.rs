//! What an organiser sets.

use fairground_sdk::{Cuts, platform::Qualify, prelude::*};

/// Units of one gift: each is set aside by itself, and a call sets a hundred aside.
pub(crate) const UNITS_MAX: u32 = 50;

fairground_sdk::config! {
    /// Gifts 送禮. Prices in minor units of the community's currency.
    pub(crate) struct Config {
        /// # Mode 模式
        /// What is given, and for what. 送什麼、如何獲得。
        pub mode: Mode,
        /// # Time to pay 付款時限
        /// Of an order that gives something. 訂單的付款時限。
        #[serde(default = "quarter_hour")]
        #[schemars(range(min = 60_000, max = 86_400_000), extend("x-unit" = "ms"))]
        pub pay_window_ms: u64,
        /// # Time to claim 領取時限
        /// How long a friend may claim what was given. 朋友多久內可領取。
        #[serde(default = "three_days")]
        #[schemars(range(min = 60_000, max = 31_536_000_000_u64), extend("x-unit" = "ms"))]
        pub claim_ttl_ms: u64,
        /// # Not claimed 逾期未領
        /// What becomes of it. 逾期未領如何處理。
        #[serde(default)]
        pub unclaimed: Unclaimed,
        /// # Each claimer 每人份數
        /// Shares of one gift that a member may claim. 一人可領同一份禮物的幾個份額。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 50), extend("x-unit" = "shares"))]
        pub per_claimer: u32,
        /// # Claim your own 可自領
        /// The giver may claim what they gave. 送禮人可自己領取。
        #[serde(default)]
        pub self_claim: bool,
        /// # Recall 收回
        /// Whether the giver gets money back for what nobody has claimed, once somebody has claimed a part. 部分已被領取後，可否退還未領部分。
        #[serde(default)]
        pub refund_rule: RefundRule,
        /// # Stock pool 贈品庫存池
        /// Where units come from that a buyer gets themselves; null sets no limit. 買家自得贈品的庫存池；null 為不限。
        #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
        pub stock_pool: Option<String>,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Mode {
    /// So many bought, so many for less, or free.
    BuyXGetY {
        /// # Bought 購買商品
        /// Goods that count. 計入的商品。
        #[schemars(length(min = 1, max = 10))]
        buy: Vec<Sku>,
        /// # How many 購買件數
        /// Units for one gift. 每得一份須購買的件數。
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "units"))]
        buy_qty: u32,
        /// # Got 贈品
        /// Its good; null makes the cheapest of those bought the gift. 贈送的商品；null 為所購中最便宜者。
        get: Option<Sku>,
        /// # How many 贈送件數
        /// Units of one gift. 每份贈送的件數。
        #[schemars(range(min = 1, max = 50), extend("x-unit" = "units"))]
        get_qty: u32,
        /// # Discount 折扣
        /// Basis points off what is got; 10 000 is free. 贈品折讓（萬分比），10000 為免費。
        #[serde(default = "whole")]
        #[schemars(range(min = 1, max = 10_000), extend("x-unit" = "bps"))]
        get_discount_bps: u32,
        /// # For 給誰
        /// Who gets it. 贈品給誰。
        #[serde(default)]
        recipient: Recipient,
        /// # Gifts of an order 每單份數
        /// At most. 一單最多幾份。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 50), extend("x-unit" = "gifts"))]
        max_repeats_per_order: u32,
        /// # Gifts of a member 每人份數
        /// In all; 0 sets no limit. 一人共可得幾份；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 1_000_000), extend("x-unit" = "gifts"))]
        max_per_member: u32,
        /// # Offer 獎勵
        /// What a friend gets for each unit; needed where a friend may. 朋友領取時每件所得的獎勵名稱。
        #[schemars(length(min = 1, max = 128))]
        offer: Option<String>,
    },
    /// Bought for others, who claim it by a link.
    GiftLink {
        /// # Good 商品
        /// What the giver pays. 送禮人付款的商品。
        #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
        sku: String,
        /// # Price 單價
        /// Of one unit; null is the shop's own. 每件價格；null 為商店價。
        #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        price: Option<i64>,
        /// # Offer 獎勵
        /// What a claimer gets for each unit. 領取者每件所得的獎勵名稱。
        #[schemars(length(min = 1, max = 128))]
        offer: String,
        /// # Units 件數
        /// Of one gift. 每份禮物的件數。
        #[schemars(range(min = 1, max = 50), extend("x-unit" = "units"))]
        units_per_gift: u32,
        /// # Split 分法
        /// A unit for each link, or as chance has it. 每個連結一件，或隨機分配。
        #[serde(default)]
        split: Split,
    },
    /// Something for whoever brings friends.
    InviteGift {
        /// # Needed 人數
        /// Friends for one gift. 每份禮物需要的人數。
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "members"))]
        needed: u32,
        /// # It counts once they 達成條件
        /// What a friend must do. 朋友須完成的行為。
        qualify: Qualify,
        /// # Offer 獎勵
        /// For whoever brought them. 邀請人的獎勵名稱。
        #[schemars(length(min = 1, max = 128))]
        offer: String,
        /// # Welcome 見面禮
        /// An offer for each friend; null gives none. 朋友的獎勵名稱；null 為無。
        #[schemars(length(min = 1, max = 128))]
        welcome_offer: Option<String>,
        /// # Rounds 輪數
        /// How many gifts one member may have; 0 sets no limit. 一人最多可得幾份；0 為不限。
        #[serde(default = "one")]
        #[schemars(range(max = 1_000), extend("x-unit" = "gifts"))]
        max_rounds: u32,
        /// # Window 計入時限
        /// How long after the code a friend may come to count. 使用邀請碼後多久內達成才計入。
        #[serde(default = "thirty_days")]
        #[schemars(range(min = 60_000, max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
        window_ms: u64,
        /// # New friends only 限新人
        /// Who is new is set by `new_member`. 新人的定義見 new_member。
        #[serde(default = "yes")]
        friends_must_be_new: bool,
    },
    /// Money in packets of chance, the organiser's.
    RedPacket {
        /// # Offer 獎勵
        /// A random packet that holds `max` at least. 隨機紅包獎勵名稱，上限不低於 max。
        #[schemars(length(min = 1, max = 128))]
        offer: String,
        /// # Total 總額
        /// Of all packets together. 全部紅包合計。
        #[schemars(range(min = 1, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        total: i64,
        /// # Packets 個數
        /// How many. 紅包個數。
        #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "packets"))]
        packets: u32,
        /// # Least 最小
        /// In a packet. 單個紅包最小金額。
        #[schemars(range(min = 1, max = 1_000_000_000_i64), extend("x-unit" = "minor"))]
        min: i64,
        /// # Most 最大
        /// In a packet. 單個紅包最大金額。
        #[schemars(range(min = 1, max = 1_000_000_000_i64), extend("x-unit" = "minor"))]
        max: i64,
    },
}

/// A good of the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Sku(#[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))] pub String);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Recipient {
    /// The buyer, in the same order.
    #[default]
    #[serde(rename = "self")]
    Own,
    /// A friend, by a link.
    Friend,
    /// As the buyer says.
    Either,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Split {
    /// A unit for each link.
    #[default]
    EachOne,
    /// So many links, each with a random number of units.
    Random {
        /// # Links 連結數
        /// Each has one unit at least. 每個連結至少一件。
        #[schemars(range(min = 1, max = 50), extend("x-unit" = "shares"))]
        shares: u32,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unclaimed {
    /// The giver has their money back.
    #[default]
    Refund,
    /// The giver gets it.
    ReturnToBuyer,
    /// It can be claimed until the activity ends; then the giver gets it.
    KeepOpen,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RefundRule {
    /// Nothing, once somebody has claimed a part.
    #[default]
    BlockAfterClaim,
    /// What was claimed is kept, and the rest paid back.
    DeductClaimed,
}

fn one() -> u32 {
    1
}
fn whole() -> u32 {
    10_000
}
fn quarter_hour() -> u64 {
    900_000
}
fn three_days() -> u64 {
    259_200_000
}
fn thirty_days() -> u64 {
    2_592_000_000
}
fn yes() -> bool {
    true
}

impl Config {
    /// What a claimer gets for each unit; none where nothing is claimed.
    pub(crate) fn claim_offer(&self) -> Option<&String> {
        match &self.mode {
            Mode::BuyXGetY { offer, .. } => offer.as_ref(),
            Mode::GiftLink { offer, .. } => Some(offer),
            Mode::InviteGift { .. } | Mode::RedPacket { .. } => None,
        }
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        let mut expect = |fine: bool, pointer: &str, message: &str| {
            issues.expect(fine, pointer, "invalid-config", message);
        };
        let known = |offer: &String| offers.contains_key(offer);
        let unknown = "There is no offer of this name.";
        match &self.mode {
            Mode::BuyXGetY { get_qty, get_discount_bps, recipient, max_repeats_per_order, offer, .. } => {
                expect(offer.as_ref().is_none_or(known), "/mode/buy-x-get-y/offer", unknown);
                let is_friends = *recipient != Recipient::Own;
                expect(offer.is_some() == is_friends, "/mode/buy-x-get-y/offer", "Friends need one, and only they.");
                let free = "What a friend gets is free.";
                expect(!is_friends || *get_discount_bps == 10_000, "/mode/buy-x-get-y/get_discount_bps", free);
                let few = get_qty * max_repeats_per_order <= UNITS_MAX;
                expect(few, "/mode/buy-x-get-y/max_repeats_per_order", "At most 50 units are got with one order.");
            }
            Mode::GiftLink { offer, units_per_gift, split, .. } => {
                expect(known(offer), "/mode/gift-link/offer", unknown);
                if let Split::Random { shares } = split {
                    expect(shares <= units_per_gift, "/mode/gift-link/split/random/shares", "No more than units.");
                }
            }
            Mode::InviteGift { qualify, offer, welcome_offer, .. } => {
                expect(known(offer), "/mode/invite-gift/offer", unknown);
                expect(welcome_offer.as_ref().is_none_or(known), "/mode/invite-gift/welcome_offer", unknown);
                qualify.check(&mut issues, "/mode/invite-gift/qualify");
            }
            Mode::RedPacket { offer, total, packets, min, max } => {
                let holds = offers.get(offer).is_some_and(|most| most >= max);
                expect(holds, "/mode/red-packet/offer", "An offer of a random packet that holds `max`.");
                let cuts = Cuts { left: *total, count: i64::from(*packets), min: *min, max: *max };
                let range = "So many packets within these bounds do not make the total.";
                expect(min <= max && cuts.is_feasible(), "/mode/red-packet/total", range);
                expect(self.reward_hold_ms == 0, "/reward_hold_ms", "What is in a packet is there as it is opened.");
            }
        }
        let max_liability = self.max_liability(offers);
        issues.or(Report { max_liability, disclosures: self.disclosures(), warnings: Vec::new() })
    }

    fn disclosures(&self) -> Vec<String> {
        let hours = self.claim_ttl_ms / 3_600_000;
        let unclaimed = match self.unclaimed {
            Unclaimed::Refund => format!("What nobody claims within {hours} hours is paid back."),
            Unclaimed::ReturnToBuyer => format!("What nobody claims within {hours} hours is the giver's."),
            Unclaimed::KeepOpen => "What nobody claims is the giver's in the end.".into(),
        };
        match &self.mode {
            Mode::BuyXGetY { buy_qty, get_qty, .. } => vec![format!("{get_qty} for {buy_qty} bought."), unclaimed],
            Mode::GiftLink { .. } => vec![unclaimed],
            Mode::InviteGift { needed, qualify, .. } => {
                vec![format!("It takes {needed} friends who {}.", qualify.words())]
            }
            Mode::RedPacket { total, packets, min, max, .. } => {
                vec![format!("{packets} packets of {min} to {max}, {total} in all, each the same on average.")]
            }
        }
    }

    /// None where nothing bounds how often it is given.
    fn max_liability(&self, offers: &Offers) -> Option<i64> {
        let cost = |offer: &String| offers.get(offer).copied().unwrap_or(0);
        let each = match &self.mode {
            // What a packet may hold is set aside before it is known what is in it.
            Mode::RedPacket { offer, total, min, .. } => return total.checked_add(cost(offer))?.checked_sub(*min),
            Mode::BuyXGetY { offer, get_qty, max_repeats_per_order, .. } => {
                let units = i64::from(get_qty * max_repeats_per_order);
                offer.as_ref().map_or(0, cost).checked_mul(units)?
            }
            Mode::GiftLink { offer, units_per_gift, .. } => cost(offer).checked_mul(i64::from(*units_per_gift))?,
            Mode::InviteGift { offer, welcome_offer, .. } => cost(offer) + welcome_offer.as_ref().map_or(0, cost),
        };
        match (each, self.limits.total) {
            (0, _) => Some(0),
            (_, 0) => None,
            (each, total) => each.checked_mul(total.into()),
        }
    }
}
