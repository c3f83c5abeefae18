//! What holds for any bytes: properties with generators that know where it hurts, and the fuzz targets' corpus with
//! some thousand mutations of it. libFuzzer runs the same checks (`gateway/fuzz`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../../fuzz/checks/mod.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets, where it is the whole crate")]
mod checks;
mod headers;
mod replay;
mod targets;
