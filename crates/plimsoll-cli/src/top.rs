//! The command `top`: shows what running instances do, from their metrics.
//!
//! * `scraper` reads all instances once per interval, and `model` keeps what is known about them.
//! * `screen` shows the model on a terminal; `line` and `json` write it elsewhere.
//!
//! There is no server, no registration and no stored state.
//! A missing value is shown as `–`, and an instance without an answer is never shown as healthy.

mod json;
mod line;
mod model;
mod number;
mod options;
mod scraper;
mod screen;
mod terminal;

pub(crate) use self::options::Arguments;

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use plimsoll_scrape::Source;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{self, Receiver},
};

use self::{model::Model, options::Times, scraper::Round};
use crate::exit::{Exit, Failure};

/// The scrapes of a run with `--once`: two, because rates are differences.
const ONCE: usize = 2;

/// Runs the command.
///
/// # Errors
///
/// As documented at [`Failure`].
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let sources = arguments.sources()?;
    let times = arguments.times()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(observe(arguments, sources, times))
}

/// Observes the instances until a signal, the key `q`, or the end of `--once`.
async fn observe(
    arguments: &Arguments,
    sources: Vec<Source>,
    times: Times,
) -> Result<Exit, Failure> {
    for source in &sources {
        source.check().await?;
    }
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::Runtime)?;

    let names = sources.iter().map(|source| source.target().to_string());
    let model = Model::new(names, times.interval, times.window);
    let (sender, rounds) = mpsc::channel(1);
    let scrapes = scraper::run(sources, times, sender);
    tokio::select! {
        exit = show(arguments, model, rounds) => exit,
        // It ends after the output, which has the result.
        () = scrapes => Ok(Exit::Success),
        _ = interrupt.recv() => Ok(Exit::Success),
        _ = terminate.recv() => Ok(Exit::Success),
        _ = hangup.recv() => Ok(Exit::Success),
    }
}

/// Shows the model on the terminal, or writes it if there is none or a text is wanted.
async fn show(
    arguments: &Arguments,
    model: Model,
    rounds: Receiver<Round>,
) -> Result<Exit, Failure> {
    let stdout = io::stdout();
    if arguments.json || arguments.once || !stdout.is_terminal() {
        return write(arguments, model, rounds).await;
    }
    let colors = AutoStream::choice(&stdout) != ColorChoice::Never;
    terminal::run(model, rounds, colors).await
}

/// Writes the model after each scrape, until the reader closes the pipe or `--once` ends.
async fn write(
    arguments: &Arguments,
    mut model: Model,
    mut rounds: Receiver<Round>,
) -> Result<Exit, Failure> {
    let mut count = 0;
    while let Some(round) = rounds.recv().await {
        model.observe(round.at, round.scrapes);
        count += 1;
        if arguments.once && count < ONCE {
            continue;
        }
        let text = if arguments.json {
            json::text(&model)
        } else {
            line::text(&model)
        };
        let mut stdout = io::stdout().lock();
        match stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written.map_err(Failure::Output)?,
        }
        if arguments.once {
            return Ok(match model.silent() {
                0 => Exit::Success,
                _ => Exit::Unreachable,
            });
        }
    }
    Ok(Exit::Success)
}
