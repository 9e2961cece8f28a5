const BACKEND: super::test_store::Backend = super::test_store::Backend::Sqlite;

#[path = "contract/mod.rs"]
mod contract;
