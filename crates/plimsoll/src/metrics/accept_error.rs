//! Kinds of errors of `accept`.

use std::io;

use rustix::io::Errno;

use super::causes::causes;

causes! {
    /// The kind of an error of `accept` (accept(2)).
    AcceptError {
        /// The connection failed before it was accepted, or the call was interrupted.
        Connection = "connection",
        /// The process or the system has no free file descriptor.
        Descriptors = "descriptors",
        /// The system or its sockets have no free memory.
        Memory = "memory",
        /// A firewall or a sandbox forbids the connection.
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
                // Errors that the connection already had in the accept queue.
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

    /// MET-6
    #[test]
    fn accept_errors_have_kinds() {
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
