//! Errors of `accept`, by kind.

use std::io;

use rustix::io::Errno;

use super::causes::causes;

causes! {
    /// What an error of `accept` tells of (accept(2)).
    AcceptError {
        /// The connection that was to be accepted, which is gone; or nothing at all.
        Connection = "connection",
        /// No descriptor is left, to the process or to the system.
        Descriptors = "descriptors",
        /// No memory is left, to the system or to its sockets.
        Memory = "memory",
        /// A firewall or a sandbox forbids it.
        Forbidden = "forbidden",
        Other = "other",
    }
}

impl AcceptError {
    pub(crate) fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::CONNREFUSED
                | Errno::INTR
                // What had already gone wrong with the connection while it waited.
                | Errno::NETDOWN
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::OPNOTSUPP,
            ) => Self::Connection,
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors,
            Some(Errno::NOMEM | Errno::NOBUFS) => Self::Memory,
            Some(Errno::PERM | Errno::ACCESS) => Self::Forbidden,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_connection_are_told_from_those_of_the_listener() {
        #[track_caller]
        fn check(errno: Errno, kind: AcceptError) {
            assert_eq!(AcceptError::of(&errno.into()), kind, "{errno}");
        }
        check(Errno::CONNABORTED, AcceptError::Connection);
        check(Errno::NETUNREACH, AcceptError::Connection);
        check(Errno::MFILE, AcceptError::Descriptors);
        check(Errno::NFILE, AcceptError::Descriptors);
        check(Errno::NOBUFS, AcceptError::Memory);
        check(Errno::PERM, AcceptError::Forbidden);
        check(Errno::INVAL, AcceptError::Other);
        let none = io::Error::other("no number");
        assert_eq!(AcceptError::of(&none), AcceptError::Other);
    }
}
