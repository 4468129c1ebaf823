//! Instances that are made before somebody needs them, for plugins whose instances are dear to make.
//!
//! They are made on threads that may block, one after the other, so that neither the request that takes one nor its
//! neighbours wait for a guest's start. Each is configured and has served nobody. Nothing here decides how many a
//! plugin may have: each one that is made holds one of the pool's places meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::factory::Blueprint;
use super::instance::Instance;
use crate::config::model::Isolation;
use crate::plugin::http_client::HttpClient;

/// How many are kept ready on each thread where every exchange takes a new one: enough for those that come at once,
/// and what is in them is wasted if nobody comes.
const FOR_EXCHANGES: usize = 4;
/// Where they are used again, a new one only takes the place of one that was lost.
const FOR_CALLS: usize = 1;

/// The instances that one plugin has ready on one thread.
pub(crate) struct Stock {
    #[expect(clippy::vec_box, reason = "they are large and change hands twice in each call")]
    ready: Mutex<Vec<Box<Instance>>>,
    size: usize,
    /// Somebody is making one.
    busy: AtomicBool,
}

impl Stock {
    pub(crate) fn new(isolation: Isolation) -> Arc<Self> {
        let size = match isolation {
            Isolation::Request => FOR_EXCHANGES,
            Isolation::Pooled => FOR_CALLS,
        };
        Arc::new(Self { ready: Mutex::default(), size, busy: AtomicBool::new(false) })
    }

    /// One of them. The caller has a place for it.
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        self.ready().pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready().is_empty()
    }

    /// Make what is missing, unless that is going on already or there is no room. Returns at once; where there is no
    /// runtime, nothing is made.
    pub(crate) fn fill(
        self: &Arc<Self>,
        blueprint: &Arc<Blueprint>,
        client: &Arc<dyn HttpClient>,
        places: &Arc<Semaphore>,
    ) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.has_room(places) || self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let filling = Filling(self.clone());
        let (blueprint, client, places) = (Arc::downgrade(blueprint), client.clone(), places.clone());
        let on = runtime.clone();
        runtime.spawn_blocking(move || {
            let stock = &filling.0;
            while stock.has_room(&places) {
                let Ok(place) = places.clone().try_acquire_owned() else { return };
                // A version of the plugin that was replaced meanwhile needs no more instances.
                let Some(blueprint) = blueprint.upgrade() else { return };
                // If it doesn't start, whoever needs one next tries it again and is told why.
                let Ok(instance) = on.block_on(blueprint.start_here(client.clone())) else { return };
                stock.ready().push(instance);
                // Only now, so that whoever gets it finds the instance.
                drop(place);
            }
        });
    }

    /// Whether one is missing, and a place is free besides those for the ones that are ready.
    fn has_room(&self, places: &Semaphore) -> bool {
        let ready = self.ready().len();
        ready < self.size && ready < places.available_permits()
    }

    #[expect(clippy::vec_box, reason = "as above")]
    fn ready(&self) -> std::sync::MutexGuard<'_, Vec<Box<Instance>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends being busy, also if making one panics or never begins.
struct Filling(Arc<Stock>);

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}
