//! Making an activity: the config must fit the schema, please the plugin, and be covered by the budget.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    capability::bindings::exports::fairground::activity::guest::{ConfigIssue, ConfigReport as WitReport, OfferTerms},
    capability::bindings::fairground::activity::types::Money as WitMoney,
    domain::{
        activity::{Activity, ActivityId, ConfigReport, Head, Lifecycle, Scope},
        community::Community,
        coupon::WHOLE_BPS,
        group::REGION_CHARS_MAX,
        id::Id,
        misfit::misfits,
        offer::{OFFERS_MAX, Offer, OfferKind, Offers},
        plugin::{Plugin, PluginState},
        rollout::{Pilot, Rollout},
    },
    sandbox::{catalog::Loaded, guest::Fault},
};

use super::Activities;

/// The longest activity: a year and a day.
pub(crate) const DURATION_MS_MAX: i64 = 366 * 86_400_000;

/// 30 days: longer than anybody has to pay.
const DRAIN_MS_MAX: i64 = 30 * 86_400_000;

/// As many as there are.
const KINDS_MAX: usize = 4;

const GROUPS_MAX: usize = 100;

/// What an operator asks for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Creation {
    /// Made up where it is left out.
    #[schema(value_type = Option<String>)]
    pub id: Option<Id>,
    /// The plugin's name.
    pub plugin: String,
    /// The newest enabled version where it is left out.
    pub version: Option<String>,
    /// As the plugin's config schema says.
    #[schema(value_type = Object)]
    pub config: Value,
    /// Whom it is for; after its pilot, where it has one.
    #[serde(default)]
    pub scope: Scope,
    /// How it is tried in a few groups first.
    pub rollout: Option<Pilot>,
    /// UTC milliseconds; started at once by `start` where it is left out.
    pub starts_at: Option<i64>,
    /// UTC milliseconds; at most 366 days after it starts.
    pub ends_at: Option<i64>,
    /// How long it waits after its end, in milliseconds, for what is open: payments and deadlines still count, and no actions are taken. At
    /// most 30 days; 0 settles it at its end.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000_000_i64)]
    pub drain_ms: i64,
    /// The budget that its rewards come from.
    #[schema(value_type = Option<String>)]
    pub budget: Option<Id>,
    /// Name → what is promised under it; at most 100.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, crate::domain::offer::Offer>)]
    pub offers: Offers,
    /// True to run it although it may cost more than its budget holds: rewards stop where the budget ends.
    #[serde(default)]
    pub capped_by_budget: bool,
}

impl Creation {
    /// What makes another edition of an activity: all as it is there but for what `other`, a merge patch (RFC 7396), says. It has the
    /// newest version of its plugin; its times, a pilot, and `capped_by_budget`, are those of the patch alone.
    pub(crate) fn edition_of(activity: &Activity, other: &Value) -> Result<Self, CreateError> {
        let config: Value = serde_json::from_str(&activity.config).context("column config")?;
        let scope = activity.rollout.as_ref().map_or(&activity.scope, |rollout| &rollout.to);
        let mut wish = json!({
            "plugin": activity.plugin, "config": config, "scope": scope, "offers": activity.offers, "budget": activity.budget,
        });
        // One kind of scope stands in the place of the other.
        match other.get("scope") {
            Some(Value::Null) => return invalid("/scope", "activity.edition", "say whom it is for, or leave it out"),
            Some(_) => wish["scope"] = Value::Null,
            None => {}
        }
        if other.get("ends_at").is_some_and(Value::is_number) {
            wish["drain_ms"] = activity.drain_ms.into();
        }
        json_patch::merge(&mut wish, other);
        serde_json::from_value(wish)
            .map_err(|error| CreateError::Invalid(vec![issue("", "activity.edition", error.to_string())]))
    }
}

/// One thing wrong in what was asked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Issue {
    /// JSON pointer into the request.
    pub pointer: String,
    pub code: String,
    pub message: String,
}

/// Why no activity was made.
#[derive(Debug)]
pub(crate) enum CreateError {
    Invalid(Vec<Issue>),
    /// The community has an activity of this id.
    Taken,
    Faulted(String),
    Fault(anyhow::Error),
}

