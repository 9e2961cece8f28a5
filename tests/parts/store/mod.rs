//! The store.
//!
//! `contract` holds for every backend, and is compiled once for each: it opens stores by [`test_store::open_store`] and uses
//! their public interface, apart from the few accessors of [`test_store::TestStore`] that read or write rows directly. `sqlite`
//! is about files: their versions, copies, logs and bytes. `postgres` is about a server, and several machines.

#[expect(clippy::duplicate_mod, reason = "the contract is compiled once for each backend")]
mod on_postgres;
mod on_sqlite;
mod postgres;
mod sqlite;
pub(crate) mod test_store;
