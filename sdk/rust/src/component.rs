//! The component's exports, made from an [`Activity`].
#![allow(unsafe_code, unreachable_pub, unused_qualifications, clippy::all, reason = "generated code")]

use std::{collections::BTreeMap, marker::PhantomData};

use crate::{
    Activity, Answer, Call, HostEvent, Section, StopReason,
    activity::{ring, settle},
    blueprint::{Function, run},
    host, json,
    problem::{Kind, Problem},
    schemas::{Schemas, Shapes},
};

wit_bindgen::generate!({
    path: "../../wit",
    world: "activity",
    pub_export_macro: true,
});

use exports::fairground::activity::guest as wit;
use fairground::activity::types::{Money, Problem as WitProblem, ProblemKind};

/// Turns the component's calls into the activity's.
pub struct Adapter<A>(PhantomData<A>);

fn call<A: Activity>(context: wit::ActivityContext) -> Call<A::Config> {
    host::log_panics();
    Call {
        activity: context.activity,
        config: json::read(&context.config).expect("the host keeps configs that fit the schema"),
        actor: String::new(),
        by_operator: false,
        currency: context.currency,
        started_at: context.started_at,
        ends_at: context.ends_at,
    }
}

fn problem(problem: Problem) -> WitProblem {
    WitProblem {
        kind: match problem.kind {
            Kind::InvalidArgument => ProblemKind::InvalidArgument,
            Kind::NotFound => ProblemKind::NotFound,
            Kind::NotAllowed => ProblemKind::NotAllowed,
            Kind::Conflict => ProblemKind::Conflict,
            Kind::LimitReached => ProblemKind::LimitReached,
            Kind::Expired => ProblemKind::Expired,
            Kind::InsufficientBudget => ProblemKind::InsufficientBudget,
            Kind::InsufficientStock => ProblemKind::InsufficientStock,
            Kind::RiskRejected => ProblemKind::RiskRejected,
        },
        code: problem.code.into(),
        message: problem.message,
        retryable: problem.retryable,
        params: problem.params,
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).into()).collect()
}

/// An activity whose `schemas.json` was built in.
pub trait WithSchemas: Activity {
    const SCHEMAS: &'static str;
}

fn take(shapes: &mut BTreeMap<String, Shapes>, name: &str) -> (String, String) {
    let Some(Shapes { input, output }) = shapes.remove(name) else {
        panic!("schemas.json does not know {name}: run `cargo test`, which writes it, and build again")
    };
    (input.0, output.0)
}

fn action<C>(function: Function<C>, shapes: &mut BTreeMap<String, Shapes>) -> wit::ActionSpec {
    let (input_schema, output_schema) = take(shapes, function.name);
    wit::ActionSpec {
        name: function.name.into(),
        title: function.title.into(),
        input_schema,
        output_schema,
        operator_only: function.operator_only,
    }
}

fn query<C>(function: Function<C>, shapes: &mut BTreeMap<String, Shapes>) -> wit::QuerySpec {
    let (input_schema, output_schema) = take(shapes, function.name);
    wit::QuerySpec { name: function.name.into(), title: function.title.into(), input_schema, output_schema }
}

fn answer<T>(answer: Answer<T>) -> Result<T, WitProblem> {
    answer.map_err(problem)
}

impl<A: WithSchemas> wit::Guest for Adapter<A> {
    fn describe() -> wit::Manifest {
        host::log_panics();
        let blueprint = A::blueprint();
        let Schemas { config, mut actions, mut queries } =
            json::read(A::SCHEMAS).expect("schemas.json is as the SDK's test writes it");
        wit::Manifest {
            name: A::NAME.into(),
            version: A::VERSION.into(),
            title: A::TITLE.into(),
            description: A::DESCRIPTION.into(),
            config_schema: config.0,
            actions: blueprint.actions.into_iter().map(|function| action(function, &mut actions)).collect(),
            queries: blueprint.queries.into_iter().map(|function| query(function, &mut queries)).collect(),
            emits: words(blueprint.emits),
            listens: words(blueprint.listens),
            problem_codes: words(blueprint.codes),
            state_version: A::STATE_VERSION,
        }
    }

