//! A wish to stop: said once, heard by all who hold a copy.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks work in progress to stop after the steps in hand. Copies share one wish.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// Nothing is to stop yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Asks all to stop. Saying it again changes nothing.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns as soon as it is asked; never, if it never is.
    pub async fn cancelled(&self) {
        let mut wish = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = wish.wait_for(|asked| *asked).await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}
