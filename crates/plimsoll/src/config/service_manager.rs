//! What the service manager tells this one process: where it listens to the process, how often it
//! wants to hear that it lives, and which sockets it hands over (sd_notify(3),
//! sd_watchdog_enabled(3), sd_listen_fds(3)).
//!
//! These are no settings. The manager sets them, they mean this process and no child of it, and a
//! profile cannot; so they are in no help, no table and no report.

use std::time::Duration;

use super::{
    problem::{ConfigError, ConfigErrors, RejectedValue},
    source::Environment,
};

/// More sockets than a service could ever take; it only keeps a slip from being a large number.
const MOST_SOCKETS: usize = 16;

/// The one thing that may be handed over.
const ONE_SOCKET: &str =
    "one stream socket that is listened on, TCP or unix, as of ListenStream= with Accept=no";

/// The manager's word. Without a manager there is none, and everything is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServiceManagerEnv {
    /// `NOTIFY_SOCKET`: a path, or `@` and the name of an abstract socket.
    pub(crate) notify_socket: Option<String>,
    /// `WATCHDOG_USEC`: the longest time without a sign of life.
    pub(crate) watchdog: Option<Duration>,
    /// `LISTEN_FDS`: the sockets that are handed over, if they are for this process.
    pub(crate) sockets: ActivationSockets,
}

/// Sockets that are handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ActivationSockets {
    #[default]
    None,
    /// `LISTEN_PID` names another process, such as the parent of this one.
    OfAnother { pid: u32 },
    /// As many as there are names; one without has an empty one.
    Named(Vec<String>),
    /// What cannot be understood.
    Mistake(ConfigErrors),
}

impl ServiceManagerEnv {
    /// What was told to the process with this id.
    pub(crate) fn of(environment: &Environment, pid: u32) -> Self {
        // Text that is no number comes from no manager, and nobody waits for an answer to it.
        let number = |name| environment.text(name)?.parse::<u64>().ok();
        let is_for_us = environment.text("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(pid));
        Self {
            notify_socket: environment.text("NOTIFY_SOCKET").map(str::to_owned),
            watchdog: number("WATCHDOG_USEC")
                .filter(|micros| is_for_us && *micros > 0)
                .map(Duration::from_micros),
            sockets: ActivationSockets::of(environment, pid),
        }
    }
}

impl ActivationSockets {
    fn of(environment: &Environment, pid: u32) -> Self {
        let text = |name| environment.text(name);
        let (Some(for_pid), Some(count)) = (text("LISTEN_PID"), text("LISTEN_FDS")) else {
            return Self::None;
        };
        let mistake = |variable, text, expected| {
            Self::Mistake(mistake(ConfigError::new(
                variable,
                RejectedValue::of(text, false),
                expected,
            )))
        };
        match for_pid.parse::<u32>() {
            Ok(other) if other != pid => return Self::OfAnother { pid: other },
            Ok(_) => {}
            Err(_) => return mistake("LISTEN_PID", for_pid, "the id of a process"),
        }
        match count.parse::<usize>() {
            Ok(0) => Self::None,
            Ok(count @ 1..=MOST_SOCKETS) => {
                let names = text("LISTEN_FDNAMES").unwrap_or_default().split(':');
                let names = names
                    .map(str::to_owned)
                    .chain(std::iter::repeat(String::new()));
                Self::Named(names.take(count).collect())
            }
            Ok(_) | Err(_) => mistake("LISTEN_FDS", count, ONE_SOCKET),
        }
    }

    /// The mistake that what is handed over is something else.
    pub(crate) fn unusable(count: usize, found: String) -> ConfigErrors {
        let held = RejectedValue::of(&count.to_string(), false);
        mistake(ConfigError::new("LISTEN_FDS", held, ONE_SOCKET).because(Some(found.into())))
    }
}

fn mistake(problem: ConfigError) -> ConfigErrors {
    ConfigErrors::new(vec![problem], Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> ServiceManagerEnv {
        ServiceManagerEnv::of(&Environment::from_pairs(pairs.iter().copied()), 42)
    }

    #[test]
    fn a_process_without_a_manager_is_told_nothing() {
        assert_eq!(told(&[]), ServiceManagerEnv::default());
        let empty = [("NOTIFY_SOCKET", ""), ("WATCHDOG_USEC", "")];
        assert_eq!(told(&empty), ServiceManagerEnv::default());
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names_or_for_any() {
        #[track_caller]
        fn check(pairs: &[(&str, &str)], expect: Option<u64>) {
            assert_eq!(told(pairs).watchdog, expect.map(Duration::from_micros));
        }
        check(&[("WATCHDOG_USEC", "200000")], Some(200_000));
        check(
            &[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "42")],
            Some(200_000),
        );
        check(
            &[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "")],
            Some(200_000),
        );
        check(&[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "43")], None);
        check(&[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "x")], None);
        check(&[("WATCHDOG_USEC", "0")], None);
        check(&[("WATCHDOG_USEC", "soon")], None);
    }

    #[test]
    fn sockets_are_for_the_process_that_is_named() {
        let named = |names: &[&str]| {
            ActivationSockets::Named(names.iter().map(|it| (*it).into()).collect())
        };
        #[track_caller]
        fn check(pairs: &[(&str, &str)], expect: &ActivationSockets) {
            assert_eq!(told(pairs).sockets, *expect);
        }
        let (ours, one) = (("LISTEN_PID", "42"), ("LISTEN_FDS", "1"));
        check(&[one], &ActivationSockets::None);
        check(&[ours], &ActivationSockets::None);
        check(&[ours, ("LISTEN_FDS", "0")], &ActivationSockets::None);
        check(
            &[("LISTEN_PID", "43"), one],
            &ActivationSockets::OfAnother { pid: 43 },
        );
        check(
            &[("LISTEN_PID", "43"), ("LISTEN_FDS", "x")],
            &ActivationSockets::OfAnother { pid: 43 },
        );
        check(&[ours, one], &named(&[""]));
        check(&[ours, one, ("LISTEN_FDNAMES", "web")], &named(&["web"]));
        check(
            &[ours, one, ("LISTEN_FDNAMES", "web:more")],
            &named(&["web"]),
        );
        let two = [ours, ("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "web:admin")];
        check(&two, &named(&["web", "admin"]));
        check(
            &[ours, ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", ":b")],
            &named(&["", "b", ""]),
        );
    }

    #[test]
    fn what_is_no_number_of_sockets_is_a_mistake() {
        #[track_caller]
        fn check(pid: &str, count: &str, expect: &str) {
            let told = told(&[("LISTEN_PID", pid), ("LISTEN_FDS", count)]);
            let ActivationSockets::Mistake(errors) = told.sockets else {
                panic!("{told:?}");
            };
            assert!(errors.to_string().contains(expect), "{errors}");
        }
        check("me", "1", r#"LISTEN_PID="me": expected the id"#);
        check(
            "42",
            "one",
            r#"LISTEN_FDS="one": expected one stream socket"#,
        );
        check("42", "-1", r#"LISTEN_FDS="-1""#);
        check("42", "4000000000", r#"LISTEN_FDS="4000000000""#);
    }
}
