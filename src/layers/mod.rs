//! Our own tower layers, each about one thing. The stacks that use them stand at the head of each file in
//! `pipeline/`.

mod deadline;
mod observe;
mod patience;
mod quota;
mod shed;

pub use deadline::{Deadline, DeadlineLayer, Deadlined, deadline_of};
pub use observe::{Observe, ObserveLayer};
pub use patience::{Patience, Wait};
pub use quota::{Keyed, KeyedQuota, KeyedQuotaLayer, OverQuota};
pub use shed::{Depth, Overloaded, ShedOnDepth, ShedOnDepthLayer};
