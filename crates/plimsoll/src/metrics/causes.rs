//! Counters by cause. The causes are a closed set, so the number of series is fixed.

use std::{
    fmt,
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{definition::FamilyDefinition, text::TextEncoder};

/// A closed set of causes, which are the values of one label.
pub(crate) trait Cause: Copy + 'static {
    const ALL: &'static [Self];

    /// The value of the label.
    fn as_str(self) -> &'static str;

    /// The index in [`Cause::ALL`].
    fn index(self) -> usize;
}

/// Defines an enum that is a [`Cause`].
macro_rules! causes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $crate::metrics::causes::Cause for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use causes;

/// A counter for each cause.
pub(crate) struct CauseCounts<C>(Box<[AtomicU64]>, PhantomData<fn(C)>);

impl<C: Cause> CauseCounts<C> {
    pub(crate) fn count(&self, cause: C) {
        self.0[cause.index()].fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn add(&self, cause: C, count: u64) {
        self.0[cause.index()].fetch_add(count, Ordering::Relaxed);
    }

    /// Returns every cause with its count.
    #[cfg(feature = "otlp")]
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Acquire));
        C::ALL
            .iter()
            .map(|cause| cause.as_str())
            .zip(counts)
            .collect()
    }

    /// Writes a family with one label.
    pub(super) fn render(&self, out: &mut TextEncoder, family: &FamilyDefinition) {
        out.family(family);
        for (cause, count) in C::ALL.iter().zip(&self.0) {
            let label = (family.labels[0], cause.as_str());
            out.sample("_total", &[label], count.load(Ordering::Relaxed));
        }
    }
}

impl<C: Cause> Default for CauseCounts<C> {
    fn default() -> Self {
        let counts = C::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self(counts, PhantomData)
    }
}

impl<C> fmt::Debug for CauseCounts<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CauseCounts").field(&self.0).finish()
    }
}