impl From<anyhow::Error> for CreateError {
    fn from(error: anyhow::Error) -> Self {
        Self::Fault(error)
    }
}

fn issue(pointer: &str, code: &str, message: impl Into<String>) -> Issue {
    Issue { pointer: pointer.into(), code: code.into(), message: message.into() }
}

fn invalid<T>(pointer: &str, code: &str, message: impl Into<String>) -> Result<T, CreateError> {
    Err(CreateError::Invalid(vec![issue(pointer, code, message)]))
}

impl Activities {
    /// `series` is that of the activity which this one follows.
    pub(crate) async fn create(
        &self,
        community: &Community,
        wish: Creation,
        series: Option<&Id>,
    ) -> Result<(Activity, Head), CreateError> {
        let now = self.clock.now();
        check_frame(&wish, now)?;
        self.check_scope(community, "/scope/groups", &wish.scope).await?;
        self.check_pilot(community, &wish).await?;
        let plugin = self.choose(&wish).await?;
        let loaded = self.catalog.load(&plugin.name, &plugin.version).await?.context("the plugin was just found")?;
        check_schema(&loaded, &wish.config)?;
        let offers = offer_terms(community, &wish.offers)?;
        self.check_offers(community, &wish.offers).await?;
        let config = wish.config.to_string();
        let report = self.check_config(&community.id, &loaded, config.clone(), offers.clone()).await?;
        self.check_budget(community, &wish, &offers, &report).await?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system has randomness");
        let id = wish.id.unwrap_or_else(|| Id::random("act"));
        let activity = Activity {
            series: series.unwrap_or(&id).clone(),
            edition: 1,
            id: ActivityId { community: community.id.clone(), activity: id },
            plugin: plugin.name,
            version: plugin.version,
            config,
            config_version: 1,
            scope: wish.rollout.as_ref().map_or(wish.scope.clone(), |pilot| Scope::Groups(pilot.pilot.clone())),
            rollout: wish.rollout.map(|pilot| Rollout { pilot, to: wish.scope }),
            offers: wish.offers,
            budget: wish.budget,
            currency: community.currency,
            starts_at: wish.starts_at,
            ends_at: wish.ends_at,
            drain_ms: wish.drain_ms,
            seed,
            report,
            created_at: now,
        };
        let head = Head { seq: 0, lifecycle: Lifecycle::Validated, started_at: 0, now, stored_bytes: 0, faults: 0 };
        match self.store.insert_activity(&activity, &head).await? {
            Some(edition) => Ok((Activity { edition, ..activity }, head)),
            None => Err(CreateError::Taken),
        }
    }

    /// `pointer` is where the groups stand in what was asked for.
    pub(crate) async fn check_scope(
        &self,
        community: &Community,
        pointer: &str,
        scope: &Scope,
    ) -> Result<(), CreateError> {
        let groups = match scope {
            Scope::All => return Ok(()),
            Scope::Groups(groups) => groups,
            Scope::Kinds(kinds) if kinds.is_empty() || kinds.len() > KINDS_MAX => {
                return invalid("/scope/kinds", "scope.count", format!("1 to {KINDS_MAX} kinds of groups"));
            }
            Scope::Kinds(_) => return Ok(()),
            Scope::Region(region) if (1..=REGION_CHARS_MAX).contains(&region.chars().count()) => return Ok(()),
            Scope::Region(_) => return invalid("/scope/region", "scope.region", "1 to 64 characters"),
        };
        if groups.is_empty() || groups.len() > GROUPS_MAX {
            return invalid(pointer, "scope.count", format!("1 to {GROUPS_MAX} groups"));
        }
        for (index, group) in groups.iter().enumerate() {
            if groups[..index].contains(group) {
                return invalid(&format!("{pointer}/{index}"), "scope.twice", format!("{group:?} is named twice"));
            }
            if self.store.group(&community.id, group).await?.is_none() {
                return invalid(
                    &format!("{pointer}/{index}"),
                    "scope.unknown-group",
                    format!("there is no group {group:?}"),
                );
            }
        }
        Ok(())
    }

