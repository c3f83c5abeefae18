//! The migrations are part of the binary: a new one must make a new binary, which cargo cannot see by itself.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/orders");
}
