//! The control group of the process (version 2): memory, throttling and pressure.
//!
//! Without version 2 the view has `null` in its place.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use serde_json::{Map, Value, json};

/// The mount point of control groups.
const MOUNT: &str = "/sys/fs/cgroup";

/// Reads the control group from `/proc` and `/sys`, which are in memory.
pub(super) fn read() -> Value {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let folder = folder(Path::new(MOUNT), &groups);
    folder.map_or(Value::Null, |folder| view(&folder))
}

/// Returns the folder of the group that `/proc/self/cgroup` names.
fn folder(mount: &Path, groups: &str) -> Option<PathBuf> {
    // Version 1 has no such file.
    if !mount.join("cgroup.controllers").exists() {
        return None;
    }
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new(path);
    let is_below = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let folder = mount.join(path);
    // In a container the path may be that of the host, of which only the root is mounted.
    Some(if is_below && folder.is_dir() {
        folder
    } else {
        mount.to_owned()
    })
}

fn view(folder: &Path) -> Value {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
    let table = |file: &str| numbers(&read(file).unwrap_or_default());
    let (cpu, events) = (table("cpu.stat"), table("memory.events"));
    let pressure = |file: &str| read(file).map(|text| pressure(&text));
    json!({
        "memory": {
            "currentBytes": number("memory.current"),
            "maxBytes": number("memory.max"),
            "highBytes": number("memory.high"),
            "swapBytes": number("memory.swap.current"),
            "reachedMax": events.get("max"),
            "outOfMemory": events.get("oom"),
            "outOfMemoryKills": events.get("oom_kill"),
        },
        "cpu": {
            "limit": read("cpu.max").and_then(|text| cpus(&text)),
            "usageUs": cpu.get("usage_usec"),
            "periods": cpu.get("nr_periods"),
            "throttledPeriods": cpu.get("nr_throttled"),
            "throttledUs": cpu.get("throttled_usec"),
        },
        "pressure": {
            "cpu": pressure("cpu.pressure"),
            "memory": pressure("memory.pressure"),
            "io": pressure("io.pressure"),
        },
    })
}

/// Reads lines of a name and a number.
fn numbers(text: &str) -> Map<String, Value> {
    let pairs = text.lines().filter_map(|line| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse::<u64>().ok()?.into()))
    });
    pairs.collect()
}

/// Returns the number of CPUs of `cpu.max`, a quota and a period. `None` without a quota.
fn cpus(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| quota / period)
}

/// Reads pressure stall information: per line a kind, averages in percent, and a total.
fn pressure(text: &str) -> Value {
    let lines = text.lines().filter_map(|line| {
        let (kind, fields) = line.split_once(' ')?;
        let fields = fields.split(' ').filter_map(|field| {
            let (name, number) = field.split_once('=')?;
            Some(match name {
                "total" => ("totalUs".to_owned(), number.parse::<u64>().ok()?.into()),
                name => (name.to_owned(), number.parse::<f64>().ok()?.into()),
            })
        });
        Some((kind.to_owned(), Value::Object(fields.collect())))
    });
    Value::Object(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("plimsoll-{name}-{}", std::process::id());
            let folder = Self(std::env::temp_dir().join(name));
            fs::create_dir_all(folder.0.join("a")).unwrap();
            folder
        }

        fn write(&self, path: &str, text: &str) {
            fs::write(self.0.join(path), text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    /// ADM-16
    #[test]
    fn group_of_the_process_is_found() {
        let mount = Folder::new("cgroup-folder");
        let find = |groups| folder(&mount.0, groups);
        assert_eq!(find("0::/a\n"), None, "version 1");
        mount.write("cgroup.controllers", "cpu memory\n");
        assert_eq!(find("1:name=systemd:/\n0::/a\n"), Some(mount.0.join("a")));
        for other in ["0::/\n", "0::/of/the/host\n", "0::/../a\n"] {
            assert_eq!(find(other).as_ref(), Some(&mount.0), "{other}");
        }
        assert_eq!(find("4:memory:/a\n"), None);
    }

    /// ADM-16
    #[test]
    fn throttling_and_pressure_are_read() {
        let group = Folder::new("cgroup-files");
        group.write("memory.current", "4096\n");
        group.write("memory.max", "max\n");
        group.write("memory.events", "low 0\nmax 3\noom 2\noom_kill 1\n");
        group.write("cpu.max", "150000 100000\n");
        group.write("cpu.stat", "usage_usec 7\nnr_periods 9\nnr_throttled 2\n");
        group.write(
            "cpu.pressure",
            "some avg10=1.50 avg60=0.00 avg300=0.00 total=42\n",
        );
        let view = view(&group.0);
        assert_eq!(view["memory"]["currentBytes"], 4096);
        assert_eq!(view["memory"]["maxBytes"], Value::Null);
        assert_eq!(view["memory"]["outOfMemoryKills"], 1);
        assert_eq!(view["cpu"]["limit"], 1.5);
        assert_eq!(view["cpu"]["throttledPeriods"], 2);
        assert_eq!(view["cpu"]["throttledUs"], Value::Null);
        assert_eq!(view["pressure"]["cpu"]["some"]["avg10"], 1.5);
        assert_eq!(view["pressure"]["cpu"]["some"]["totalUs"], 42);
        assert_eq!(view["pressure"]["io"], Value::Null);
        assert_eq!(cpus("max 100000\n"), None);
    }
}