    async fn check_pilot(&self, community: &Community, wish: &Creation) -> Result<(), CreateError> {
        let Some(pilot) = &wish.rollout else { return Ok(()) };
        let tried = Scope::Groups(pilot.pilot.clone());
        self.check_scope(community, "/rollout/pilot", &tried).await?;
        if !tried.is_within(&wish.scope) || wish.scope.is_within(&tried) {
            return invalid(
                "/rollout/pilot",
                "rollout.scope",
                "a pilot is for some of the groups that the activity names, or of all",
            );
        }
        let times = 60_000..=DURATION_MS_MAX;
        let bounds = [
            ("/rollout/min_run_ms", times.contains(&pilot.min_run_ms)),
            ("/rollout/window_ms", times.contains(&pilot.window_ms)),
            ("/rollout/max_error_bps", pilot.max_error_bps <= WHOLE_BPS),
            ("/rollout/min_conversion_bps", pilot.min_conversion_bps <= WHOLE_BPS),
            ("/rollout/max_cac_minor", pilot.max_cac_minor.is_none_or(|most| most >= 0)),
        ];
        match bounds.into_iter().find(|(_, holds)| !holds) {
            Some((pointer, _)) => invalid(pointer, "rollout.bounds", "a minute to 366 days, and at most 10000 bps"),
            None => Ok(()),
        }
    }

    /// What offers are made of must be there: stock pools and coupon templates.
    async fn check_offers(&self, community: &Community, offers: &Offers) -> Result<(), CreateError> {
        for (name, offer) in offers {
            let pointer = format!("/offers/{name}");
            if let Some(pool) = offer.pool() {
                let of_codes = matches!(offer.kind, OfferKind::VirtualGood { .. });
                let found = self.store.pool(&community.id, pool).await?;
                if found.is_none_or(|pool| pool.is_of_codes != of_codes) {
                    let what = if of_codes { "stock pool of codes" } else { "stock pool of goods" };
                    return invalid(&pointer, "offers.unknown-pool", format!("there is no {what} {pool:?}"));
                }
            }
            if let OfferKind::Coupon { template, .. } = &offer.kind {
                let Some(terms) = self.store.template(&community.id, template).await? else {
                    let message = format!("there is no coupon template {template:?}");
                    return invalid(&pointer, "offers.unknown-template", message);
                };
                if terms.valid_until.is_some_and(|until| until <= self.clock.now()) {
                    let message = format!("coupons of {template:?} are not valid any more: see its valid_until");
                    return invalid(&pointer, "offers.template-over", message);
                }
            }
        }
        Ok(())
    }

    /// The version wished for, or the newest that is enabled.
    async fn choose(&self, wish: &Creation) -> Result<Plugin, CreateError> {
        let mut versions = self.store.plugin_versions(&wish.plugin).await?;
        if let Some(version) = &wish.version {
            versions.retain(|plugin| plugin.version == *version);
            if versions.is_empty() {
                return invalid("/version", "plugin.unknown", format!("there is no {} {version}", wish.plugin));
            }
        }
        if versions.is_empty() {
            return invalid("/plugin", "plugin.unknown", format!("there is no plugin {:?}", wish.plugin));
        }
        versions.retain(|plugin| plugin.state == PluginState::Enabled);
        versions.sort_by_key(|plugin| semver::Version::parse(&plugin.version).ok());
        match versions.pop() {
            Some(newest) => Ok(newest),
            None => {
                invalid("/plugin", "plugin.not-enabled", format!("no such version of {:?} is enabled", wish.plugin))
            }
        }
    }

    async fn check_config(
        &self,
        community: &Id,
        loaded: &std::sync::Arc<Loaded>,
        config: String,
        offers: Vec<OfferTerms>,
    ) -> Result<ConfigReport, CreateError> {
        let (sandbox, loaded) = (self.catalog.sandbox.clone(), loaded.clone());
        let checked = self
            .threads
            .run(community, move || {
                let called = sandbox.call(&loaded.linked, &loaded.label, None, |guest, store| {
                    guest.call_check_config(store, &config, &offers)
                });
                called.answer
            })
            .await?;
        match checked {
            Ok(Ok(report)) => Ok(read_report(report)),
            Ok(Err(issues)) => Err(CreateError::Invalid(issues.into_iter().map(read_issue).collect())),
            Err(Fault::Host(error)) => Err(error.into()),
            Err(fault) => Err(CreateError::Faulted(fault.to_string())),
        }
    }

