//! What a state says of the key that its secrets are encrypted with. Plain data: the key itself is never here, and whoever has only this
//! can read no secret.

use serde::{Deserialize, Serialize};

use crate::urn::{NameError, StackName};

/// The data key of a stack, wrapped: what a store writes down so that whoever may read the secrets finds the key again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyHeader {
    /// 16 hexadecimal digits that name the data key. Every encrypted value begins with it.
    pub id: String,
    /// The data key, encrypted, and what it takes to decrypt it.
    pub wrap: KeyWrap,
}

/// How a data key is wrapped. Binary parts are base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyWrap {
    /// By a key made of a passphrase with Argon2id.
    Passphrase {
        /// Random, so that no two stacks have one key for one passphrase.
        salt: String,
        /// Argon2's memory in KiB.
        m_kib: u32,
        /// Argon2's passes.
        t: u32,
        /// Argon2's lanes.
        p: u32,
        /// The data key: nonce, AES-256-GCM ciphertext, tag.
        sealed: String,
    },
    /// By a key of AWS KMS.
    Kms {
        /// Its ARN, as KMS told it.
        key: String,
        /// The data key, as KMS encrypted it.
        ciphertext: String,
    },
}

impl KeyWrap {
    /// What kind it is, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Passphrase { .. } => "a passphrase",
            Self::Kms { .. } => "a KMS key",
        }
    }
}

/// Checks the name of a configured secret. The same rules as for a stack's name.
pub fn check_secret_name(name: &str) -> Result<(), NameError> {
    StackName::new(name).map(drop).map_err(|e| NameError { what: "secret name", ..e })
}