    fn check_config(config: String, offers: Vec<wit::OfferTerms>) -> Result<wit::ConfigReport, Vec<wit::ConfigIssue>> {
        host::log_panics();
        let issue = |pointer: String, code: &str, message| wit::ConfigIssue { pointer, code: code.into(), message };
        let currency = offers.first().map_or_else(|| "XXX".to_owned(), |offer| offer.cost.currency.clone());
        let offers = offers.into_iter().map(|offer| (offer.name, offer.cost.minor)).collect();
        let config =
            json::read(&config).map_err(|error| vec![issue(String::new(), "config.shape", error.to_string())])?;
        match A::check(&config, &offers) {
            Ok(report) => Ok(wit::ConfigReport {
                max_liability: report.max_liability.map(|minor| Money { minor, currency }),
                disclosures: report.disclosures,
                warnings: report.warnings,
            }),
            Err(issues) => {
                Err(issues.into_iter().map(|found| issue(found.pointer, found.code, found.message)).collect())
            }
        }
    }

    fn start(context: wit::ActivityContext) -> Result<(), WitProblem> {
        answer(A::start(&mut call::<A>(context)))
    }

    fn act(context: wit::ActivityContext, asked: wit::ActionCall) -> Result<String, WitProblem> {
        let mut call = Call { actor: asked.actor, by_operator: asked.by_operator, ..call::<A>(context) };
        answer(run(A::blueprint().actions, &asked.name, &mut call, &asked.input))
    }

    fn query(
        context: wit::ActivityContext,
        name: String,
        viewer: Option<String>,
        input: String,
    ) -> Result<String, WitProblem> {
        let mut call = Call { actor: viewer.unwrap_or_default(), ..call::<A>(context) };
        answer(run(A::blueprint().queries, &name, &mut call, &input))
    }

    fn on_event(context: wit::ActivityContext, event: wit::HostEvent) -> Result<(), WitProblem> {
        let wit::HostEvent { id, topic, subject, payload, at } = event;
        answer(A::on_event(&mut call::<A>(context), &HostEvent { id, topic, subject, payload, at }))
    }

    fn on_timer(context: wit::ActivityContext, key: String, due: i64, payload: String) -> Result<(), WitProblem> {
        answer(ring::<A>(&mut call::<A>(context), &key, due, &payload))
    }

    fn stop(context: wit::ActivityContext, reason: wit::StopReason) -> Result<(), WitProblem> {
        let reason = match reason {
            wit::StopReason::Ended => StopReason::Ended,
            wit::StopReason::Stopped => StopReason::Stopped,
            wit::StopReason::Cancelled => StopReason::Cancelled,
        };
        answer(A::stop(&mut call::<A>(context), reason))
    }

    fn settle(context: wit::ActivityContext, batch: u32) -> Result<bool, WitProblem> {
        answer(settle::<A>(&mut call::<A>(context), batch))
    }

    fn page(context: wit::ActivityContext, viewer: Option<String>) -> Result<Vec<wit::PageBlock>, WitProblem> {
        let blocks = answer(A::page(&mut call::<A>(context), viewer.as_deref()))?;
        let block = |block: crate::Block| wit::PageBlock {
            section: match block.section {
                Section::Top => wit::Section::Top,
                Section::Middle => wit::Section::Middle,
                Section::Bottom => wit::Section::Bottom,
            },
            kind: block.kind.into(),
            content: block.content,
        };
        Ok(blocks.into_iter().map(block).collect())
    }

    fn audit(context: wit::ActivityContext) -> Result<Vec<String>, WitProblem> {
        answer(A::audit(&mut call::<A>(context)))
    }

    fn migrate(context: wit::ActivityContext, from: u32) -> Result<(), WitProblem> {
        answer(A::migrate(&mut call::<A>(context), from))
    }
}
