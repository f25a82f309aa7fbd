//! The terminal: its modes, its keys, and the loop that draws.
//!
//! The terminal is restored by a guard, and by the hook of ratatui before a panic is printed.
//! A thread reads keys, since reading blocks. It ends with the process.

use std::{io, thread};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::sync::mpsc::{self, Receiver};

use super::{
    model::Model,
    scraper::Round,
    screen::{self, View},
};
use crate::exit::{Exit, Failure};

/// Keys that wait to be handled. The thread waits if there are more.
const KEYS: usize = 16;

/// Shows the model until a key ends it.
pub(super) async fn run(
    mut model: Model,
    mut rounds: Receiver<Round>,
    colors: bool,
) -> Result<Exit, Failure> {
    let mut terminal = Screen::open()?;
    let mut events = events();
    let mut view = View {
        colors,
        ..View::default()
    };
    terminal.draw(&model, view)?;
    loop {
        tokio::select! {
            Some(round) = rounds.recv() => model.observe(round.at, round.scrapes),
            event = events.recv() => match event {
                Some(Ok(Event::Key(key))) if key.kind == KeyEventKind::Release => continue,
                Some(Ok(Event::Key(key))) => match Action::of(key) {
                    Some(Action::Quit) => return Ok(Exit::Success),
                    Some(action) => action.apply(&mut view, model.routes().len()),
                    None => continue,
                },
                Some(Ok(Event::Resize(..))) => {}
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(Failure::Terminal(error)),
                // The thread ends after an error only, which was returned.
                None => return Ok(Exit::Success),
            },
        }
        terminal.draw(&model, view)?;
    }
}

/// The terminal in its own mode. It is restored on drop.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> Result<Self, Failure> {
        ratatui::try_init().map(Self).map_err(Failure::Terminal)
    }

    fn draw(&mut self, model: &Model, view: View) -> Result<(), Failure> {
        let drawn = self.0.draw(|frame| screen::draw(frame, model, view));
        drawn.map(drop).map_err(Failure::Terminal)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is closed has no mode to restore.
        let _ = ratatui::try_restore();
    }
}

fn events() -> Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(KEYS);
    thread::spawn(move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.blocking_send(event).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// The effect of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Quit,
    Help,
    Up,
    Down,
}

impl Action {
    fn of(key: KeyEvent) -> Option<Self> {
        match key.code {
            // In raw mode, Ctrl-C is a key and no signal.
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Self::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(Self::Quit),
            KeyCode::Char('?') => Some(Self::Help),
            KeyCode::Up | KeyCode::Char('k') => Some(Self::Up),
            KeyCode::Down | KeyCode::Char('j') => Some(Self::Down),
            _ => None,
        }
    }

    fn apply(self, view: &mut View, routes: usize) {
        match self {
            Self::Quit => {}
            Self::Help => view.help = !view.help,
            Self::Up => view.scroll = view.scroll.saturating_sub(1),
            Self::Down => view.scroll = (view.scroll + 1).min(routes.saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrolling_stays_within_the_routes() {
        let mut view = View::default();
        Action::Up.apply(&mut view, 3);
        assert_eq!(view.scroll, 0);
        for _ in 0..9 {
            Action::Down.apply(&mut view, 3);
        }
        assert_eq!(view.scroll, 2);
        Action::Down.apply(&mut view, 0);
        assert_eq!(view.scroll, 0);
    }

    #[test]
    fn keys_have_their_actions() {
        let action = |code, modifiers| Action::of(KeyEvent::new(code, modifiers));
        let none = KeyModifiers::NONE;
        assert_eq!(action(KeyCode::Char('q'), none), Some(Action::Quit));
        assert_eq!(action(KeyCode::Char('c'), none), None);
        let control = KeyModifiers::CONTROL;
        assert_eq!(action(KeyCode::Char('c'), control), Some(Action::Quit));
    }
}
