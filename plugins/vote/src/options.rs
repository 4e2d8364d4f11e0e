//! Options: what may be chosen, set by the organiser or submitted by members.

use fairground_sdk::{conflict, expired, invalid, limit_reached, not_found, prelude::*};

use crate::{
    config::{Choice, Config, OPTIONS_MAX},
    edition::{Edition, State},
};

/// Options of one page.
const PAGE: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Submitted {
    pub id: String,
    pub author: String,
    title: String,
    body: String,
    pub is_approved: bool,
    is_rejected: bool,
}

/// Options that are not rejected.
const ROOM: &str = "room";

fn take_room(call: &mut Call<Config>) -> Answer<()> {
    let room = i64::try_from(OPTIONS_MAX.saturating_sub(call.config.options.len())).expect("few options");
    match call.count(ROOM, 1, 0, room) {
        Ok(_) => Ok(()),
        Err(_) => Err(limit_reached("common.limit-total", "There are as many options as there may be.")),
    }
}

/// How many can be chosen in an edition, or more where some are not approved.
pub(crate) fn count(call: &Call<Config>, edition: &Edition) -> usize {
    if edition.state == State::RunOff {
        return edition.run_off.len();
    }
    call.config.options.len() + usize::try_from(call.counter(ROOM)).unwrap_or_default()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmitInput {
    /// # Title 標題
    /// What members see. 成員看到的名稱。
    #[schemars(length(min = 1, max = 100))]
    title: String,
    /// # Text 說明
    /// More about it. 補充說明。
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    body: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewInput {
    /// # Option 選項
    /// The id of what was submitted. 提交的選項編號。
    #[schemars(length(min = 1, max = 40))]
    option: String,
    /// # Approve 通過
    /// Whether it can be chosen. 是否可供投票。
    ok: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionsInput {
    /// # From 起始
    /// How many to pass over. 略過幾項。
    #[serde(default)]
    #[schemars(range(max = 500))]
    from: u32,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct OptionView {
    id: String,
    title: String,
    body: String,
    /// Who submitted it; none where it is the organiser's.
    author: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct OptionsView {
    options: Vec<OptionView>,
    /// Where the next page begins; none on the last.
    next: Option<u32>,
}

pub(crate) fn submit(call: &mut Call<Config>, input: SubmitInput) -> Answer<OptionView> {
    let Some(rule) = call.config.submissions else {
        return Err(conflict("vote.submission-closed", "The options are the organiser's."));
    };
    let is_open = Edition::current(call).is_some_and(|edition| edition.state == State::Collecting);
    if !is_open || call.now() >= rule.open_until {
        return Err(expired("vote.submission-closed", "Options are no longer taken."));
    }
    let is_text = |text: &str| !text.chars().any(|letter| letter.is_control() && letter != '\n');
    if input.title.trim().is_empty() || !is_text(&input.title) || !is_text(&input.body) {
        return Err(invalid("common.invalid-input", "It needs a title, and no characters that cannot be seen."));
    }
    call.admit(None, "vote.submit")?.at_once()?;
    let author = call.actor.clone();
    if call.count(&format!("submitted/{author}"), 1, 0, rule.per_member.into()).is_err() {
        return Err(limit_reached("common.limit-member-total", "You have submitted as many as you may."));
    }
    take_room(call)?;
    let number = call.count("submitted", 1, 0, i64::MAX).expect("fewer than members submit");
    let SubmitInput { title, body } = input;
    let option =
        Submitted { id: format!("s-{number}"), author, title, body, is_approved: !rule.moderated, is_rejected: false };
    option.save(call);
    call.emit("vote.submitted", &option.id, &option);
    Ok(option.view())
}

/// Lets an option in, or keeps it out, until the vote opens.
pub(crate) fn review(call: &mut Call<Config>, input: &ReviewInput) -> Answer<OptionView> {
    let is_open = Edition::current(call).is_some_and(|edition| edition.state == State::Collecting);
    if !is_open {
        return Err(expired("vote.submission-closed", "It is voted already: what can be chosen stays."));
    }
    let unknown = || not_found("vote.unknown-option", "Nobody has submitted this.");
    let mut option = Submitted::load(call, &input.option).ok_or_else(unknown)?;
    // What is kept out makes room for another.
    match (option.is_rejected, input.ok) {
        (true, true) => take_room(call)?,
        (false, false) => drop(call.count(ROOM, -1, 0, i64::MAX)),
        _ => {}
    }
    (option.is_approved, option.is_rejected) = (input.ok, !input.ok);
    option.save(call);
    Ok(option.view())
}

impl Submitted {
    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        let number: u32 = id.strip_prefix("s-")?.parse().ok()?;
        // Nothing but the id itself names it: `s-01` is no other name.
        call.load::<Self>(&key(number)).filter(|option| option.id == id)
    }

    fn save(&self, call: &mut Call<Config>) {
        let number = self.id.strip_prefix("s-").and_then(|number| number.parse().ok()).expect("it is made so");
        call.save(&key(number), self);
    }

    fn view(self) -> OptionView {
        OptionView { id: self.id, title: self.title, body: self.body, author: Some(self.author) }
    }
}

/// Whether an option can be chosen in an edition.
pub(crate) fn is_choice(call: &Call<Config>, edition: &Edition, id: &str) -> bool {
    if edition.state == State::RunOff {
        return edition.run_off.iter().any(|option| option == id);
    }
    call.config.options.iter().any(|option| option.id == id)
        || Submitted::load(call, id).is_some_and(|option| option.is_approved)
}

/// What an option has on a board.
pub(crate) fn score(call: &Call<Config>, board: &str, option: &str) -> i64 {
    call.rank(board, option).map_or(0, |ranked| ranked.score)
}

/// Those that can be chosen now, the organiser's first. A page has the options of so many numbers, approved or not.
pub(crate) fn page(call: &Call<Config>, input: &OptionsInput) -> OptionsView {
    let from = input.from as usize;
    let own = call.config.options.len();
    let submitted = usize::try_from(call.counter("submitted")).unwrap_or_default();
    let numbers = from..(from + PAGE).min(own + submitted);
    let next = (numbers.end < own + submitted).then(|| u32::try_from(numbers.end).expect("few options"));
    let view = |number: usize| match call.config.options.get(number) {
        Some(Choice { id, title, body }) => {
            Some(OptionView { id: id.clone(), title: title.clone(), body: body.clone(), author: None })
        }
        None => {
            let option = Submitted::load(call, &format!("s-{}", number - own + 1))?;
            option.is_approved.then(|| option.view())
        }
    };
    let run_off = Edition::current(call).filter(|edition| edition.state == State::RunOff);
    let is_in = |view: &OptionView| run_off.as_ref().is_none_or(|edition| edition.run_off.contains(&view.id));
    OptionsView { options: numbers.filter_map(view).filter(is_in).collect(), next }
}

fn key(number: u32) -> String {
    format!("option/{number:06}")
}
