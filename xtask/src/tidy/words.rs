//! The words that comments, documents and commit subjects avoid, as data.

use super::text::Words;

/// A word or phrase to avoid.
#[derive(Debug)]
pub(crate) struct Banned {
    /// Its forms, in lower case.
    pub(crate) forms: &'static [&'static str],
    /// What to write in its place.
    pub(crate) instead: &'static str,
    /// Whether it is banned in comments alone.
    pub(crate) comments_only: bool,
}

const fn banned(forms: &'static [&'static str], instead: &'static str) -> Banned {
    Banned {
        forms,
        instead,
        comments_only: false,
    }
}

const THING: &str = "name the connection, request, client, peer, task, worker or handler";

/// The words and phrases to avoid.
pub(crate) const BANNED: &[Banned] = &[
    banned(&["who", "whoever", "whom", "whomever"], THING),
    banned(&["nobody"], "no connection, no request, no client, no code"),
    banned(
        &["somebody", "someone"],
        "a client, a peer, a task, an operator",
    ),
    banned(
        &["everybody", "everyone"],
        "all clients, all tasks, all operators",
    ),
    banned(&["anybody", "anyone"], "any client, any peer, any caller"),
    banned(&["stranger", "strangers"], "untrusted peer, unknown client"),
    banned(
        &["tell", "tells", "told", "telling"],
        "report, return, log, signal, announce; tell apart: distinguish",
    ),
    Banned {
        forms: &["say", "says", "said"],
        instead: "state, return, report, contain, send",
        comments_only: true,
    },
    banned(
        &["let go", "lets go", "letting go"],
        "release, drop, close, return",
    ),
    banned(
        &[
            "make room",
            "makes room",
            "made room",
            "making room",
            "find room",
            "finds room",
        ],
        "evict, free a slot, free memory; finds no room: is rejected",
    ),
    banned(
        &["hand over", "hands over", "handed over", "handing over"],
        "pass, send, transfer, move",
    ),
    banned(
        &[
            "have word",
            "has word",
            "had word",
            "leave word",
            "leaves word",
            "without a word",
        ],
        "be notified, receive a signal, log; without a word: without a record",
    ),
    banned(&["mend", "mends", "mended", "mending"], "fix"),
    banned(
        &[
            "business of",
            "business is",
            "is the business",
            "none of ours",
        ],
        "is done by, is handled by, is responsible for",
    ),
    banned(
        &["give up", "gives up", "gave up", "given up", "giving up"],
        "time out, abandon, close, stop retrying",
    ),
    banned(
        &["has to go", "have to go", "goes by itself", "go by itself"],
        "is closed, is removed, ends, happens automatically",
    ),
    banned(&["the look", "a look"], "check, read, poll, scan"),
];

/// A banned word that was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) line: usize,
    pub(crate) word: &'static str,
    pub(crate) instead: &'static str,
}

/// Returns the banned words of a text.
pub(crate) fn find(text: &Words, is_comment: bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    for banned in BANNED.iter().filter(|it| is_comment || !it.comments_only) {
        for &word in banned.forms {
            hits.extend(text.positions(word).map(|at| Hit {
                line: text.line(at),
                word,
                instead: banned.instead,
            }));
        }
    }
    hits.sort_by_key(|hit| hit.line);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_comment: bool, expected: &[&str]) {
        let hits = find(&Words::of(&[(1, text.to_owned())]), is_comment);
        let words: Vec<_> = hits.iter().map(|hit| hit.word).collect();
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn banned_words_are_found_as_whole_words() {
        check(
            "Whoever is told, mends it.",
            false,
            &["whoever", "told", "mends"],
        );
        check("The untold recommendation of a whole.", false, &[]);
        check(
            "It lets go, and makes room.",
            false,
            &["lets go", "makes room"],
        );
        check("It lets, go on.", false, &[]);
    }

    #[test]
    fn some_words_are_banned_in_comments_alone() {
        check("RFC 9110 says so.", false, &[]);
        check("The code says so.", true, &["says"]);
    }
}
