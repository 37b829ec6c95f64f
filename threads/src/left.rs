//! What threads leave to others: what waits for a handshake, and whose thread goes away for who knows how long, or has ended.

use crate::peer::{Payload, Peer};
use crate::sync::{Mutex, const_fn};
use crate::world::World;

/// Things that belong to whoever takes them first.
///
/// None is forgotten: whoever leaves something has a thread that runs look for it (or all, if none runs), and a thread that goes
/// away before it has looked passes the request on.
#[derive(Debug)]
pub struct Left<T>(Mutex<Vec<T>>);

impl<T> Left<T> {
    const_fn! {
        /// Nothing.
        pub fn new() -> Self {
            Self(Mutex::new(Vec::new()))
        }
    }

    /// Leaves these to the other threads, one of which is asked to settle them.
    pub fn leave<P: Payload>(
        &self,
        world: &World<P>,
        me: &Peer<P>,
        what: impl IntoIterator<Item = T>,
    ) {
        self.put(what);
        if !self.is_empty() {
            world.pass_on(me);
        }
    }

    /// Puts these there, for whoever comes by. The caller does so itself, or calls [`Left::leave`] before it goes away.
    pub fn put(&self, what: impl IntoIterator<Item = T>) {
        self.0.lock().extend(what);
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// All that is there.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl<T> Default for Left<T> {
    fn default() -> Self {
        Self::new()
    }
}
