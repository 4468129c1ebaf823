//! The instances of one plugin on one thread: how many there may be, who waits for one, and who keeps
//! which.
//!
//! Whoever wants to make a call takes a [`Held`] instance. It counts as broken until [`Held::give_back`]
//! says that the call ended well: dropping it, as a trap, a deadline or a cancelled exchange does, drops
//! the instance. Where instances are dear to make, some are made before they are needed ([`super::stock`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::factory::Blueprint;
use super::instance::{Instance, StartError};
use super::stock::Stock;
use crate::config::model::Isolation;
use crate::plugin::http_client::HttpClient;
use crate::plugin::role::{Lease, PluginError};

/// How long a call waits for a free instance. Longer, and a queue of slow calls would hold exchanges that
/// other plugins and clusters could serve.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many calls may wait for each instance.
const QUEUE: usize = 16;

/// The instances of one plugin on one thread.
pub(crate) struct Pool {
    blueprint: Arc<Blueprint>,
    client: Arc<dyn HttpClient>,
    #[expect(clippy::vec_box, reason = "they are large and change hands twice in each call")]
    idle: RefCell<Vec<Box<Instance>>>,
    /// Only where instances are dear.
    stock: Option<Arc<Stock>>,
    /// One permit for each instance that may be in use. Fair: first come, first served.
    places: Arc<Semaphore>,
    limit: usize,
    waiting: Cell<usize>,
}

/// An instance in use.
pub(crate) struct Held {
    pub(crate) instance: Box<Instance>,
    place: Place,
}

/// The right to have one instance in use.
struct Place(Rc<Pool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.add_permits(1);
        self.0.stock_up();
    }
}

impl Pool {
    pub(crate) fn new(blueprint: Arc<Blueprint>, client: Arc<dyn HttpClient>) -> Rc<Self> {
        // Rounded down, so that all threads together keep to the limit; but one that has none could serve nobody.
        let limit = (blueprint.lent.limits.instances / blueprint.threads.max(1)).clamp(1, Semaphore::MAX_PERMITS);
        let mut idle = Vec::new();
        if let Some(mut spare) = blueprint.take_spare() {
            spare.adopt(client.clone());
            idle.push(spare);
        }
        let stock = blueprint.is_dear().then(|| Stock::new(blueprint.isolation));
        let pool = Rc::new(Self {
            blueprint,
            client,
            idle: RefCell::new(idle),
            stock,
            places: Arc::new(Semaphore::new(limit)),
            limit,
            waiting: Cell::new(0),
        });
        pool.stock_up();
        pool
    }

    /// An instance for one call, if one is at hand: the exchange's own, or an idle one.
    pub(crate) fn take_ready(self: &Rc<Self>, lease: &mut Lease) -> Option<Held> {
        if let Some(held) = lease.0.take().and_then(|kept| kept.downcast::<Held>().ok()) {
            return Some(*held);
        }
        if self.idle.borrow().is_empty() && self.stock.as_ref().is_none_or(|stock| stock.is_empty()) {
            return None;
        }
        let place = self.try_place()?;
        let instance = self.idle()?;
        Some(Held { instance, place })
    }

    /// An instance for one call, waited for or made.
    pub(crate) async fn take(self: &Rc<Self>) -> Result<Held, PluginError> {
        let place = self.place().await?;
        let instance = match self.idle() {
            Some(instance) => instance,
            None => self.blueprint.start(self.client.clone()).await?,
        };
        Ok(Held { instance, place })
    }

    /// The same for a caller that can't wait. None if all places are taken; starting a new one may fail.
    pub(crate) fn take_now(self: &Rc<Self>) -> Result<Held, PluginError> {
        let place = self.try_place().ok_or(PluginError::Busy)?;
        let instance = match self.idle() {
            Some(instance) => instance,
            None => self.blueprint.start_now(self.client.clone())?,
        };
        Ok(Held { instance, place })
    }

    /// An instance that nobody uses, for whoever has a place.
    fn idle(&self) -> Option<Box<Instance>> {
        let idle = self.idle.borrow_mut().pop();
        if idle.is_some() {
            return idle;
        }
        let stocked = self.stock.as_ref()?.take();
        self.stock_up();
        stocked
    }

    /// See that instances are ready for those who come next. Pools whose instances are used again need that only when
    /// they have lost them.
    fn stock_up(&self) {
        if let Some(stock) = &self.stock
            && self.blueprint.is_dear()
            && self.idle.borrow().is_empty()
        {
            stock.fill(&self.blueprint, &self.client, &self.places);
        }
    }

    async fn place(self: &Rc<Self>) -> Result<Place, PluginError> {
        if let Some(place) = self.try_place() {
            return Ok(place);
        }
        if self.waiting.get() >= self.limit.saturating_mul(QUEUE) {
            return Err(PluginError::Busy);
        }
        let _waiting = Waiting::new(&self.waiting);
        match tokio::time::timeout(PATIENCE, self.places.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(Place(self.clone()))
            }
            _ => Err(PluginError::Busy),
        }
    }

    fn try_place(self: &Rc<Self>) -> Option<Place> {
        self.places.try_acquire().ok()?.forget();
        Some(Place(self.clone()))
    }
}

/// Counts one waiting call for as long as it lives.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Held {
    /// The call ended well: keep the instance for the exchange's next hook, or for whoever comes next.
    pub(crate) fn give_back(self, lease: &mut Lease) {
        match self.place.0.blueprint.isolation {
            Isolation::Request => lease.0 = Some(Box::new(self)),
            Isolation::Pooled => self.put_back(),
        }
    }

    /// The call ended well: let the next one have it.
    pub(crate) fn put_back(self) {
        if !self.instance.is_worn() && self.place.0.blueprint.isolation == Isolation::Pooled {
            self.place.0.idle.borrow_mut().push(self.instance);
        }
    }
}

impl From<StartError> for PluginError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Memory(_) => Self::Memory,
            StartError::Time => Self::Time,
            StartError::Deadline => Self::Deadline,
            StartError::Exhausted => Self::Busy,
            StartError::Refused(text) => Self::Failed(format!("`configure` refused: {text}")),
            StartError::Failed(text) => Self::Trap(text),
        }
    }
}
