//! Hands a value to many readers and replaces it while they read.
//!
//! A reader looks at one generation number per use; only when that moved does it take the new value. Old values are
//! kept by the publisher until no reader holds them, so that they are dropped on the control thread and never on a
//! data thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// The publisher's end. Clones publish to the same readers.
pub struct Published<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    generation: AtomicU64,
    current: ArcSwap<T>,
    retired: Mutex<Vec<Arc<T>>>,
}

impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T> Published<T> {
    /// Starts with a value.
    pub fn new(value: T) -> Self {
        let shared = Shared {
            generation: AtomicU64::new(0),
            current: ArcSwap::from_pointee(value),
            retired: Mutex::new(Vec::new()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the value; readers see it at their next use. Drops old values that nobody holds any more.
    pub fn publish(&self, value: Arc<T>) {
        let old = self.shared.current.swap(value);
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.retired().push(old);
        self.sweep();
    }

    /// Drops old values that nobody holds any more. Call it now and then from the control thread.
    pub fn sweep(&self) {
        let mut free = Vec::new();
        self.retired().retain(|old| {
            let held = Arc::strong_count(old) > 1;
            if !held {
                free.push(old.clone());
            }
            held
        });
        drop(free); // outside the lock
    }

    /// The value of now.
    pub fn load(&self) -> Arc<T> {
        self.shared.current.load_full()
    }

    /// How often a value was published.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// A reader's end, for one thread.
    pub fn reader(&self) -> Reader<T> {
        let generation = self.generation();
        Reader { cached: self.load(), generation, shared: self.shared.clone() }
    }

    fn retired(&self) -> std::sync::MutexGuard<'_, Vec<Arc<T>>> {
        self.shared.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's end: holds the value it saw last.
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    cached: Arc<T>,
    generation: u64,
}

impl<T> Reader<T> {
    /// The newest value. Costs one atomic load while nothing changes.
    pub fn get(&mut self) -> &Arc<T> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.cached = self.shared.current.load_full();
            self.generation = generation;
        }
        &self.cached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_a_new_value_at_its_next_use() {
        let published = Published::new(1);
        let mut reader = published.reader();
        assert_eq!(**reader.get(), 1);
        published.publish(Arc::new(2));
        assert_eq!(**reader.get(), 2);
    }

    #[test]
    fn an_old_value_lives_until_its_last_reader_moves_on_and_is_dropped_by_the_publisher() {
        let published = Published::new(String::from("old"));
        let weak = Arc::downgrade(&published.load());
        let mut reader = published.reader();
        published.publish(Arc::new("new".into()));
        assert!(weak.upgrade().is_some(), "the reader still holds it");
        reader.get();
        assert!(weak.upgrade().is_some(), "not dropped by the reader");
        published.sweep();
        assert!(weak.upgrade().is_none());
    }
}
