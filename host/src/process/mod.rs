//! What a process has to do with those around it: sockets that it was handed, a successor to hand its own to, a
//! supervisor that wants to know how it is, and how many files it may open. It knows nothing of what is served.

mod activation;
mod descriptors;
mod handover;
mod inherited;
mod notify;
mod pid_file;

pub use activation::{ActivationError, activated};
pub use descriptors::{Descriptors, descriptor_limit, raise_descriptor_limit};
pub use handover::{HandoverError, Predecessor, Successor, Undo};
pub use inherited::{Handed, Inherited, PROBES, Role};
pub use notify::{Notifier, watchdog};
pub use pid_file::PidFile;
