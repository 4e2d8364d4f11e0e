//! A reader of JSON for small guests.
//!
//! Readers are made for each type that is read, so what they are made of is most of a component. `serde_json` also reads structs from
//! arrays, and floats, and tells where in the text an error is: components with it are a fifth larger, and with `serde-json-wasm` as large
//! again; `serde-json-core`, as small as this, panics at maps with texts as keys. What it reads the host has read before, against a
//! schema, so errors say little here.
//!
//! Numbers are integers: nothing in Fairground is counted otherwise.

mod de;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use serde::de::DeserializeOwned;

/// As `serde_json` has it; more would not fit a guest's stack.
const DEPTH_MAX: u8 = 128;

/// Reads a value, and nothing after it.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = T::deserialize(&mut reader)?;
    if reader.at_end() { Ok(value) } else { Err(Error("There is more after the value.")) }
}

/// What is wrong with a text. A guest lives for one call, so the message is never freed; that keeps readers small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Error(&'static str);

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Error {}

/// The text of a value, as it is written.
#[derive(Debug)]
pub(crate) struct Raw(pub String);

struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth: u8,
}

/// What is read without knowing for whom, so that it stands once.
impl<'de> Reader<'de> {
    fn bytes(&self) -> &'de [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Result<u8, Error> {
        loop {
            match self.bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Error("The text ends too early.")),
            }
        }
    }

    fn at_end(&mut self) -> bool {
        self.peek().is_err()
    }

    fn eat(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek()? != byte {
            return Err(Error("A value is of another type, or it is no JSON."));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Error> {
        self.peek()?;
        if !self.bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Error("A value is of another type."));
        }
        self.at += word.len();
        Ok(())
    }

    fn truth(&mut self) -> Result<bool, Error> {
        let is_true = self.peek()? == b't';
        self.word(if is_true { "true" } else { "false" })?;
        Ok(is_true)
    }

    /// A list or an object begins.
    fn enter(&mut self, bracket: u8) -> Result<(), Error> {
        self.eat(bracket)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Error("It is nested too deeply.")) } else { Ok(()) }
    }

    fn leave(&mut self, bracket: u8) -> Result<(), Error> {
        self.depth -= 1;
        self.eat(bracket)
    }

    /// Whether there is another item before the closing bracket; what is between two items has been read.
    fn has_next(&mut self, bracket: u8, is_first: bool) -> Result<bool, Error> {
        if self.peek()? == bracket {
            return Ok(false);
        }
        if !is_first {
            self.eat(b',')?;
        }
        Ok(true)
    }

    fn integer(&mut self) -> Result<Integer, Error> {
        let is_negative = self.peek()? == b'-';
        self.at += usize::from(is_negative);
        let start = self.at;
        let digits = self.bytes()[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if matches!(self.bytes().get(self.at), Some(b'.' | b'e' | b'E')) {
            return Err(Error("A value is no integer."));
        }
        integer(&self.text[start..self.at], is_negative)
    }

    fn string(&mut self) -> Result<Cow<'de, str>, Error> {
        self.eat(b'"')?;
        let start = self.at;
        loop {
            match self.bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
                }
                Some(b'\\') => return self.escaped(start).map(Cow::Owned),
                Some(0x20..) => self.at += 1,
                _ => return Err(Error("A text does not end, or has a control character.")),
            }
        }
    }

    /// The rest of a text that has something escaped in it.
    fn escaped(&mut self, start: usize) -> Result<String, Error> {
        let mut text = String::new();
        let mut start = start;
        loop {
            match self.bytes().get(self.at) {
                Some(byte @ (b'"' | b'\\')) => {
                    text.push_str(&self.text[start..self.at]);
                    self.at += 1;
                    if *byte == b'"' {
                        return Ok(text);
                    }
                    text.push(self.escape()?);
                    start = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(Error("A text does not end, or has a control character.")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let byte = self.bytes().get(self.at).copied();
        self.at += 1;
        match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => Ok(char::from(byte)),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => {
                let high = self.unit()?;
                let is_pair = (0xd800..0xdc00).contains(&high) && self.bytes()[self.at..].starts_with(b"\\u");
                if !is_pair {
                    return char::from_u32(high).ok_or(Error("An escape is half a character."));
                }
                self.at += 2;
                let low = self.unit()?.wrapping_sub(0xdc00);
                let joined = (low < 0x400).then(|| 0x1_0000 + ((high - 0xd800) << 10) + low);
                joined.and_then(char::from_u32).ok_or(Error("An escape is half a character."))
            }
            _ => Err(Error("An escape is not known.")),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Error> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or(Error("An escape is not known."))
    }

    /// Passes over a value; it is JSON, or this finds out at its end at the latest.
    fn skip(&mut self) -> Result<(), Error> {
        let mut open = 0_u32;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'[' | b'{' => {
                    open += 1;
                    self.at += 1;
                    continue;
                }
                b']' | b'}' | b',' | b':' if open == 0 => return Err(Error("There is no value.")),
                b']' | b'}' => {
                    open -= 1;
                    self.at += 1;
                }
                b',' | b':' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let rest = self.bytes()[self.at..].iter();
                    self.at += rest.take_while(|byte| !b" \n\t\r,:]}\"[{".contains(byte)).count();
                }
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn raw(&mut self) -> Result<&'de str, Error> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }
}

enum Integer {
    Natural(u64),
    Negative(i64),
}

fn integer(digits: &str, is_negative: bool) -> Result<Integer, Error> {
    let is_integer = digits == "0" || digits.starts_with(|first| matches!(first, '1'..='9'));
    if !is_integer {
        return Err(Error("A value is no integer."));
    }
    let out = Error("A number is out of bounds.");
    let magnitude: u64 = digits.parse().map_err(|_| out)?;
    if !is_negative {
        return Ok(Integer::Natural(magnitude));
    }
    let number = 0_i64.checked_sub_unsigned(magnitude).filter(|number| *number < 0);
    number.map(Integer::Negative).ok_or(out)
}
