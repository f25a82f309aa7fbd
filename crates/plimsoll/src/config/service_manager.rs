//! The variables of the service manager: notification socket, watchdog interval and activated
//! sockets (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)).
//!
//! These are no settings. The manager sets them for this process and not for its children, and a
//! profile cannot set them. So they are in no help, no table and no report.

use std::time::Duration;

use super::{
    problem::{ConfigError, ConfigErrors, RejectedValue},
    source::Environment,
};

/// More sockets than a service accepts. It bounds the effect of a typing error.
const MOST_SOCKETS: usize = 16;

/// The form of an activated socket, for errors.
const ONE_SOCKET: &str =
    "one stream socket that is listened on, TCP or unix, as of ListenStream= with Accept=no";

/// The variables of the service manager. Without a manager, all fields are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServiceManagerEnv {
    /// `NOTIFY_SOCKET`: a path, or `@` and the name of an abstract socket.
    pub(crate) notify_socket: Option<String>,
    /// `WATCHDOG_USEC`: the longest time between two watchdog pings.
    pub(crate) watchdog: Option<Duration>,
    /// `LISTEN_FDS`: the activated sockets, if they are for this process.
    pub(crate) sockets: ActivationSockets,
}

/// The activated sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ActivationSockets {
    #[default]
    None,
    /// `LISTEN_PID` names another process, such as the parent of this one.
    OfAnother { pid: u32 },
    /// One name per socket. A socket without a name has an empty one.
    Named(Vec<String>),
    /// The variables are invalid.
    Mistake(ConfigErrors),
}

impl ServiceManagerEnv {
    /// Reads the variables for the process with this id.
    pub(crate) fn of(environment: &Environment, pid: u32) -> Self {
        // Text that is no number is not from a manager, so it is ignored.
        let number = |name| environment.text(name)?.parse::<u64>().ok();
        let is_for_this_process = environment.text("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(pid));
        Self {
            notify_socket: environment.text("NOTIFY_SOCKET").map(str::to_owned),
            watchdog: number("WATCHDOG_USEC")
                .filter(|micros| is_for_this_process && *micros > 0)
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

    /// Creates the error about descriptors that are no stream sockets.
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

    fn read(pairs: &[(&str, &str)]) -> ServiceManagerEnv {
        ServiceManagerEnv::of(&Environment::from_pairs(pairs.iter().copied()), 42)
    }

    #[test]
    fn without_a_manager_all_fields_are_empty() {
        assert_eq!(read(&[]), ServiceManagerEnv::default());
        let empty = [("NOTIFY_SOCKET", ""), ("WATCHDOG_USEC", "")];
        assert_eq!(read(&empty), ServiceManagerEnv::default());
    }

    #[test]
    fn watchdog_is_for_the_named_process_or_for_any() {
        #[track_caller]
        fn check(pairs: &[(&str, &str)], expect: Option<u64>) {
            assert_eq!(read(pairs).watchdog, expect.map(Duration::from_micros));
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
    fn sockets_are_for_the_named_process() {
        let named = |names: &[&str]| {
            ActivationSockets::Named(names.iter().map(|it| (*it).into()).collect())
        };
        #[track_caller]
        fn check(pairs: &[(&str, &str)], expect: &ActivationSockets) {
            assert_eq!(read(pairs).sockets, *expect);
        }
        let (this, one) = (("LISTEN_PID", "42"), ("LISTEN_FDS", "1"));
        check(&[one], &ActivationSockets::None);
        check(&[this], &ActivationSockets::None);
        check(&[this, ("LISTEN_FDS", "0")], &ActivationSockets::None);
        check(
            &[("LISTEN_PID", "43"), one],
            &ActivationSockets::OfAnother { pid: 43 },
        );
        check(
            &[("LISTEN_PID", "43"), ("LISTEN_FDS", "x")],
            &ActivationSockets::OfAnother { pid: 43 },
        );
        check(&[this, one], &named(&[""]));
        check(&[this, one, ("LISTEN_FDNAMES", "web")], &named(&["web"]));
        check(
            &[this, one, ("LISTEN_FDNAMES", "web:more")],
            &named(&["web"]),
        );
        let two = [this, ("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "web:admin")];
        check(&two, &named(&["web", "admin"]));
        check(
            &[this, ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", ":b")],
            &named(&["", "b", ""]),
        );
    }

    #[test]
    fn invalid_number_of_sockets_is_an_error() {
        #[track_caller]
        fn check(pid: &str, count: &str, expect: &str) {
            let manager = read(&[("LISTEN_PID", pid), ("LISTEN_FDS", count)]);
            let ActivationSockets::Mistake(errors) = manager.sockets else {
                panic!("{manager:?}");
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
