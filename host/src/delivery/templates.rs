//! Texts of notices: minijinja templates, which see what the notice says and nothing else.

use std::io::{self, Write};

use anyhow::ensure;
use minijinja::{Environment, UndefinedBehavior, Value};

use crate::store::notices::Text;

/// What a template may take to be rendered: about so many instructions, well below a millisecond.
const FUEL: u64 = 20_000;

/// A title is one line of a mail or of a screen.
const TITLE_BYTES_MAX: usize = 500;

const BODY_BYTES_MAX: usize = 32 << 10;

/// Of a template itself.
const SOURCE_BYTES_MAX: usize = 16 << 10;

/// What a template may do in `{% … %}`. Nothing that keeps a value, which could grow without an end.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// What a value may go through, in `{{ … | upper }}`.
const FILTERS: [&str; 3] = ["upper", "lower", "length"];

/// Operators that make a long text of a short one.
const GROWING: [char; 2] = ['*', '~'];

/// An environment with a few filters, none of which makes a text longer; there is no file and no other template.
fn environment<'source>() -> Environment<'source> {
    let mut environment = Environment::empty();
    // What a notice does not say is a fault, rather than a gap in a sentence.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("upper", |text: String| text.to_uppercase());
    environment.add_filter("lower", |text: String| text.to_lowercase());
    environment.add_filter("length", |text: String| text.chars().count());
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment
}

/// Whether a template can be understood, and does nothing that it may not; why not, otherwise.
pub(crate) fn check_template(title: &str, body: &str) -> Result<(), String> {
    if title.is_empty() || title.len() > TITLE_BYTES_MAX || body.len() > SOURCE_BYTES_MAX {
        return Err(format!("a title has 1 to {TITLE_BYTES_MAX} bytes, a body at most {SOURCE_BYTES_MAX}"));
    }
    let environment = environment();
    for source in [title, body] {
        environment.template_from_str(source).map_err(|error| format!("{error:#}"))?;
        for tag in tags(source)? {
            let inner = tag.trim_matches(['{', '}', '%', '-', '+']).trim_start();
            let word = first_word(inner);
            if tag.starts_with("{%") && !STATEMENTS.contains(&word) {
                return Err(format!("a template has no {word:?}, only {}", STATEMENTS.join(", ")));
            }
            if inner.contains(GROWING) {
                return Err("a template does not multiply and join texts (* and ~)".into());
            }
            check_names(&outside_texts(inner))?;
        }
    }
    Ok(())
}

/// Filters and tests are known: an unknown one would be found out by the first notice only.
fn check_names(tag: &str) -> Result<(), String> {
    if let Some(filter) = tag.split('|').skip(1).map(first_word).find(|name| !FILTERS.contains(name)) {
        return Err(format!("a template has no filter {filter:?}, only {}", FILTERS.join(", ")));
    }
    let words: Vec<&str> = tag.split(|c: char| !is_of_word(c)).filter(|word| !word.is_empty()).collect();
    let mut asked = words.iter().enumerate().filter(|(_, word)| **word == "is").map(|(at, _)| &words[at + 1..]);
    if asked.all(|asked| matches!(asked, ["defined", ..] | ["not", "defined", ..])) {
        Ok(())
    } else {
        Err("a template asks of a value only whether it is defined".into())
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    text.trim_start().split(|c: char| !is_of_word(c)).next().unwrap_or_default()
}

/// What a tag says outside its texts, which have no escapes.
fn outside_texts(tag: &str) -> String {
    let mut quote = None;
    let is_outside = |c: &char| match (quote, *c) {
        (None, '"' | '\'') => {
            quote = Some(*c);
            false
        }
        (Some(open), _) => {
            if open == *c {
                quote = None;
            }
            false
        }
        (None, _) => true,
    };
    tag.chars().filter(is_outside).collect()
}

/// The tags of a template, from `{{` or `{%` to their end. What could hide one from us is refused.
fn tags(source: &str) -> Result<Vec<&str>, String> {
    if source.contains("{#") {
        return Err("a template has no comments".into());
    }
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some(begin) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let tag = &rest[begin..];
        let end = tag_end(tag).ok_or("a tag has no end, or a backslash in it")?;
        found.push(&tag[..end]);
        rest = &tag[end..];
    }
    Ok(found)
}

