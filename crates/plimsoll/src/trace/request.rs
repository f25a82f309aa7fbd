//! What is known of the trace of one request.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderValue, uri::Authority};

use super::parent::{Parent, SpanContext, SpanId};

/// The trace of a request: nothing if traces are off.
///
/// Small, since it lies in the slot of the thread; what few requests have lies elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestTrace {
    context: Option<SpanContext>,
    more: Option<Arc<RequestTraceDetails>>,
}

#[derive(Debug, Default)]
struct RequestTraceDetails {
    state: Option<HeaderValue>,
    recording: Option<Recording>,
    passed_through: Option<Parent>,
}

/// What a request's span is made of at its end, beside what the access record has too.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) start: SystemTime,
    /// The span of the caller that it continues.
    pub(crate) parent: Option<SpanId>,
    pub(crate) link: Option<Link>,
    pub(crate) scheme: &'static str,
    pub(crate) host: Option<Authority>,
}

/// A context that was sent by somebody who is not believed.
pub(crate) type Link = Parent;

impl RequestTrace {
    /// A request at this place in a trace. Most have neither a state nor a recording.
    pub(crate) fn new(
        context: SpanContext,
        state: Option<HeaderValue>,
        recording: Option<Recording>,
    ) -> Self {
        let has_more = state.is_some() || recording.is_some();
        Self {
            context: Some(context),
            more: has_more.then(|| {
                Arc::new(RequestTraceDetails {
                    state,
                    recording,
                    passed_through: None,
                })
            }),
        }
    }

    /// A request of a service without traces, sent with this context by a trusted peer.
    pub(crate) fn passed_through(sent: Parent) -> Self {
        let more = RequestTraceDetails {
            passed_through: Some(sent),
            ..RequestTraceDetails::default()
        };
        Self {
            context: None,
            more: Some(Arc::new(more)),
        }
    }

    /// The context that outgoing requests carry if traces are off.
    pub(crate) fn passing_through(&self) -> Option<&Parent> {
        self.more.as_ref()?.passed_through.as_ref()
    }

    /// The place of the request's own span, whether or not it is recorded.
    pub(crate) fn context(&self) -> Option<SpanContext> {
        self.context
    }

    /// The same, if it is recorded.
    pub(crate) fn recorded(&self) -> Option<SpanContext> {
        self.context.filter(|context| context.is_sampled())
    }

    pub(crate) fn state(&self) -> Option<&HeaderValue> {
        self.more.as_ref()?.state.as_ref()
    }

    pub(crate) fn recording(&self) -> Option<&Recording> {
        self.more.as_ref()?.recording.as_ref()
    }
}
