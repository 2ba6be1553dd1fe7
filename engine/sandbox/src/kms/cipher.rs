//! Encrypting and decrypting, with AES-256-GCM and a key's own material, which lies in the state file beside everything else. A ciphertext names
//! its key, and is bound to it and to the encryption context. Asymmetric keys do neither here.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Key, Kms, SYMMETRIC, State, invalid};
use crate::near::only;
use crate::shape::{fault, tag_map};
use crate::wire::Fault;

/// The length of a key's id, with which a ciphertext begins.
const ID: usize = 36;
/// The length of what follows it: random for each encryption.
const NONCE: usize = 12;
/// How many bytes Encrypt takes.
const MOST: usize = 4096;

/// Bytes at random.
fn random() -> impl Iterator<Item = u8> {
    // The seventh and the ninth byte of a random UUID are not random.
    let uuids = std::iter::repeat_with(|| uuid::Uuid::new_v4().into_bytes().into_iter().enumerate());
    uuids.flatten().filter(|(at, _)| ![6, 8].contains(at)).map(|(_, byte)| byte)
}

/// Material for a new key.
pub(super) fn material() -> String {
    hex::encode(random().take(32).collect::<Vec<u8>>())
}

/// What a request says in base64.
fn bytes(ask: &Value, name: &str) -> Result<Vec<u8>, Fault> {
    let said = ask[name].as_str().and_then(|text| STANDARD.decode(text).ok());
    said.ok_or_else(|| invalid(format!("{name} must be said, in base64")))
}

/// What a ciphertext is good for: a key and an encryption context. No context and an empty one are the same.
fn bound_to(id: &str, ask: &Value) -> String {
    json!([id, tag_map(&ask["EncryptionContext"])]).to_string()
}

/// A ciphertext that was damaged, or made with another key or in another context. KMS says no more either.
fn unreadable() -> Fault {
    Fault::new("InvalidCiphertextException", "")
}

impl Key {
    /// Refuses what KMS does not do with a key of this kind and in this state.
    fn check(&self, operation: &str, ask: &Value) -> Result<(), Fault> {
        let arn = self.arn();
        let not_now = |state: &str| Fault::new("KMSInvalidStateException", format!("{arn} is {state}."));
        match self.state {
            // Its policy lets in nobody but that service.
            _ if self.is("KeyManager", "AWS") => {
                let message = format!("User is not authorized to perform: kms:{operation} on the resource {arn}");
                return Err(Fault::new("AccessDeniedException", message));
            }
            State::Enabled => {}
            State::Disabled => return Err(Fault::new("DisabledException", format!("{arn} is disabled."))),
            State::PendingDeletion => return Err(not_now("pending deletion")),
            State::PendingImport => return Err(not_now("pending import")),
        }
        let symmetric = self.is("KeySpec", SYMMETRIC);
        let unfit = if symmetric {
            ask["EncryptionAlgorithm"].as_str().is_some_and(|algorithm| algorithm != SYMMETRIC)
        } else {
            operation == "GenerateDataKey" || !self.is("KeyUsage", "ENCRYPT_DECRYPT")
        };
        if unfit {
            let message = format!("{arn} key usage or key spec is not valid for {operation}.");
            return Err(Fault::new("InvalidKeyUsageException", message));
        }
        match symmetric {
            true => Ok(()),
            false => Err(Fault::not_implemented(&format!("kms:{operation} with asymmetric keys"))),
        }
    }

    fn cipher(&self) -> Result<Aes256Gcm, Fault> {
        let material = hex::decode(&self.material).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let missing = || fault(500, "KMSInternalException", format!("{} has no key material", self.arn()));
        Ok(Aes256Gcm::new((&material.ok_or_else(missing)?).into()))
    }

