//! The store.
//!
//! `contract` holds for every backend, and is compiled once for each: it opens stores by [`test_store::open_store`] and uses
//! their public interface, apart from the few accessors of [`test_store::TestStore`] that read or write rows directly. `sqlite`
//! is about files: their versions, copies, logs and bytes. `postgres` is about a server, and several machines.

mod on_sqlite {
    const BACKEND: super::test_store::Backend = super::test_store::Backend::Sqlite;

    #[path = "../contract/mod.rs"]
    mod contract;
}

#[expect(clippy::duplicate_mod, reason = "the contract is compiled once for each backend")]
mod on_postgres {
    const BACKEND: super::test_store::Backend = super::test_store::Backend::Postgres;

    #[path = "../contract/mod.rs"]
    mod contract;
}

mod sqlite;
pub(crate) mod test_store;
