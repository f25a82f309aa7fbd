//! The stack of sampled `tracing` spans that the current thread has entered, innermost last.

use std::cell::RefCell;

use super::parent::SpanContext;

thread_local! {
    static ACTIVE: RefCell<Vec<(u64, SpanContext)>> = const { RefCell::new(Vec::new()) };
}

/// Pushes the span with this `tracing` id.
pub(crate) fn enter(id: u64, context: SpanContext) {
    // While a thread exits, its locals are destroyed, and no code reads the stack.
    let _ = ACTIVE.try_with(|active| active.borrow_mut().push((id, context)));
}

/// Removes the span with this `tracing` id. Spans need not be exited in the reverse order of entry.
pub(crate) fn exit(id: u64) {
    let _ = ACTIVE.try_with(|active| {
        let mut active = active.borrow_mut();
        if let Some(at) = active.iter().rposition(|(span_id, _)| *span_id == id) {
            active.remove(at);
        }
    });
}

/// Returns the context of the innermost entered span.
pub(crate) fn innermost() -> Option<SpanContext> {
    let last = ACTIVE.try_with(|active| active.borrow().last().map(|(_, context)| *context));
    last.ok().flatten()
}
