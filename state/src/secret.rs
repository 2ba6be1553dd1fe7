//! Secrets, encrypted wherever a state is stored.
//!
//! A program's secrets are values in memory ([`Value::Secret`](phx_model::Value::Secret)) that have no stored form. [`SealedStore`] stands
//! before any other store and seals them: each is encrypted with AES-256-GCM under the stack's data key, and bound to the URN and the path
//! that it stands at, so that it is good nowhere else. The data key is random, and stands in the state itself, wrapped by a passphrase
//! ([`Passphrase`], Argon2id) or by AWS KMS (`Kms`, cargo feature `kms`). It is asked for when the first secret is read or written: a stack
//! without secrets needs neither passphrase nor KMS.
//!
//! Whoever only wants to look uses the store behind it: there secrets are [`Value::Sealed`](phx_model::Value::Sealed), and are shown as
//! `(secret)`.

mod document;
mod key;
#[cfg(feature = "kms")]
mod kms;
mod passphrase;
mod seal;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod walk;

pub use document::DocumentKey;
pub use key::{DataKey, KeySource, Keys};
#[cfg(feature = "kms")]
pub use kms::{AwsConfig, Kms};
pub use passphrase::{Ask, Cost, Passphrase};
pub use store::SealedStore;
/// Text that is wiped from memory when it is dropped: how passphrases are handed over.
pub use zeroize::Zeroizing;
