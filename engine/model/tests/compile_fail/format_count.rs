//! Another number of inputs than the template has places for.
fn main() {
    let _ = phx_model::format!("{}-{}", "a");
    let _ = phx_model::format!("plain", "a");
}