    async fn check_budget(
        &self,
        community: &Community,
        wish: &Creation,
        offers: &[OfferTerms],
        report: &ConfigReport,
    ) -> Result<(), CreateError> {
        let Some(id) = &wish.budget else {
            return match offers.iter().find(|offer| offer.cost.minor > 0) {
                Some(offer) => invalid(
                    "/budget",
                    "budget.required",
                    format!("the offer {:?} costs money: name a budget", offer.name),
                ),
                None => Ok(()),
            };
        };
        let Some(budget) = self.store.budget(&community.id, id).await? else {
            return invalid("/budget", "budget.unknown", format!("there is no budget {id:?}"));
        };
        let left = budget.limit.minor - budget.held.minor - budget.captured.minor;
        match report.max_liability_minor {
            Some(most) if most > left && !wish.capped_by_budget => invalid(
                "/budget",
                "budget.too-small",
                format!("it may cost up to {most} and the budget has {left} left: raise it, or set capped_by_budget"),
            ),
            None if offers.iter().any(|offer| offer.cost.minor > 0) && !wish.capped_by_budget => invalid(
                "/budget",
                "budget.unbounded",
                "what it may cost has no bound: set capped_by_budget to stop its rewards where the budget ends",
            ),
            _ => Ok(()),
        }
    }
}

fn check_frame(wish: &Creation, now: i64) -> Result<(), CreateError> {
    // What should have started already starts now.
    let start = wish.starts_at.unwrap_or(now).max(now);
    match wish.ends_at {
        Some(end) if end <= start => invalid("/ends_at", "activity.ends-before-start", "it ends before it starts"),
        Some(end) if end - start > DURATION_MS_MAX => {
            invalid("/ends_at", "activity.too-long", "it lasts more than 366 days")
        }
        None if wish.drain_ms > 0 => invalid("/drain_ms", "activity.endless", "it has no end to wait after"),
        _ if !(0..=DRAIN_MS_MAX).contains(&wish.drain_ms) => {
            invalid("/drain_ms", "activity.drains-too-long", "it waits for at most 30 days")
        }
        _ if start - now > DURATION_MS_MAX => {
            invalid("/starts_at", "activity.too-far", "it starts in more than 366 days")
        }
        _ => Ok(()),
    }
}

fn check_schema(loaded: &Loaded, config: &Value) -> Result<(), CreateError> {
    let issues: Vec<Issue> = misfits(&loaded.config, config)
        .into_iter()
        .map(|misfit| issue(&format!("/config{}", misfit.pointer), "config.schema", misfit.message))
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(CreateError::Invalid(issues)) }
}

fn offer_terms(community: &Community, offers: &Offers) -> Result<Vec<OfferTerms>, CreateError> {
    if offers.len() > OFFERS_MAX {
        return invalid("/offers", "offers.count", format!("at most {OFFERS_MAX} offers"));
    }
    let terms = |(name, offer): (&Id, &Offer)| {
        if let Some((field, message)) = offer.misfit() {
            return invalid(&format!("/offers/{name}/{field}"), "offers.bounds", message);
        }
        let Some(cost) = offer.cost(community.currency) else {
            return invalid(&format!("/offers/{name}"), "offers.cost", "its cost is negative or beyond any budget");
        };
        let cost = WitMoney { minor: cost.minor, currency: cost.currency.as_str().into() };
        Ok(OfferTerms { name: name.to_string(), cost })
    };
    offers.iter().map(terms).collect()
}

fn read_report(report: WitReport) -> ConfigReport {
    ConfigReport {
        max_liability_minor: report.max_liability.map(|most| most.minor),
        disclosures: report.disclosures,
        warnings: report.warnings,
    }
}

fn read_issue(found: ConfigIssue) -> Issue {
    issue(&format!("/config{}", found.pointer), &found.code, found.message)
}
