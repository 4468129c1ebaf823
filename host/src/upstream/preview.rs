//! What a cluster would choose, for people who ask.

use super::cluster::Member;
use super::send::ThreadCluster;
use crate::balance::PickContext;

impl ThreadCluster {
    /// The endpoint that would be asked now; none if none serves. Counts for the policy like any other pick.
    pub fn choose(&self, context: &PickContext<'_>) -> Option<&Member> {
        self.pick(context).and_then(|index| self.cluster().members().get(index))
    }
}
