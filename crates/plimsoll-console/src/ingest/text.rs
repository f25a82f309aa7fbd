//! Removes escape sequences and other control characters from a line of text.
//!
//! The sequences are those of ECMA-48: control sequences (CSI), strings such as the title of a window
//! (OSC, DCS, SOS, PM, APC) and short ones. The 8-bit forms are characters in UTF-8.
//! A string without an end is kept, so that an escape sequence cannot hide the rest of a line.

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
/// The end of a string, `ESC \` as one character.
const STRING_END: char = '\u{9c}';

/// Returns the text without escape sequences and control characters; tabs are kept.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_control) else {
        return Cow::Borrowed(text);
    };
    let (before, mut rest) = text.split_at(first);
    let mut cleaned = String::with_capacity(text.len());
    cleaned.push_str(before);
    let mut strings_end = true;
    while let Some(character) = rest.chars().next() {
        if is_control(character) {
            rest = after_control(rest, &mut strings_end);
        } else {
            let end = rest.find(is_control).unwrap_or(rest.len());
            let (plain, further) = rest.split_at(end);
            cleaned.push_str(plain);
            rest = further;
        }
    }
    Cow::Owned(cleaned)
}

fn is_control(character: char) -> bool {
    character.is_control() && character != '\t'
}

/// Returns what follows the control character at the beginning, or the sequence that it begins.
///
/// `strings_end` is false once a string had no end: then no later one has one, and the line is not
/// searched again.
fn after_control<'a>(text: &'a str, strings_end: &mut bool) -> &'a str {
    let mut characters = text.chars();
    let introducer = match characters.next() {
        Some(ESCAPE) => match characters.clone().next() {
            Some(next @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => {
                characters.next();
                next
            }
            Some('\u{20}'..='\u{7e}') => return after_short(characters.as_str()),
            _ => return characters.as_str(),
        },
        Some('\u{9b}') => '[',
        Some('\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => ']',
        _ => return characters.as_str(),
    };
    let rest = characters.as_str();
    if introducer == '[' {
        let rest = rest.trim_start_matches(|character| matches!(character, '\u{30}'..='\u{3f}'));
        return after_intermediates(rest, '\u{40}');
    }
    if !*strings_end {
        return rest;
    }
    match string_end(rest) {
        Some(rest) => rest,
        None => {
            *strings_end = false;
            rest
        }
    }
}

/// Returns what follows a short sequence: intermediate characters and a final one.
fn after_short(text: &str) -> &str {
    after_intermediates(text, '\u{30}')
}

fn after_intermediates(text: &str, first_final: char) -> &str {
    let rest = text.trim_start_matches(|character| matches!(character, '\u{20}'..='\u{2f}'));
    rest.strip_prefix(|character| (first_final..='\u{7e}').contains(&character))
        .unwrap_or(rest)
}

/// Returns what follows the end of a string.
fn string_end(text: &str) -> Option<&str> {
    let end = text.find([BELL, STRING_END, ESCAPE])?;
    let mut characters = text.get(end..)?.chars();
    let found = characters.next()?;
    let rest = characters.as_str();
    match found {
        // Any other sequence ends the string as well, and is read on its own.
        ESCAPE => Some(rest.strip_prefix('\\').unwrap_or(text.get(end..)?)),
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_removed() {
        for (text, expected) in [
            ("plain\ttext", "plain\ttext"),
            ("\u{1b}[1;31merror\u{1b}[0m: x", "error: x"),
            ("\u{1b}[?25l\u{1b}[2 qa", "a"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}]0;title\u{7}a", "a"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9d}0;title\u{9c}a", "a"),
            ("\u{1b}Pdata\u{1b}\\a", "a"),
            ("\u{1b}(Ba\u{1b}7b\u{1b}=c", "abc"),
            ("a\u{8}\u{0}\u{7f}b\rc", "abc"),
            ("a\u{1b}", "a"),
            ("\u{1b}[31", ""),
            ("\u{1b}]0;no end, password=x", "0;no end, password=x"),
            ("\u{1b}[ä", "ä"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_control_character_remains(text in "(\u{1b}|\\[|\\]|;|m|[0-9]|\u{7}|\u{9b}|\u{9d}|\\PC|.){0,40}") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.contains(is_control));
            prop_assert_eq!(clean(&cleaned), cleaned.clone());
        }
    }
}
