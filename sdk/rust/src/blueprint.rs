//! What an activity offers, by name: a list of typed functions.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Activity, Answer, Call, invalid, json};

type Run<C> = Box<dyn Fn(&mut Call<C>, &str) -> Answer<String>>;

/// An action or a query.
pub(crate) struct Function<C> {
    pub name: &'static str,
    pub title: &'static str,
    pub operator_only: bool,
    #[cfg(not(target_arch = "wasm32"))]
    pub schemas: fn() -> crate::schemas::Shapes,
    pub run: Run<C>,
}

/// Built anew for each call, so it holds functions and no work.
pub struct Blueprint<A: Activity> {
    pub(crate) actions: Vec<Function<A::Config>>,
    pub(crate) queries: Vec<Function<A::Config>>,
    pub(crate) emits: &'static [&'static str],
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) tells: &'static [&'static str],
    pub(crate) listens: &'static [&'static str],
    pub(crate) codes: &'static [&'static str],
}

impl<A: Activity> Default for Blueprint<A> {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            queries: Vec::new(),
            emits: &[],
            #[cfg(not(target_arch = "wasm32"))]
            tells: &[],
            listens: &[],
            codes: &[],
        }
    }
}

impl<A: Activity> Blueprint<A> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Something that a member does.
    #[must_use]
    pub fn action<I, O>(
        self,
        name: &'static str,
        title: &'static str,
        run: impl Fn(&mut Call<A::Config>, I) -> Answer<O> + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
    {
        self.with_action(function(name, title, run))
    }

    /// Something that only operators do.
    #[must_use]
    pub fn operator_action<I, O>(
        self,
        name: &'static str,
        title: &'static str,
        run: impl Fn(&mut Call<A::Config>, I) -> Answer<O> + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
    {
        self.with_action(Function { operator_only: true, ..function(name, title, run) })
    }

    /// Something that a member asks; it changes nothing.
    #[must_use]
    pub fn query<I, O>(
        mut self,
        name: &'static str,
        title: &'static str,
        run: impl Fn(&mut Call<A::Config>, I) -> Answer<O> + 'static,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
    {
        self.queries.push(function(name, title, run));
        self
    }

    /// Topics that it emits.
    #[must_use]
    pub fn emits(self, emits: &'static [&'static str]) -> Self {
        Self { emits, ..self }
    }

    /// Events that it tells members of ([`Call::tell`]) where the organiser wants it: what `notices` of the config may name.
    #[must_use]
    #[cfg_attr(
        target_arch = "wasm32",
        expect(unused_variables, unused_mut, reason = "the schema of the config says it")
    )]
    pub fn tells(mut self, tells: &'static [&'static str]) -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        {
            self.tells = tells;
        }
        self
    }

    /// Topics of the shop and the platform that it wants to hear; [`crate::platform::EVERYTHING`] is all of the platform's.
    #[must_use]
    pub fn listens(self, listens: &'static [&'static str]) -> Self {
        Self { listens, ..self }
    }

    /// As the host understands `listens`.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn hears(&self, topic: &str) -> bool {
        let is_shops = topic.starts_with("order.");
        self.listens.iter().any(|heard| *heard == topic || (*heard == crate::platform::EVERYTHING && !is_shops))
    }

    /// Every code that its problems carry.
    #[must_use]
    pub fn codes(self, codes: &'static [&'static str]) -> Self {
        Self { codes, ..self }
    }

    fn with_action(mut self, action: Function<A::Config>) -> Self {
        self.actions.push(action);
        self
    }
}

fn function<C, I, O>(
    name: &'static str,
    title: &'static str,
    run: impl Fn(&mut Call<C>, I) -> Answer<O> + 'static,
) -> Function<C>
where
    I: DeserializeOwned + JsonSchema,
    O: Serialize + JsonSchema,
{
    Function {
        name,
        title,
        operator_only: false,
        #[cfg(not(target_arch = "wasm32"))]
        schemas: crate::schemas::shapes::<I, O>,
        run: Box::new(move |call, input| {
            // The host has checked the schema; what a schema cannot say is said here.
            let input = json::read(input).map_err(|error| invalid("common.invalid-input", error.to_string()))?;
            let output = run(call, input)?;
            Ok(serde_json::to_string(&output).expect("an output is JSON"))
        }),
    }
}

/// Runs the function of this name.
pub(crate) fn run<C>(functions: Vec<Function<C>>, name: &str, call: &mut Call<C>, input: &str) -> Answer<String> {
    let function = functions.into_iter().find(|function| function.name == name);
    let function = function.ok_or_else(|| invalid("common.invalid-input", "There is no such function."))?;
    (function.run)(call, input)
}
