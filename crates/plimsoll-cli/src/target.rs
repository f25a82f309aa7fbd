//! The service under test: a command that is started, or a running service at a URL.

mod environment;
mod folder;
mod group;
mod notifications;
mod output;
mod port;
mod process;
mod url;

pub(crate) use self::{
    folder::Folder,
    notifications::Notification,
    output::{Line, Output, Stream},
    port::ReservedPort,
    process::{Activated, BesideError, Ended, Greeting, Launch, Process, Start, StartError},
    url::Url,
};
