//! The memory of request bodies, `MAX_IN_FLIGHT` × `MAX_BODY_BYTES`, and the memory limit.
//!
//! A handler that collects its body holds all of it. If the handlers of all request slots do that,
//! the product is in memory at once. The kernel kills a process above the limit of its control group.

use std::{fmt, fs, path::Path};

use super::Config;

/// The mount point of control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The limits of request bodies, and the memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyMemory {
    pub(crate) max_in_flight: usize,
    pub(crate) max_body_bytes: u64,
    /// The smallest limit of the process's control groups and the machine. `None` if unknown.
    pub(crate) limit: Option<u64>,
}

impl BodyMemory {
    /// Reads the limit of this process from `/proc` and `/sys`, which are in memory.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            max_in_flight: config.max_in_flight,
            max_body_bytes: config.max_body_bytes.bytes(),
            limit: memory_limit(),
        }
    }

    /// Returns the most bytes of all bodies together. `None` if `MAX_IN_FLIGHT` is off.
    fn product(self) -> Option<u64> {
        let slots = u64::try_from(self.max_in_flight).unwrap_or(u64::MAX);
        (slots > 0).then(|| slots.saturating_mul(self.max_body_bytes))
    }

    /// Whether bodies without any other memory can exceed the limit.
    pub(crate) fn exceeds_limit(self) -> bool {
        self.limit
            .is_some_and(|limit| self.product().is_none_or(|product| product > limit))
    }
}

/// Formats a line for `--check-config`.
impl fmt::Display for BodyMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.product() {
            Some(product) => write!(
                f,
                "request bodies: at most {} (MAX_IN_FLIGHT × MAX_BODY_BYTES)",
                mebibytes(product)
            )?,
            None => f.write_str("request bodies: no limit (MAX_IN_FLIGHT=0)")?,
        }
        match self.limit {
            Some(limit) => write!(f, "; memory limit: {}", mebibytes(limit)),
            None => f.write_str("; memory limit: unknown"),
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

fn memory_limit() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let groups = limit_of_groups(Path::new(CGROUPS), &read("/proc/self/cgroup"));
    [groups, total(&read("/proc/meminfo"))]
        .into_iter()
        .flatten()
        .min()
}

/// Returns the smallest limit of the groups in `/proc/self/cgroup` and of their ancestors.
fn limit_of_groups(mount: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        // `0::/path` in version 2, `4:memory:/path` in version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (mount, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            "memory" => (mount.join("memory"), "memory.limit_in_bytes"),
            _ => return None,
        };
        let path = Path::new(path.trim_start_matches('/'));
        let of_group = |path: &Path| {
            let text = fs::read_to_string(mount.join(path).join(file)).ok()?;
            // `max` is no limit. Version 1 has a number for that, larger than any memory.
            text.trim().parse::<u64>().ok()
        };
        // In a container the path may be that of the host, of which only the root is mounted.
        path.ancestors().filter_map(of_group).min()
    });
    limits.min()
}

/// Returns `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|it| it.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CFG-11
    #[test]
    fn product_is_compared_with_the_limit() {
        #[track_caller]
        fn check(slots: usize, limit: Option<u64>, exceeds: bool, text: &str) {
            let memory = BodyMemory {
                max_in_flight: slots,
                max_body_bytes: 2 << 20,
                limit,
            };
            assert_eq!(memory.exceeds_limit(), exceeds, "{memory:?}");
            assert_eq!(memory.to_string(), format!("request bodies: {text}"));
        }
        let bounded = "at most 256 MiB (MAX_IN_FLIGHT × MAX_BODY_BYTES); memory limit: ";
        check(128, Some(256 << 20), false, &format!("{bounded}256 MiB"));
        check(
            128,
            Some((256 << 20) - 1),
            true,
            &format!("{bounded}256 MiB"),
        );
        check(128, None, false, &format!("{bounded}unknown"));
        let unbounded = "no limit (MAX_IN_FLIGHT=0); memory limit: ";
        check(0, Some(1 << 40), true, &format!("{unbounded}1048576 MiB"));
    }

    /// CFG-11
    #[test]
    fn smallest_limit_of_the_group_and_its_ancestors_counts() {
        let mount = std::env::temp_dir().join(format!("plimsoll-cgroup-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = mount.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/memory.max", "300\n");
        write("a/b/memory.max", "max\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/c/memory.limit_in_bytes", "200\n");
        let limit = |groups| limit_of_groups(&mount, groups);
        assert_eq!(limit("0::/a/b\n"), Some(300));
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("5:devices:/a\n4:memory:/c\n0::/a\n"), Some(200));
        assert_eq!(
            limit("4:memory:/of/the/host\n"),
            Some(9_223_372_036_854_771_712)
        );
        assert_eq!(limit("no group"), None);
        fs::remove_dir_all(&mount).unwrap();
    }

    #[test]
    fn memory_of_the_machine_is_read() {
        assert_eq!(
            total("MemTotal:        2048 kB\nMemFree: 1 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(total(""), None);
    }
}
