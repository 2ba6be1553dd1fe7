#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| phx_state_fuzz::saved_plan(bytes));
