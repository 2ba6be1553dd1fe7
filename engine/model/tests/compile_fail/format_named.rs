//! A place that `std::format!` would fill in, and `phx::format!` does not.
fn main() {
    let name = String::from("a");
    let _ = phx_model::format!("{name}-logs");
    drop(name);
}
