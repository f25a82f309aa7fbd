//! The last error records of a log in groups, for the operators' view of errors.
//!
//! A group has the records of one name and message. Panics are grouped by their place.
//!
//! # Invariants
//!
//! * The groups take at most 128 KiB, whatever is logged.
//! * No record waits: if the lock is taken, the record is only counted.
//! * Only written records are kept, so a view shows what the log showed (contract ADM-16).

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// The most groups. If there are more, the group without a record for longest is dropped.
const MAX_GROUPS: usize = 64;

/// The longest name and the longest message of a group, in bytes.
const MAX_KEY: usize = 192;

/// The longest part of a record that is kept, in bytes.
const MAX_RECORD: usize = 1280;

/// The groups of the last error records.
#[derive(Debug, Default)]
pub(super) struct RecentErrors {
    groups: Mutex<Groups>,
    missed: AtomicU64,
}

#[derive(Debug, Default)]
struct Groups {
    /// The group of the last record is the last.
    groups: Vec<ErrorGroup>,
    dropped: u64,
}

/// The records of one name and message.
#[derive(Debug, Clone)]
pub(crate) struct ErrorGroup {
    pub(crate) name: Box<str>,
    pub(crate) message: Box<str>,
    pub(crate) count: u64,
    pub(crate) first: SystemTime,
    pub(crate) last: SystemTime,
    /// The last record, without its newline.
    pub(crate) record: String,
    /// Whether `record` is cut.
    pub(crate) is_cut: bool,
}

/// The groups at one time.
#[derive(Debug)]
pub(crate) struct ErrorGroups {
    /// The group of the last record comes first.
    pub(crate) groups: Vec<ErrorGroup>,
    /// The number of groups that were dropped for others.
    pub(crate) dropped: u64,
    /// The number of records that are in no group, because the lock was taken.
    pub(crate) missed: u64,
}

impl RecentErrors {
    /// Adds a record to its group.
    pub(super) fn add(&self, name: &str, message: &str, line: &[u8]) {
        match self.groups.try_lock() {
            Ok(mut groups) => groups.add(name, message, line),
            Err(TryLockError::Poisoned(groups)) => groups.into_inner().add(name, message, line),
            Err(TryLockError::WouldBlock) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns a copy of the groups.
    pub(super) fn list(&self) -> ErrorGroups {
        let groups: MutexGuard<'_, Groups> =
            self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        ErrorGroups {
            groups: groups.groups.iter().rev().cloned().collect(),
            dropped: groups.dropped,
            missed: self.missed.load(Ordering::Relaxed),
        }
    }
}

impl Groups {
    fn add(&mut self, name: &str, message: &str, line: &[u8]) {
        let (name, message) = (cut(name, MAX_KEY), cut(message, MAX_KEY));
        let now = SystemTime::now();
        let is_same = |group: &ErrorGroup| *group.name == *name && *group.message == *message;
        let found = self.groups.iter().position(is_same);
        let mut group = match found {
            Some(index) => self.groups.remove(index),
            None => {
                let record = if self.groups.len() < MAX_GROUPS {
                    String::with_capacity(MAX_RECORD)
                } else {
                    self.dropped += 1;
                    self.groups.remove(0).record
                };
                ErrorGroup {
                    name: name.into(),
                    message: message.into(),
                    count: 0,
                    first: now,
                    last: now,
                    record,
                    is_cut: false,
                }
            }
        };
        group.count += 1;
        group.last = now;
        group.keep(line);
        self.groups.push(group);
    }
}

impl ErrorGroup {
    fn keep(&mut self, line: &[u8]) {
        // A record is valid UTF-8, as its writer escapes everything else.
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\n');
        let kept = cut(line, MAX_RECORD);
        self.record.clear();
        self.record.push_str(kept);
        self.is_cut = kept.len() < line.len();
    }
}

fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(recent: &RecentErrors) -> Vec<(String, u64)> {
        let groups = recent.list().groups.into_iter();
        groups
            .map(|group| (group.message.into(), group.count))
            .collect()
    }

    /// ADM-16
    #[test]
    fn records_are_grouped_by_name_and_message() {
        let recent = RecentErrors::default();
        for (message, line) in [("a", "1\n"), ("b", "2\n"), ("a", "3\n")] {
            recent.add("app", message, line.as_bytes());
        }
        assert_eq!(messages(&recent), [("a".into(), 2), ("b".into(), 1)]);
        let groups = recent.list().groups;
        assert_eq!((&*groups[0].record, groups[0].is_cut), ("3", false));
        assert!(groups[0].first <= groups[0].last);
    }

    /// ADM-16
    #[test]
    fn error_flood_takes_no_memory() {
        let recent = RecentErrors::default();
        let line = "ä".repeat(16 << 10);
        for number in 0..1000 {
            let message = format!("{number}{line}");
            recent.add(&line, &message, line.as_bytes());
        }
        let list = recent.list();
        assert_eq!((list.groups.len(), list.dropped), (MAX_GROUPS, 936));
        assert!(list.groups[0].message.starts_with("999"));
        assert!(list.groups.iter().all(|group| group.is_cut));
        let groups = recent.groups.lock().unwrap();
        let held =
            |group: &ErrorGroup| group.name.len() + group.message.len() + group.record.capacity();
        let texts: usize = groups.groups.iter().map(held).sum();
        let table = groups.groups.capacity() * size_of::<ErrorGroup>();
        assert!(texts + table <= 128 << 10, "{texts} + {table}");
    }

    /// ADM-16
    #[test]
    fn record_does_not_wait_for_the_lock() {
        let recent = RecentErrors::default();
        let held = recent.groups.lock().unwrap();
        recent.add("app", "a", b"1\n");
        drop(held);
        let list = recent.list();
        assert_eq!((list.groups.len(), list.missed), (0, 1));
    }
}
