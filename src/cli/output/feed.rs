//! Carries events to a renderer on a thread of its own, so that a paused terminal or a full pipe never holds
//! up a run.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::event::{Event, EventSink};

/// How long the end of a run waits for output that nobody takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two ticks.
const TICK: Duration = Duration::from_millis(200);

/// Draws events. Must not fail: output that cannot be written is lost.
pub trait Renderer: Send {
    /// Draws one event.
    fn render(&mut self, event: &Event, at: SystemTime);

    /// Called now and then while nothing happens.
    fn tick(&mut self) {}

    /// Leaves the terminal as it was found; later events draw anew.
    fn clear(&mut self) {}
}

enum Message {
    Event(SystemTime, Event),
    Clear(Sender<()>),
}

/// The way from a run to its renderer.
pub struct Feed {
    sender: Mutex<Option<Sender<Message>>>,
    ended: Mutex<Receiver<()>>,
}

impl Feed {
    /// Starts the renderer's thread.
    pub fn start(mut renderer: Box<dyn Renderer>) -> Arc<Self> {
        let (sender, messages) = channel();
        let (ending, ended) = channel();
        thread::spawn(move || {
            loop {
                match messages.recv_timeout(TICK) {
                    Ok(Message::Event(at, event)) => renderer.render(&event, at),
                    Ok(Message::Clear(cleared)) => {
                        renderer.clear();
                        let _ = cleared.send(());
                        continue;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                renderer.tick();
            }
            renderer.clear();
            let _ = ending.send(());
        });
        Arc::new(Self { sender: Mutex::new(Some(sender)), ended: Mutex::new(ended) })
    }

    /// Returns when all events so far are drawn and the display has made room, or after two seconds.
    pub fn clear(&self) {
        let (sender, cleared) = channel();
        self.send(Message::Clear(sender));
        let _ = cleared.recv_timeout(PATIENCE);
    }

    /// Returns when all events are drawn and the terminal is as it was, or after two seconds.
    pub fn finish(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE);
    }

    fn send(&self, message: Message) {
        if let Some(sender) = self.sender.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let _ = sender.send(message);
        }
    }
}

impl EventSink for Feed {
    fn emit(&self, event: Event) {
        self.send(Message::Event(SystemTime::now(), event));
    }
}
