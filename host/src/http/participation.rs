//! What members do in an activity: act, ask, look at its page.

use std::collections::BTreeMap;

use axum::{
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    activity::{Act, Actor, Answer, Asked, Issue, RETRY_AFTER_MS},
    domain::{
        activity::ActivityId,
        id::Id,
        journal::{Outcome, RetryKey},
        misfit::{Misfit, misfits},
        refusal::{Refusal, RefusalKind},
    },
};

use super::{
    extract::{ActivityPath, IdempotencyKey, Ids, Input},
    identity::Principal,
    problem::Problem,
    router::App,
};

/// How often an action is checked anew because its activity has changed meanwhile. Each time somebody has changed it.
const CHECKS_MAX: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct NamedPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    activity: Id,
    /// The action's or the query's name.
    name: String,
}

/// What an action answered.
#[derive(ToSchema)]
#[allow(dead_code, reason = "documents an answer that is written byte for byte")]
pub(crate) struct Acted {
    /// As the plugin's output schema says.
    output: Value,
    /// Its number in the activity's journal.
    seq: i64,
}

/// Why an action has no output.
pub(super) fn problem(answer: Answer) -> Problem {
    match answer {
        Answer::Done { answer, .. } => match serde_json::from_str::<Refusal>(answer.as_str()) {
            Ok(refusal) => refusal.into(),
            Err(error) => anyhow::Error::from(error).context("a refusal in the journal cannot be read").into(),
        },
        Answer::Rejected(refusal) => refusal.into(),
        Answer::Faulted(why) => Problem::plugin_fault(&why),
        Answer::Busy(retry_after_ms) => Problem::busy(retry_after_ms),
        Answer::Resting(retry_after_ms) => Problem::resting(retry_after_ms),
        Answer::Moved => Problem::busy(RETRY_AFTER_MS),
        Answer::Failed | Answer::Nothing => Problem::fault(),
    }
}

/// A JSON text that is known to be one.
fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A member acts; operators may do what the plugin keeps for them. The same key and input get the same answer, byte for byte.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/actions/{name}", tag = "participation",
    params(NamedPath, ("Idempotency-Key" = String, Header,
        description = "1 to 255 visible ASCII characters. Best are keys that begin with the time, as UUIDv7 and ULID do.")),
    request_body(content = Object), responses((status = 200, body = Acted)))]
pub(crate) async fn act(
    State(app): State<App>,
    principal: Principal,
    Ids(NamedPath { community, activity, name }): Ids<NamedPath>,
    IdempotencyKey(key): IdempotencyKey,
    Input(input): Input,
) -> Result<Response, Problem> {
    let id = ActivityId { community, activity };
    let mut answer = Answer::Moved;
    for _ in 0..CHECKS_MAX {
        let act = match checked(&app, &id, &principal, (&name, &key), &input).await {
            Ok(act) => act,
            // Another host may have moved it to a version that takes this.
            Err(_) if app.activities.catch_up(&id).await? => continue,
            Err(problem) => {
                let (Principal::Operator(actor) | Principal::Member(actor)) = principal else { return Err(problem) };
                let key = RetryKey { actor, name, key };
                answer = app.activities.answered(&id, key, &input.to_string()).await?.ok_or(problem)?;
                break;
            }
        };
        answer = app.activities.act(&id, act).await?.ok_or_else(|| Problem::not_found("activity"))?;
        if !matches!(answer, Answer::Moved) {
            break;
        }
    }
    match answer {
        Answer::Done { seq, outcome: Outcome::Ok, answer } => {
            Ok(json_text(format!("{{\"output\":{},\"seq\":{seq}}}", answer.as_str())))
        }
        answer => Err(problem(answer)),
    }
}

