//! Who started this process, and with which sockets: a gateway that it shall follow, systemd, or somebody who has none.

use sluice::process::{ActivationError, Handed, HandoverError, Inherited, Predecessor, activated};

pub enum Origin {
    Gateway(Predecessor, Inherited),
    Supervisor(Inherited),
    Other,
}

/// What was handed over can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    #[error(transparent)]
    Handover(#[from] HandoverError),
    #[error(transparent)]
    Activation(#[from] ActivationError),
}

impl Origin {
    /// What the environment tells.
    pub fn find() -> Result<Self, OriginError> {
        if let Some((predecessor, handed)) = Predecessor::from_environment()? {
            return Ok(Self::Gateway(predecessor, Inherited::from_predecessor(handed)));
        }
        Ok(activated()?.map_or(Self::Other, Self::Supervisor))
    }

    pub fn inherited(&self) -> Inherited {
        match self {
            Self::Gateway(_, inherited) | Self::Supervisor(inherited) => inherited.clone(),
            Self::Other => Inherited::default(),
        }
    }

    /// The gateway accepts on all sockets but `unused`: be the service. Waits for the predecessor's word.
    pub fn settle(self, unused: Vec<Handed>) -> Result<(), OriginError> {
        match self {
            Self::Gateway(predecessor, _) => Ok(predecessor.follow(&unused)?),
            Self::Supervisor(_) => {
                for Handed { name, address, .. } in unused {
                    tracing::warn!("the socket {name} ({address}) that was handed over belongs to no listener");
                }
                Ok(())
            }
            Self::Other => Ok(()),
        }
    }
}
