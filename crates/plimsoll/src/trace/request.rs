//! The trace of one request.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderValue, uri::Authority};

use super::parent::{Parent, SpanContext, SpanId};

/// The trace of a request; empty if traces are off.
///
/// It is stored in the thread's slot and moved around each poll, so it is small. Data that few
/// requests have is allocated separately.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestTrace {
    context: Option<SpanContext>,
    details: Option<Arc<RequestTraceDetails>>,
}

#[derive(Debug, Default)]
struct RequestTraceDetails {
    state: Option<HeaderValue>,
    recording: Option<Recording>,
    passed_through: Option<Parent>,
}

/// The data of a request's span that the access record does not have.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) start: SystemTime,
    /// The span of the caller, if the request continues its trace.
    pub(crate) parent: Option<SpanId>,
    pub(crate) link: Option<Link>,
    pub(crate) scheme: &'static str,
    pub(crate) host: Option<Authority>,
}

/// The context that an untrusted peer sent. The span links to it and does not continue it.
pub(crate) type Link = Parent;

impl RequestTrace {
    /// The trace of a request whose span has this context. Allocates only if there is a state or a
    /// recording.
    pub(crate) fn new(
        context: SpanContext,
        state: Option<HeaderValue>,
        recording: Option<Recording>,
    ) -> Self {
        let has_details = state.is_some() || recording.is_some();
        Self {
            context: Some(context),
            details: has_details.then(|| {
                Arc::new(RequestTraceDetails {
                    state,
                    recording,
                    passed_through: None,
                })
            }),
        }
    }

    /// The trace of a request of a service without traces. A trusted peer sent the context, and
    /// outgoing requests carry it on.
    pub(crate) fn passed_through(sent: Parent) -> Self {
        let details = RequestTraceDetails {
            passed_through: Some(sent),
            ..RequestTraceDetails::default()
        };
        Self {
            context: None,
            details: Some(Arc::new(details)),
        }
    }

    /// The received context, if traces are off. Outgoing requests carry it unchanged.
    pub(crate) fn passing_through(&self) -> Option<&Parent> {
        self.details.as_ref()?.passed_through.as_ref()
    }

    /// The context of the request's own span, sampled or not.
    pub(crate) fn context(&self) -> Option<SpanContext> {
        self.context
    }

    /// The context of the request's own span, if it is sampled.
    pub(crate) fn recorded(&self) -> Option<SpanContext> {
        self.context.filter(|context| context.is_sampled())
    }

    pub(crate) fn state(&self) -> Option<&HeaderValue> {
        self.details.as_ref()?.state.as_ref()
    }

    pub(crate) fn recording(&self) -> Option<&Recording> {
        self.details.as_ref()?.recording.as_ref()
    }
}
