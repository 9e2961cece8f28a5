//! Orders of the lifecycle that must not compile. `TRYBUILD=overwrite cargo test --test ui` renews the messages.

#[test]
fn wrong_orders_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
