//! Programs and resource types that must not compile, and what the compiler says of them.
//!
//! After a change of the messages: `TRYBUILD=overwrite cargo test -p phx-model --test compile_fail`, and read the difference.

#[test]
fn mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    // The types that the cases use are right: otherwise all of them would fail for the wrong reason.
    cases.pass("tests/compile_fail/pass/*.rs");
    cases.compile_fail("tests/compile_fail/*.rs");
}
