//! The binary holds the migrations, so it is built again when one is added: the macro that embeds them cannot say so.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/auth");
}
