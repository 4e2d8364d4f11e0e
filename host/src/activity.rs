//! A call from the queue to the answer: each activity has a queue and a runner; batches run on guest threads; one committer
//! writes what many activities did.

mod acting;
mod activities;
mod answered;
mod batch;
mod committer;
mod creation;
mod exchange;
mod hearing;
mod lifecycle;
mod pilot;
mod reception;
mod runner;
mod timers;
mod work;

pub(crate) use activities::{Activities, AskError, Asked};
pub(crate) use creation::{CreateError, Creation, Issue};
pub(crate) use exchange::context;
pub(crate) use reception::Received;
pub(crate) use runner::{BATCH_MAX, RETRY_AFTER_MS};
pub(crate) use work::{Act, Actor, Answer, Control};
