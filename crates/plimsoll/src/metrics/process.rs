//! Process metrics from the operating system, with the names of the Prometheus client libraries.
//!
//! They are read at each scrape. Without `/proc` they are missing.

use super::text::TextEncoder;

#[cfg(target_os = "linux")]
pub(super) fn render(out: &mut TextEncoder) {
    use procfs::{WithCurrentSystemInfo as _, process::Process};

    use super::definition as families;

    let Ok(process) = Process::myself() else {
        return;
    };
    if let Ok(stat) = process.stat() {
        let tick = 1.0 / approximate(procfs::ticks_per_second());
        out.family(&families::PROCESS_CPU);
        out.sample("_total", &[], approximate(stat.utime + stat.stime) * tick);
        out.family(&families::PROCESS_VIRTUAL);
        out.sample("", &[], stat.vsize);
        out.family(&families::PROCESS_RESIDENT);
        out.sample("", &[], stat.rss_bytes().get());
        out.family(&families::PROCESS_THREADS);
        out.sample("", &[], u64::try_from(stat.num_threads).unwrap_or(0));
        if let Ok(boot) = procfs::boot_time_secs() {
            out.family(&families::PROCESS_START);
            out.sample(
                "",
                &[],
                approximate(boot) + approximate(stat.starttime) * tick,
            );
        }
    }
    if let Ok(count) = process.fd_count() {
        out.family(&families::PROCESS_OPEN_FDS);
        out.sample("", &[], count as u64);
    }
    if let Ok(limits) = process.limits()
        && let procfs::process::LimitValue::Value(limit) = limits.max_open_files.soft_limit
    {
        out.family(&families::PROCESS_MAX_FDS);
        out.sample("", &[], limit);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn render(_: &mut TextEncoder) {}

/// Converts a count to a double, which is exact up to 2⁵³.
#[cfg(target_os = "linux")]
#[expect(
    clippy::cast_precision_loss,
    reason = "ticks and seconds are far below 2^53"
)]
fn approximate(count: u64) -> f64 {
    count as f64
}
