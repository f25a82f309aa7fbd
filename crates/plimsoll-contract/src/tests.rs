//! Tests that `contract.toml` is complete and consistent.

use std::collections::BTreeSet;

use super::*;

#[test]
fn clauses_are_numbered_within_their_groups() {
    let contract = Contract::get();
    let mut count = 0;
    for (group, clauses) in contract.by_group() {
        assert!(!clauses.is_empty(), "{} has no clause", group.id);
        for (number, clause) in (1..).zip(clauses) {
            assert_eq!(clause.id, format!("{}-{number}", group.id));
            count += 1;
        }
    }
    assert_eq!(count, contract.clauses.len(), "a clause without a group");
}

#[test]
fn groups_have_distinct_ids() {
    let groups = &Contract::get().groups;
    let ids: BTreeSet<&str> = groups.iter().map(|group| group.id.as_str()).collect();
    assert_eq!(ids.len(), groups.len());
}

#[test]
fn texts_fit_into_one_cell_of_a_table() {
    for clause in &Contract::get().clauses {
        let text = &clause.text;
        assert!(!text.is_empty(), "{} is empty", clause.id);
        assert!(!text.contains('|'), "{} would end its cell", clause.id);
        assert!(!text.contains("  "), "{} has two spaces", clause.id);
    }
}

#[test]
fn marks_of_clauses_are_read() {
    let clause = |text: &str| Clause {
        id: "A-1".to_owned(),
        text: text.to_owned(),
        rationale: String::new(),
        outside: String::new(),
        checks: Vec::new(),
    };
    let open = clause("X. *Not yet: y.*");
    assert!(open.is_open() && !open.is_retired());
    let retired = clause("*Retired.*");
    assert!(retired.is_retired() && !retired.is_open());
}

#[test]
fn checks_have_distinct_ids_and_all_texts() {
    for clause in &Contract::get().clauses {
        let ids: BTreeSet<&str> = clause.checks.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids.len(), clause.checks.len(), "{}", clause.id);
        assert_eq!(
            clause.checks.is_empty(),
            clause.rationale.is_empty(),
            "{} needs a rationale for its checks, and none without",
            clause.id
        );
        assert!(
            clause.checks.is_empty() || clause.outside.is_empty(),
            "{} has checks, so it can be observed",
            clause.id
        );
        assert!(
            clause.outside.is_empty() || clause.outside.ends_with('.'),
            "the reason of {} is no sentence",
            clause.id
        );
        for check in &clause.checks {
            let id = format!("{}:{}", clause.id, check.id);
            assert!(
                !check.title.is_empty() && !check.title.ends_with('.'),
                "{id}"
            );
            assert!(check.title.len() <= 60, "the title of {id} is too long");
            assert!(check.fix.ends_with('.'), "the fix of {id} is no sentence");
            assert!(!check.sends.is_empty(), "{id}");
        }
    }
}

#[test]
fn clauses_have_checks_or_a_reason_for_none() {
    for clause in &Contract::get().clauses {
        let is_explained = !clause.checks.is_empty() || !clause.outside.is_empty();
        assert!(
            is_explained,
            "{} needs a check, or the reason for none in its field outside",
            clause.id
        );
    }
}

#[test]
fn checks_depend_on_checks_of_at_most_their_level() {
    let contract = Contract::get();
    for clause in &contract.clauses {
        for check in &clause.checks {
            for after in check.after.iter().chain(&check.requires) {
                let (_, other) = contract.check(after).expect(after);
                assert!(other.level <= check.level, "{}:{}", clause.id, check.id);
            }
        }
    }
}

#[test]
fn severities_are_ordered_by_damage() {
    assert!(Severity::Note < Severity::Warning && Severity::Warning < Severity::Error);
}