/// The action as the activity takes it now.
async fn checked(
    app: &App,
    id: &ActivityId,
    principal: &Principal,
    (name, key): (&str, &str),
    input: &Value,
) -> Result<Act, Problem> {
    let (activity, plugin) = app.activities.plugin_of(id).await?.ok_or_else(|| Problem::not_found("activity"))?;
    let (spec, schema) = plugin.action(name).ok_or_else(|| Problem::not_found("action"))?;
    let (actor, standing) = match principal {
        Principal::Operator(key) if spec.operator_only => (Actor::Operator(key.clone()), Ok(())),
        Principal::Member(member) if !spec.operator_only => {
            (Actor::Member(member.clone()), app.activities.standing(&activity, member).await?)
        }
        Principal::Operator(_) => return Err(not_allowed("This action is for members.")),
        _ => return Err(not_allowed("This action is for operators.")),
    };
    check(schema, input)?;
    let revision = activity.revision();
    Ok(Act { actor, name: name.into(), key: key.into(), input: input.to_string(), standing, revision })
}

fn not_allowed(message: &str) -> Problem {
    Refusal::new(RefusalKind::NotAllowed, "common.not-allowed", message).into()
}

fn check(schema: &jsonschema::Validator, input: &Value) -> Result<(), Problem> {
    if schema.is_valid(input) {
        return Ok(());
    }
    let issue = |Misfit { pointer, message }| Issue { pointer, code: "common.invalid-input".into(), message };
    Err(Problem::invalid(misfits(schema, input).into_iter().map(issue).collect()))
}

/// Answers a query of the plugin. Its input is the query string.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/queries/{name}", tag = "participation",
    params(NamedPath), responses((status = 200, body = Object)))]
pub(crate) async fn query(
    State(app): State<App>,
    principal: Principal,
    Ids(NamedPath { community, activity, name }): Ids<NamedPath>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let id = ActivityId { community, activity };
    let question = match checked_query(&app, &id, &name, &asked).await {
        // Another host may have moved it to a version that answers this.
        Err(_) if app.activities.catch_up(&id).await? => checked_query(&app, &id, &name, &asked).await?,
        question => question?,
    };
    answer(&app, &id, &principal, question).await
}

/// The query as the activity answers it now.
async fn checked_query(
    app: &App,
    id: &ActivityId,
    name: &str,
    asked: &BTreeMap<String, String>,
) -> Result<Asked, Problem> {
    let (_, plugin) = app.activities.plugin_of(id).await?.ok_or_else(|| Problem::not_found("activity"))?;
    let (spec, schema) = plugin.query(name).ok_or_else(|| Problem::not_found("query"))?;
    let input = typed(&spec.input_schema, asked);
    check(schema, &input)?;
    Ok(Asked::Query { name: name.into(), input: input.to_string() })
}

/// The activity's page: blocks whose values come from its queries.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/page", tag = "participation",
    params(ActivityPath), responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn page(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
) -> Result<Response, Problem> {
    answer(&app, &path.id(), &principal, Asked::Page).await
}

async fn answer(app: &App, id: &ActivityId, principal: &Principal, asked: Asked) -> Result<Response, Problem> {
    let viewer = match principal {
        Principal::Member(member) => Some(member.to_string()),
        _ => None,
    };
    let answer = app.activities.ask(id, viewer, &asked).await?.ok_or_else(|| Problem::not_found("activity"))??;
    Ok(json_text(answer.as_str().into()))
}

/// A query string's values, typed as the schema says; what does not fit stays text, and the schema says so.
fn typed(schema: &Value, asked: &BTreeMap<String, String>) -> Value {
    let fields = asked.iter().map(|(name, text)| {
        let kind = &schema["properties"][name]["type"];
        let is = |wanted: &str| {
            kind == wanted || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == wanted))
        };
        let value = match text.as_str() {
            number if is("integer") && number.parse::<i64>().is_ok() => {
                number.parse::<i64>().unwrap_or_default().into()
            }
            "true" if is("boolean") => true.into(),
            "false" if is("boolean") => false.into(),
            _ => Value::String(text.clone()),
        };
        (name.clone(), value)
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_string_is_typed_by_the_schema() {
        let schema = json!({"properties": {"limit": {"type": ["integer", "null"]}, "mine": {"type": "boolean"}, "name": {"type": "string"}}});
        let asked = [("limit", "5"), ("mine", "true"), ("name", "7"), ("other", "8")];
        let asked = asked.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        assert_eq!(typed(&schema, &asked), json!({"limit": 5, "mine": true, "name": "7", "other": "8"}));
    }
}
