//! Which recorded spans of the user's own the thread is in, innermost last.

use std::cell::RefCell;

use super::parent::SpanContext;

thread_local! {
    static ACTIVE: RefCell<Vec<(u64, SpanContext)>> = const { RefCell::new(Vec::new()) };
}

/// The span with this id of `tracing` is entered.
pub(crate) fn enter(id: u64, context: SpanContext) {
    // A thread on its way out has no stack any more, and nobody to ask for it.
    let _ = ACTIVE.try_with(|active| active.borrow_mut().push((id, context)));
}

/// It is left; spans may be left in another order than they were entered.
pub(crate) fn exit(id: u64) {
    let _ = ACTIVE.try_with(|active| {
        let mut active = active.borrow_mut();
        if let Some(at) = active.iter().rposition(|(entered, _)| *entered == id) {
            active.remove(at);
        }
    });
}

/// The innermost one.
pub(crate) fn innermost() -> Option<SpanContext> {
    let last = ACTIVE.try_with(|active| active.borrow().last().map(|(_, context)| *context));
    last.ok().flatten()
}