/// Where a tag ends: outside its texts, which have no escapes.
fn tag_end(tag: &str) -> Option<usize> {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in tag.char_indices().skip(2) {
        match (quote, c) {
            (_, '\\') => return None,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '}') if before == '}' || before == '%' => return Some(at + 1),
            _ => {}
        }
        before = c;
    }
    None
}

/// Takes so many bytes, and fails at the next.
struct Limited {
    bytes: Vec<u8>,
    max: usize,
}

impl Write for Limited {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.max {
            return Err(io::Error::other(format!("it is longer than {} bytes", self.max)));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a notice says. `params` are its own; `community`, `activity` and `member` tell where it comes from and whom it is for.
pub(super) fn render(
    (title, body): (&str, &str),
    params: &[(String, String)],
    (community, activity, member): (&str, &str, &str),
) -> anyhow::Result<Text> {
    let environment = environment();
    let params = params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let known = [("community", community), ("activity", activity), ("member", member)];
    let context = Value::from_pairs(params.chain(known).map(|(name, value)| (name.to_owned(), value.to_owned())));
    let render = |source: &str, max: usize| {
        let mut text = Limited { bytes: Vec::new(), max };
        let template = environment.template_from_str(source)?;
        template.render_captured_to(&context, &mut text)?;
        let text = String::from_utf8(text.bytes)?;
        ensure!(!text.contains('\0'), "a text has no NUL");
        anyhow::Ok(text)
    };
    let title = render(title, TITLE_BYTES_MAX)?.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Text { title, body: render(body, BODY_BYTES_MAX)? })
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
        let text = render(
            ("Hi\n {{ member }}", "{{ price }} of {{ activity }} in {{ community }}"),
            &params,
            ("Town", "teapot", "ann"),
        );
        let text = text.expect("it renders");
        assert_eq!((text.title.as_str(), text.body.as_str()), ("Hi ann", "90 of teapot in Town"));
        assert_eq!(render_body("{{ price }}").expect("it renders"), "<5 & up>", "a plain text needs no escapes");
    }

    #[test]
    fn a_template_that_asks_for_too_much_is_a_fault() {
        assert!(render_body("{{ nobody_said }}").is_err());
        let nested = "{% for a in community %}".repeat(8) + "x" + &"{% endfor %}".repeat(8);
        assert!(render_body(&nested).is_err(), "fuel");
        assert!(render_body(&"x".repeat(BODY_BYTES_MAX + 1)).is_err(), "length");
        assert!(render_body("\0").is_err());
        assert!(render_body("{% include 'other' %}").is_err());
    }

    #[test]
    fn what_cannot_be_understood_is_not_kept() {
        assert_eq!(
            check_template("Hi {{ member }}", "{%- if price is defined %}{{ price | upper }}{% endif -%} * ~"),
            Ok(())
        );
        assert_eq!(
            check_template("Hi", "{% if member|length > 3 %}{{ '|x' | upper }}{{ \"it's | x\" }}{% endif %}"),
            Ok(())
        );
        for (title, body) in [
            ("{{", ""),
            ("Hi", "{% if %}"),
            ("Hi {{ member | title }}", ""),
            ("Hi", "{% if member is odd %}{% endif %}"),
            ("Hi", "{% if member is not none %}{% endif %}"),
            ("Hi", "{% if a is defined and b is odd %}{% endif %}"),
            ("Hi", "{% if member|length > 3 %}{{ '|' | upper }}{{ member | lower|trim }}{% endif %}"),
            ("", "x"),
            ("Hi", &"x".repeat(SOURCE_BYTES_MAX + 1)),
            ("Hi", "{% set x = 'aaaa' %}{% set x = x ~ x %}"),
            ("Hi", "{{ 'x' * 1000000000 }}"),
            ("Hi", "{% with x = 1 %}{% endwith %}"),
            ("Hi", "{%- raw %}{% endraw %}"),
            ("Hi", r#"{{ "}}" * 9 }}"#),
            ("Hi", r#"{{ '"' + "}}" * 9 }}"#),
            ("Hi", r#"{{ "\"}}" * 9 }}"#),
            ("Hi", r#"{# {{ " #}{{ "}}" * 9 }}"#),
        ] {
            assert!(check_template(title, body).is_err(), "{title:?}");
        }
    }
}
