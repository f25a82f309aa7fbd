//! The charts, with names and units as in the interface of the page.

/// A chart of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Chart {
    Rate,
    Errors,
    P50,
    P99,
    InFlight,
    Connections,
    Workers,
    Memory,
    Cpu,
}

impl Chart {
    pub(crate) const ALL: [Self; 9] = [
        Self::Rate,
        Self::Errors,
        Self::P50,
        Self::P99,
        Self::InFlight,
        Self::Connections,
        Self::Workers,
        Self::Memory,
        Self::Cpu,
    ];

    /// Returns the chart of a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chart| chart.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::InFlight => "inFlight",
            Self::Connections => "connections",
            Self::Workers => "workers",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }

    /// Returns the unit of its points. 100 % of `cpu` is one core, of `workers` all of them.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Rate => "1/s",
            Self::Errors | Self::Workers | Self::Cpu => "%",
            Self::P50 | Self::P99 => "ms",
            Self::InFlight | Self::Connections => "1",
            Self::Memory => "B",
        }
    }

    /// Returns the quantile of a percentile.
    pub(crate) const fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P99 => Some(0.99),
            _ => None,
        }
    }
}
