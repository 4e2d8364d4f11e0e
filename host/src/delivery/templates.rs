//! Texts of notices: minijinja templates, which see what the notice says and nothing else.

use anyhow::anyhow;
use minijinja::{Environment, UndefinedBehavior, context};

use crate::store::notices::Text;

/// What a template may take to be rendered: about so many instructions, well below a millisecond.
const FUEL: u64 = 20_000;

/// A title is one line of a mail or of a screen.
const TITLE_BYTES_MAX: usize = 500;

const BODY_BYTES_MAX: usize = 32 << 10;

/// Of a template itself.
const SOURCE_BYTES_MAX: usize = 16 << 10;

/// An environment without filters that reach anything: there is no file and no other template.
fn environment<'source>() -> Environment<'source> {
    let mut environment = Environment::new();
    // What a notice does not say is a fault, rather than a gap in a sentence.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

/// Whether a template can be understood; why not, if it cannot.
pub(crate) fn check_template(title: &str, body: &str) -> Result<(), String> {
    if title.is_empty() || title.len() > TITLE_BYTES_MAX || body.len() > SOURCE_BYTES_MAX {
        return Err(format!("a title has 1 to {TITLE_BYTES_MAX} bytes, a body at most {SOURCE_BYTES_MAX}"));
    }
    if format!("{title}{body}").contains('\0') {
        return Err("a text has no NUL".into());
    }
    let environment = environment();
    for source in [title, body] {
        environment.template_from_str(source).map_err(|error| format!("{error:#}"))?;
    }
    Ok(())
}

/// What a notice says. `params` are its own; `community`, `activity` and `member` tell where it comes from and whom it is for.
pub(super) fn render(
    (title, body): (&str, &str),
    params: &[(String, String)],
    (community, activity, member): (&str, &str, &str),
) -> anyhow::Result<Text> {
    let environment = environment();
    let own = minijinja::Value::from_iter(params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let context = context! { ..own, ..context! { community, activity, member } };
    let render = |source: &str| environment.render_str(source, &context).map_err(|error| anyhow!("{error:#}"));
    let title = render(title)?.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = render(body)?;
    if title.len() > TITLE_BYTES_MAX || body.len() > BODY_BYTES_MAX {
        return Err(anyhow!("a text is at most {TITLE_BYTES_MAX} bytes of title and {BODY_BYTES_MAX} of body"));
    }
    Ok(Text { title, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_body(body: &str) -> anyhow::Result<String> {
        let params = [("price".to_owned(), "<5 & up>".to_owned())];
        Ok(render(("Hello\n {{ member }}", body), &params, ("Town", "teapot", "ann"))?.body)
    }

    #[test]
    fn a_text_says_what_the_notice_says() {
        let params = [("price".to_owned(), "90".to_owned())];
        let text = render(("Hi\n {{ member }}", "{{ price }} of {{ activity }} in {{ community }}"), &params, ("Town", "teapot", "ann"));
        let text = text.expect("it renders");
        assert_eq!((text.title.as_str(), text.body.as_str()), ("Hi ann", "90 of teapot in Town"));
        assert_eq!(render_body("{{ price }}").expect("it renders"), "<5 & up>", "a plain text needs no escapes");
    }

    #[test]
    fn a_template_that_asks_for_too_much_is_a_fault() {
        assert!(render_body("{{ nobody_said }}").is_err());
        assert!(render_body("{% for i in range(100000) %}x{% endfor %}").is_err(), "fuel");
        assert!(render_body("{{ 'x' * 40000 }}").is_err(), "length");
        assert!(render_body("{% include 'other' %}").is_err());
    }

    #[test]
    fn what_cannot_be_understood_is_not_kept() {
        assert_eq!(check_template("Hi {{ member }}", "{% if price %}{{ price }}{% endif %}"), Ok(()));
        for (title, body) in [("{{", ""), ("Hi", "{% if %}"), ("", "x"), ("Hi", &"x".repeat(SOURCE_BYTES_MAX + 1))] {
            assert!(check_template(title, body).is_err(), "{title:?}");
        }
    }
}
