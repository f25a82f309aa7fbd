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
    };
    let open = clause("X. *Not yet: y.*");
    assert!(open.is_open() && !open.is_retired());
    let retired = clause("*Retired.*");
    assert!(retired.is_retired() && !retired.is_open());
}
