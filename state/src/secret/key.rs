//! Data keys, and where they come from.

use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use async_trait::async_trait;
use phx_model::key::{KeyHeader, KeyWrap};
use phx_model::store::StoreError;
use phx_model::urn::StackName;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The length of a nonce: 96 bits, random for each encryption.
pub(super) const NONCE: usize = 12;
/// The length of what GCM adds.
pub(super) const TAG: usize = 16;
/// The length of a key's name.
pub(super) const ID: usize = 8;

/// The key that a stack's secrets are encrypted with. It is wiped from memory when it is dropped.
pub struct DataKey {
    id: [u8; ID],
    cipher: Aes256Gcm,
}

impl DataKey {
    /// The key of these bytes. Its name follows from them, so that another key under the name is found out.
    pub fn new(bytes: &Zeroizing<[u8; 32]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"phx data key\n");
        hash.update(bytes.as_slice());
        let digest = hash.finalize();
        let mut id = [0; ID];
        id.copy_from_slice(&digest[..ID]);
        Self { id, cipher: Aes256Gcm::new((&**bytes).into()) }
    }

    /// Its name: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }

    pub(super) fn id_bytes(&self) -> [u8; ID] {
        self.id
    }

    /// Nonce, ciphertext and tag.
    pub(super) fn encrypt(&self, plain: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, String> {
        encrypt(&self.cipher, plain, bound_to)
    }

    /// The plaintext. `None`: this was not encrypted with this key for this place.
    pub(super) fn decrypt(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        decrypt(&self.cipher, sealed, bound_to)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id())
    }
}

pub(super) fn encrypt(cipher: &Aes256Gcm, plain: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, String> {
    let nonce: [u8; NONCE] = random()?;
    let sealed = cipher
        .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: bound_to })
        .map_err(|_| "it is too large to be encrypted".to_owned())?;
    let mut bytes = nonce.to_vec();
    bytes.extend(sealed);
    Ok(bytes)
}

pub(super) fn decrypt(cipher: &Aes256Gcm, sealed: &[u8], bound_to: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let plain = cipher.decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: bound_to });
    plain.ok().map(Zeroizing::new)
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| format!("the operating system gives no random numbers: {e}"))?;
    Ok(bytes)
}

/// A way to make and to find data keys.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// A new data key for a stack, and what is to be written down to find it again.
    async fn create(&self, stack: &StackName) -> Result<(KeyHeader, DataKey), StoreError>;

    /// The data key that was written down so.
    async fn open(&self, stack: &StackName, header: &KeyHeader) -> Result<DataKey, StoreError>;
}

/// The sources that there are: a stack's own says by which its key is opened; which one makes a new key is a matter of configuration.
#[derive(Clone, Default)]
pub struct Keys {
    passphrase: Option<Arc<dyn KeySource>>,
    kms: Option<Arc<dyn KeySource>>,
    new_by_kms: bool,
}

impl Keys {
    /// None: stacks without secrets can be worked on, and no others.
    pub fn none() -> Self {
        Self::default()
    }

    /// With one for keys that are wrapped by a passphrase.
    #[must_use]
    pub fn with_passphrase(mut self, source: impl KeySource + 'static) -> Self {
        self.passphrase = Some(Arc::new(source));
        self
    }

    /// With one for keys that are wrapped by KMS. `for_new`: new keys are wrapped so too, and not by a passphrase.
    #[must_use]
    pub fn with_kms(mut self, source: impl KeySource + 'static, for_new: bool) -> Self {
        self.kms = Some(Arc::new(source));
        self.new_by_kms = for_new;
        self
    }
}

#[async_trait]
impl KeySource for Keys {
    async fn create(&self, stack: &StackName) -> Result<(KeyHeader, DataKey), StoreError> {
        let source = if self.new_by_kms { &self.kms } else { &self.passphrase };
        match source {
            Some(source) => source.create(stack).await,
            None => Err(StoreError::Key {
                what: format!("the secrets of stack {stack}"),
                why: "they have to be encrypted before they are stored, and no key was given".into(),
                hint: "give a passphrase in PHX_PASSPHRASE, or name a KMS key in phx.toml: [secrets] kms = \"alias/…\""
                    .into(),
            }),
        }
    }

    async fn open(&self, stack: &StackName, header: &KeyHeader) -> Result<DataKey, StoreError> {
        let (source, hint) = match &header.wrap {
            KeyWrap::Passphrase { .. } => {
                (&self.passphrase, "give it in PHX_PASSPHRASE, or name a file that has it in PHX_PASSPHRASE_FILE")
            }
            KeyWrap::Kms { .. } => (&self.kms, "give AWS credentials that may use the key"),
        };
        match source {
            Some(source) => source.open(stack, header).await,
            None => Err(StoreError::Key {
                what: format!("the secrets of stack {stack}"),
                why: format!("they are encrypted with {}, which was not given", header.wrap.kind_name()),
                hint: hint.into(),
            }),
        }
    }
}

/// Checks that a key that was unwrapped is the one that the header names.
pub(super) fn checked(stack: &StackName, header: &KeyHeader, bytes: &[u8]) -> Result<DataKey, StoreError> {
    let key = <[u8; 32]>::try_from(bytes).ok().map(Zeroizing::new).map(|bytes| DataKey::new(&bytes));
    key.filter(|key| key.id() == header.id).ok_or_else(|| StoreError::Damaged {
        what: format!("the key of stack {stack}"),
        why: format!("what it is wrapped as is not the key {}", header.id),
        hint: "the state was changed by something else than phx; `phx state rollback` restores an earlier checkpoint"
            .into(),
    })
}
