//! Wrong uses do not compile, and the compiler says where and why: each file in `tests/refused` has its expected words
//! beside it. After a change of the words, `TRYBUILD=overwrite` writes them anew.

#[test]
fn wrong_uses_are_compile_errors_at_their_place() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
