//! Data keys wrapped by a passphrase.

use std::sync::Arc;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::KeyInit;
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_model::key::{KeyHeader, KeyWrap};
use phx_model::store::StoreError;
use phx_model::urn::StackName;
use zeroize::Zeroizing;

use super::key::{self, DataKey, KeySource};

/// What Argon2id costs. Written down with each key, so that a later phx may ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The memory in KiB.
    pub m_kib: u32,
    /// The passes over it.
    pub t: u32,
    /// The lanes.
    pub p: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { m_kib: 64 * 1024, t: 3, p: 1 }
    }
}

impl Cost {
    /// More than this is not believed: a state that asks for it would exhaust whoever reads it.
    const MOST: Self = Self { m_kib: 1024 * 1024, t: 64, p: 16 };

    fn is_reasonable(self) -> bool {
        self.m_kib <= Self::MOST.m_kib && self.t <= Self::MOST.t && self.p <= Self::MOST.p
    }
}

/// For what a passphrase is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For a key that exists.
    Known,
    /// For a new key: a typing mistake would lock everybody out, so it is best asked for twice.
    New,
}

type Asker = dyn Fn(&StackName, Ask) -> Result<Zeroizing<String>, String> + Send + Sync;

/// Data keys that are wrapped by a key made of a passphrase.
#[derive(Clone)]
pub struct Passphrase {
    ask: Arc<Asker>,
    cost: Cost,
}

impl Passphrase {
    /// This passphrase.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Self {
        let text = text.into();
        Self::asking(move |_, _| Ok(text.clone()))
    }

    /// A passphrase that is asked for when it is needed. An error says why there is none and what to do. It may block.
    pub fn asking(ask: impl Fn(&StackName, Ask) -> Result<Zeroizing<String>, String> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), cost: Cost::default() }
    }

    /// With another cost for new keys. The default is for real ones; tests need not wait for it.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// Does what takes its time (asking a person, Argon2) where that keeps nobody else waiting: a lease is renewed meanwhile.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || work(this)).await;
        done.map_err(|e| StoreError::Io { what: "making a key of the passphrase".into(), why: e.to_string() })?
    }

    fn text(&self, stack: &StackName, ask: Ask) -> Result<Zeroizing<String>, StoreError> {
        let refused = |why: String, hint: &str| StoreError::Key {
            what: format!("the secrets of stack {stack}"),
            why,
            hint: hint.to_owned(),
        };
        let hint = "give it in PHX_PASSPHRASE, or name a file that has it in PHX_PASSPHRASE_FILE";
        let text = (self.ask)(stack, ask).map_err(|why| refused(why, hint))?;
        if text.is_empty() {
            return Err(refused("the passphrase is empty".into(), hint));
        }
        Ok(text)
    }
}

/// What the wrapped key is bound to: whoever changes one of these gets another key, or none.
fn bound_to(id: &str, cost: Cost) -> Vec<u8> {
    format!("phx key 1\n{id}\n{} {} {}", cost.m_kib, cost.t, cost.p).into_bytes()
}

fn wrapper(text: &str, salt: &[u8], cost: Cost) -> Result<Aes256Gcm, String> {
    let params = Params::new(cost.m_kib, cost.t, cost.p, Some(32)).map_err(|e| e.to_string())?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut made = Zeroizing::new([0; 32]);
    argon.hash_password_into(text.as_bytes(), salt, made.as_mut_slice()).map_err(|e| e.to_string())?;
    Ok(Aes256Gcm::new((&*made).into()))
}

#[async_trait]
impl KeySource for Passphrase {
    async fn create(&self, stack: &StackName) -> Result<(KeyHeader, DataKey), StoreError> {
        let stack = stack.clone();
        self.aside(move |this| {
            let text = this.text(&stack, Ask::New)?;
            let make = || -> Result<(KeyHeader, DataKey), String> {
                let bytes = Zeroizing::new(key::random::<32>()?);
                let data_key = DataKey::new(&bytes);
                let (salt, id, cost) = (key::random::<16>()?, data_key.id(), this.cost);
                let sealed = key::encrypt(&wrapper(&text, &salt, cost)?, bytes.as_slice(), &bound_to(&id, cost))?;
                let Cost { m_kib, t, p } = cost;
                let (salt, sealed) = (STANDARD.encode(salt), STANDARD.encode(sealed));
                let wrap = KeyWrap::Passphrase { salt, m_kib, t, p, sealed };
                Ok((KeyHeader { id, wrap }, data_key))
            };
            make().map_err(|why| StoreError::Io { what: format!("making a key for the secrets of stack {stack}"), why })
        })
        .await
    }

    async fn open(&self, stack: &StackName, header: &KeyHeader) -> Result<DataKey, StoreError> {
        let damaged = |stack: &StackName, why: String| StoreError::Damaged {
            what: format!("the key of stack {stack}"),
            why,
            hint: "`phx state rollback` restores an earlier checkpoint".into(),
        };
        let KeyWrap::Passphrase { salt, m_kib, t, p, sealed } = &header.wrap else {
            return Err(damaged(stack, format!("it is wrapped by {}", header.wrap.kind_name())));
        };
        let cost = Cost { m_kib: *m_kib, t: *t, p: *p };
        if !cost.is_reasonable() {
            let Cost { m_kib, t, p } = Cost::MOST;
            let why = format!(
                "opening it would take {} KiB and {} passes in {} lanes, and {m_kib}, {t} and {p} are the most that phx spends",
                cost.m_kib, cost.t, cost.p
            );
            return Err(damaged(stack, why));
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|e| damaged(stack, format!("it is not base64: {e}")));
        let (salt, sealed) = (decode(salt)?, decode(sealed)?);
        let (stack, header) = (stack.clone(), header.clone());
        self.aside(move |this| {
            let text = this.text(&stack, Ask::Known)?;
            let wrapper = wrapper(&text, &salt, cost).map_err(|why| damaged(&stack, why))?;
            let plain = key::decrypt(&wrapper, &sealed, &bound_to(&header.id, cost)).ok_or_else(|| StoreError::Key {
                what: format!("the secrets of stack {stack}"),
                why: "this is not the passphrase that they are encrypted with (or the stored key is damaged)".into(),
                hint: "check PHX_PASSPHRASE; each stack has the passphrase that was given when its first secret was stored"
                    .into(),
            })?;
            key::checked(&stack, &header, &plain)
        })
        .await
    }
}
