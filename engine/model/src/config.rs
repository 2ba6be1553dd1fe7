//! Typed stack configuration from TOML, with mistakes named by file, line and key.

use serde::de::DeserializeOwned;

/// A configuration file's text and where it came from.
#[derive(Clone, Debug, Default)]
pub struct ConfigSource {
    /// The file's name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Top-level tables that are phx's own and not the program's: `aws`.
    pub reserved: &'static [&'static str],
}

/// A mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The key, with the tables it lies in: `network.cidr`. Empty if the mistake is not about one.
    pub key: String,
    /// What is wrong; names the key.
    pub message: String,
}

impl ConfigSource {
    /// The program's part of the file: all but the reserved tables. Unknown keys are mistakes.
    pub fn read<C: DeserializeOwned>(&self) -> Result<C, ConfigError> {
        let _ = std::marker::PhantomData::<C>;
        Err(self.placeholder())
    }

    /// One of the reserved tables; `None` if the file does not have it. Unknown keys are mistakes.
    pub fn table<C: DeserializeOwned>(&self, _name: &str) -> Result<Option<C>, ConfigError> {
        Err(self.placeholder())
    }

    fn placeholder(&self) -> ConfigError {
        ConfigError { file: self.file.clone(), line: 0, column: 0, key: String::new(), message: String::new() }
    }
}
