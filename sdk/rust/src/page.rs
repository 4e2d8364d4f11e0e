//! The page of an activity in three sections: what it is and what there is to win, with a first call to action; how it stands and why
//! to trust it; and the call to action again. What can change is bound to a query, so that copy never contradicts state.

use serde::Serialize;

use crate::{Block, Call, Section, Share, Terms};

/// A page on its way: [`Page::of`] begins it, [`Page::done`] ends it.
pub struct Page<'a, C> {
    call: &'a Call<C>,
    action: &'static str,
    blocks: Vec<Block>,
}

#[derive(Serialize)]
struct Theme<'a> {
    title: &'a str,
}

#[derive(Serialize)]
struct Bait<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct CallToAction<'a> {
    action: &'static str,
    share: &'a Share,
    ends_at: Option<i64>,
}

/// A value that a client keeps fresh: it asks the query, and shows what stands at the JSON pointer.
#[derive(Serialize)]
struct Live<'a, V> {
    label: &'a str,
    query: &'static str,
    pointer: &'static str,
    unit: &'static str,
    /// As of the call.
    value: V,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

impl<'a, C: Terms> Page<'a, C> {
    /// The top: theme, bait and a call to this action.
    pub fn of(call: &'a Call<C>, action: &'static str) -> Self {
        let page = Self { call, action, blocks: Vec::new() };
        let config = &call.config;
        page.block(Section::Top, "theme", &Theme { title: config.title() })
            .block(Section::Top, "bait", &Bait { text: config.one_line_benefit() })
            .own(Section::Top)
            .call_to_action(Section::Top)
    }

    /// A value in the middle: what `query` answers at `pointer`, as it is now.
    #[must_use]
    pub fn live<V: Serialize>(
        self,
        label: &str,
        (query, pointer): (&'static str, &'static str),
        unit: &'static str,
        value: V,
    ) -> Self {
        self.block(Section::Middle, "value", &Live { label, query, pointer, unit, value })
    }

    /// A sentence in the middle.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.block(Section::Middle, "text", &Text { text })
    }

    /// The organiser's own blocks, and the call to action again.
    pub fn done(self) -> Vec<Block> {
        self.own(Section::Middle).own(Section::Bottom).call_to_action(Section::Bottom).blocks
    }

    fn own(mut self, section: Section) -> Self {
        for block in self.call.config.page().iter().filter(|block| block.section == section) {
            self = self.block(section, block.kind.name(), &Text { text: &block.text });
        }
        self
    }

    fn call_to_action(self, section: Section) -> Self {
        let content = CallToAction { action: self.action, share: self.call.config.share(), ends_at: self.call.ends_at };
        self.block(section, "call-to-action", &content)
    }

    fn block<T: Serialize>(mut self, section: Section, kind: &'static str, content: &T) -> Self {
        self.blocks.push(Block::new(section, kind, content));
        self
    }
}
