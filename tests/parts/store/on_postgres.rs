const BACKEND: super::test_store::Backend = super::test_store::Backend::Postgres;

#[path = "contract/mod.rs"]
mod contract;
