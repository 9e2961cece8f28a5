//! Our own tower layers, each about one thing. The stacks that use them stand at the head of each file in
//! `pipeline/`.

mod deadline;
mod observe;
mod quota;
mod retry;
mod shed;
mod timeout;

pub(crate) use deadline::{DeadlineLayer, Deadlined, deadline_of};
pub(crate) use observe::ObserveLayer;
pub(crate) use quota::{Keyed, KeyedQuotaLayer, OverQuota};
pub(crate) use retry::{NextTry, Retry};
pub(crate) use shed::Overloaded;
pub(crate) use shed::{Depth, ShedOnDepthLayer};
pub(crate) use timeout::TimeoutLayer;
