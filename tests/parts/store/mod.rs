//! The store.
//!
//! `contract` holds for every backend: it opens stores by [`test_store::open_store`] and uses their public interface, apart
//! from the few accessors of [`test_store::TestStore`] that read or write rows directly. `sqlite` is about files: their
//! versions, copies, logs and bytes.

mod contract;
mod sqlite;
pub(crate) mod test_store;
