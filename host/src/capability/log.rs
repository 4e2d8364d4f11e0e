//! `wit/log.wit`. Lines are kept whatever becomes of the call, so they are no effects.

use super::{
    RunningCall,
    wit::log::{Host, Level},
};

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 1_024;

impl Host for RunningCall {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let end = message.floor_char_boundary(LINE_BYTES_MAX);
        let counted = self.quota.host_call().and_then(|()| self.quota.log(end));
        self.within(counted)?;
        self.log.push((level, printable(&message[..end])));
        Ok(())
    }
}

/// Control characters, line breaks and invisible direction marks are escaped: a line of a log stays one line of that log.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_forge_a_line() {
        assert_eq!(printable("a\n\u{1b}[2Jb"), "a\\u{a}\\u{1b}[2Jb");
        assert_eq!(printable("\u{202e}x"), "\\u{202e}x");
        assert_eq!(printable("砍一刀"), "砍一刀");
    }
}
