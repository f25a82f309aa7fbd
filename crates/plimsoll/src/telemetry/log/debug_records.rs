//! The debug records of requests: kept while a request runs, written if it fails (contract LOG-16).
//!
//! Without `DEBUG_ON_ERROR`, a log has no budget and keeps nothing.

use std::sync::Arc;

use super::{Log, with_scratch};
use crate::{
    config::Level,
    request::{DebugBudget, DebugRecords},
    telemetry::{Priority, Record, levels::Levels},
    trace::SpanContext,
};

impl Log {
    /// Keeps debug records of requests from now on. Layers of the log are made afterwards.
    pub(crate) fn with_debug_on_error(self) -> Self {
        let configured = self.levels.configured().clone();
        Self {
            levels: Arc::new(Levels::new(configured, true)),
            debug_budget: Some(Arc::new(DebugBudget::default())),
            ..self
        }
    }

    /// Begins the debug records of a request, with `DEBUG_ON_ERROR`.
    pub(crate) fn begin_debug_records(&self) -> Option<Arc<DebugRecords>> {
        let budget = self.debug_budget.as_ref()?;
        Some(DebugRecords::new(budget))
    }

    /// Returns the debug records of the current request, if its service has this log.
    pub(in crate::telemetry) fn current_debug_records(&self) -> Option<Arc<DebugRecords>> {
        let budget = self.debug_budget.as_ref()?;
        DebugRecords::current().filter(|records| records.are_of(budget))
    }

    /// Keeps a record. It counts as produced only if it is written at the end of its request.
    pub(in crate::telemetry) fn keep(
        &self,
        records: &DebugRecords,
        level: Level,
        name: &str,
        message: &str,
        request_id: &str,
        fields: impl FnOnce(&mut Record<'_>),
    ) {
        with_scratch(|line| {
            let mut record = Record::begin(line, self.format, level, name, message, request_id);
            record.mark_debug_on_error();
            fields(&mut record);
            record.end();
            records.keep(level, line);
        });
    }

    /// Ends the debug records of a request. They are written if it has failed, panicked or was slow.
    pub(crate) fn end_debug_records(
        &self,
        records: &DebugRecords,
        has_failed: bool,
        request_id: &str,
        span: Option<SpanContext>,
    ) {
        let Some(kept) = records.end(has_failed) else {
            return;
        };
        // They are only detail, so they are dropped before other records of WARNING and above.
        let priority = Priority::Low;
        for (level, line) in kept.iter() {
            self.pipe.push(priority, level, line);
        }
        let dropped = kept.dropped();
        if dropped > 0 {
            let message = "debug_records_dropped";
            self.write(
                priority,
                Level::Debug,
                "infra",
                message,
                request_id,
                |record| {
                    record.mark_debug_on_error();
                    record.number("dropped", dropped);
                    record.trace(span);
                },
            );
        }
    }
}