    /// A ciphertext, in base64.
    fn seal(&self, id: &str, plain: &[u8], ask: &Value) -> Result<String, Fault> {
        let mut random = random();
        let nonce: [u8; NONCE] = std::array::from_fn(|_| random.next().unwrap_or_default());
        let bound_to = bound_to(id, ask);
        let payload = Payload { msg: plain, aad: bound_to.as_bytes() };
        let sealed = self.cipher()?.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| invalid("The plaintext is too long"))?;
        Ok(STANDARD.encode([id.as_bytes(), nonce.as_slice(), sealed.as_slice()].concat()))
    }

    /// What was sealed. `None`: not with this key and for this context.
    fn open(&self, id: &str, sealed: &[u8], ask: &Value) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let bound_to = bound_to(id, ask);
        let payload = Payload { msg: sealed, aad: bound_to.as_bytes() };
        self.cipher().ok()?.decrypt(&Nonce::from(nonce), payload).ok()
    }
}

impl Kms {
    pub(super) fn encrypt(&self, ask: &Value) -> Result<Value, Fault> {
        let known = ["EncryptionAlgorithm", "EncryptionContext", "KeyId", "Plaintext"];
        only(ask, "kms:Encrypt", &known)?;
        let (id, key) = self.named(ask, true)?;
        key.check("Encrypt", ask)?;
        let plain = bytes(ask, "Plaintext")?;
        if !(1..=MOST).contains(&plain.len()) {
            return Err(invalid(format!("Plaintext has 1 to {MOST} bytes, not {}", plain.len())));
        }
        let sealed = key.seal(id, &plain, ask)?;
        Ok(json!({"CiphertextBlob": sealed, "KeyId": key.arn(), "EncryptionAlgorithm": SYMMETRIC}))
    }

    pub(super) fn decrypt(&self, ask: &Value) -> Result<Value, Fault> {
        let known = ["CiphertextBlob", "EncryptionAlgorithm", "EncryptionContext", "KeyId"];
        only(ask, "kms:Decrypt", &known)?;
        let blob = bytes(ask, "CiphertextBlob")?;
        let (id, sealed) = blob.split_at_checked(ID).ok_or_else(unreadable)?;
        let id = std::str::from_utf8(id).map_err(|_| unreadable())?;
        uuid::Uuid::parse_str(id.strip_prefix("mrk-").unwrap_or(id)).map_err(|_| unreadable())?;
        if !ask["KeyId"].is_null() && self.named(ask, true)?.0 != id {
            let message = "The key ID in the request does not identify a CMK that can perform this operation.";
            return Err(Fault::new("IncorrectKeyException", message));
        }
        let key = self.keys.get(id).ok_or_else(|| {
            let message = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";
            Fault::new("AccessDeniedException", message)
        })?;
        key.check("Decrypt", ask)?;
        let plain = key.open(id, sealed, ask).ok_or_else(unreadable)?;
        Ok(json!({"Plaintext": STANDARD.encode(plain), "KeyId": key.arn(), "EncryptionAlgorithm": SYMMETRIC}))
    }

    pub(super) fn generate_data_key(&self, ask: &Value) -> Result<Value, Fault> {
        only(ask, "kms:GenerateDataKey", &["EncryptionContext", "KeyId", "KeySpec", "NumberOfBytes"])?;
        let (id, key) = self.named(ask, true)?;
        key.check("GenerateDataKey", ask)?;
        let length = match (ask["KeySpec"].as_str(), ask["NumberOfBytes"].as_u64()) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (None, Some(length)) => usize::try_from(length).unwrap_or(usize::MAX),
            (Some(other), None) => return Err(invalid(format!("KeySpec {other} is neither AES_128 nor AES_256"))),
            _ => return Err(invalid("Please specify either number of bytes or key spec.")),
        };
        if !(1..=1024).contains(&length) {
            return Err(invalid(format!("NumberOfBytes must be 1 to 1024, not {length}")));
        }
        let plain: Vec<u8> = random().take(length).collect();
        let sealed = key.seal(id, &plain, ask)?;
        Ok(json!({"CiphertextBlob": sealed, "Plaintext": STANDARD.encode(plain), "KeyId": key.arn()}))
    }
}
