//! What has to be there outside of the process before a configuration is published: addresses and log files. If one of
//! them can't be had, nothing is kept of the others.

use std::sync::Arc;

use super::access::AccessOutput;
use super::sockets::Sockets;
use crate::config::Problem;
use crate::config::model::Config;
use crate::reload::Prepare;

pub struct Outside {
    pub sockets: Arc<Sockets>,
    pub access: Arc<AccessOutput>,
}

impl Prepare for Outside {
    fn prepare(&self, config: &Config) -> Result<(), Vec<Problem>> {
        let prepared = [self.sockets.prepare(config), self.access.prepare(config)];
        let problems: Vec<Problem> = prepared.into_iter().filter_map(Result::err).flatten().collect();
        if problems.is_empty() {
            return Ok(());
        }
        self.sockets.forget_fresh();
        self.access.forget_fresh();
        Err(problems)
    }
}
