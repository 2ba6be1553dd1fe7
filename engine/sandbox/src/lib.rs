//! The sandbox: an AWS account inside this binary, to try a program on with no account, no Docker and no Python.
//!
//! `--sandbox` hands the SDK an HTTP client that never opens a socket ([`Sandbox::open`]); `phx sandbox start` serves the same account on
//! 127.0.0.1, for the aws CLI and whatever else speaks to AWS ([`serve`]). Its state is one file, `sandbox.json`, beside the stack's;
//! one process at a time holds it, and a server that does is used by the others over HTTP ([`Sandbox::connect_or_open`]).
//!
//! What is emulated:
//! - EC2, by phx itself (`ec2`), with AWS's checks: VPCs with subnets, gateways (internet, NAT, egress-only, VPN), Elastic IPs, route tables,
//!   security groups and their rules, network ACLs, flow logs, endpoints, peerings, DHCP options and prefix lists; launch templates, instances
//!   with their interfaces, volumes and profiles, key pairs; VPN connections; a catalogue of images. winterbaume 1.0's is too far from AWS
//!   for these: rules lose their ids, tags, descriptions and peers, routes their kind of target; VPCs come without main route table and
//!   default group; subnets may overlap, lie outside their VPC and in another region's zones; most attributes, IPv6 ranges and later tags are
//!   lost; unknown filters and ids answer with everything or nothing; deletes in the wrong order pass; client tokens and paging are ignored.
//! - IAM and STS, by phx itself (`iam` says why, `sts`).
//! - By phx itself as well: SNS (`sns`), SQS (`sqs`), CloudWatch's alarms and dashboards (`cloudwatch`), EventBridge's rules and targets
//!   (`events`), Route 53 (`route53`), Systems Manager's parameters, AWS's own for images among them (`ssm`), AWS Backup (`backup`),
//!   Budgets (`budgets`), Cost Explorer's anomaly monitors (`ce`), CloudTrail (`cloudtrail`), AWS Config (`config`), GuardDuty (`guardduty`),
//!   Security Hub (`securityhub`), the account's public access block (`s3control`), and the tagging API's GetResources over all of them
//!   (`tagging`). winterbaume 0.2 has these services, and loses what phx's types set: an alarm keeps no expressions, datapoints, percentiles or
//!   treatment of missing data, a target nothing but its input, a rule neither role nor tags, a queue neither its key nor who may send to it.
//! - EKS (`eks`), RDS's instances (`rds`), KMS's keys (`kms`) and Secrets Manager (`secretsmanager`), by phx itself; each says why, and what of it
//!   does not exist. EKS makes a cluster's security group in EC2, RDS its users' passwords in Secrets Manager, and both look up what they are
//!   told of: subnets, security groups and launch templates, RDS its keys as well. There is no Kubernetes and no database behind them, nothing
//!   is encrypted but what KMS itself is asked to encrypt, and no function rotates a secret. Versions of Kubernetes, add-ons and engines are a
//!   catalogue of January 2026. Neither clusters nor databases have interfaces in their subnets, so EC2 lets these and their security groups be
//!   deleted first.
//! - CloudWatch Logs and S3 by winterbaume, with corrections in front (`logs`, `s3` say which).
//!
//! What differs from AWS: everything is available and consistent at once; nothing is throttled; credentials and policies are not
//! checked; any name under `arn:aws:iam::aws:policy/` is taken for a policy of AWS, and any well-formed id for an image. There is no default VPC.
//! A deleted object is gone at once, but for NAT gateways and instances, which are told of for an hour. The credentials of an assumed role of
//! another account are that account's for GetCallerIdentity; every other service answers them for the sandbox's own. Secondary IPv4 ranges,
//! address pools, encryption controls, regional NAT gateways, network interfaces without an instance, snapshots, transit gateways and
//! peerings across regions do not exist. An operation or parameter that is missing is answered with `NotImplemented` and status 501, never
//! with silence.
//!
//! Nothing happens by itself in any service: no message is delivered, no metric or event arrives, no backup, trail, recorder, detector or
//! standard finds anything, no money is spent. Subscriptions by e-mail and over HTTP wait for ever for whoever confirms them. Event buses of
//! one's own, organizations, and older versions of parameters do not exist. Whether a bucket, topic, key, role or VPC that another service
//! is told of exists or lets it in is not checked, unless that service says so.
//!
//! The state file holds everything as it was sent, secure parameters and secrets included: only its owner can read it.
//!
//! State is saved half a second after a change and at the end; a process that is killed loses no more than that.

mod backup;
mod budgets;
mod cbor;
mod ce;
mod client;
mod cloudtrail;
mod cloudwatch;
mod config;
mod ec2;
mod eks;
mod emulator;
mod events;
mod form;
mod guardduty;
mod iam;
mod kms;
mod logs;
mod near;
mod rds;
mod route53;
mod s3;
mod s3control;
mod secretsmanager;
mod securityhub;
mod server;
mod service;
mod services;
mod shape;
mod sns;
mod sqs;
mod ssm;
mod sts;
mod tagging;
#[cfg(test)]
mod tests;
mod wire;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde::{Deserialize, Serialize};

use client::Client;
use emulator::{Document, Emulator, FORMAT};
pub use server::{DEFAULT_PORT, Status, reset, serve, start, status, stop};

/// The account of every sandbox. No AWS account has this id.
pub const ACCOUNT_ID: &str = "000000000000";
/// The region of what names none.
pub const REGION: &str = "us-west-2";
/// Credentials to sign with, since the SDKs insist. They open nothing.
pub const ACCESS_KEY_ID: &str = "phx-sandbox";
/// See [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "phx-sandbox";

const STATE_FILE: &str = "sandbox.json";
const LOCK_FILE: &str = "sandbox.lock";
const HOLDER_FILE: &str = "sandbox.pid";
const OBJECTS_DIR: &str = "sandbox-objects";
/// How long a change may wait to be saved.
const SAVE_AFTER: Duration = Duration::from_millis(500);

/// Why a sandbox cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// Another process has it open.
    #[error("the sandbox in {} is in use by process {pid}\n  hint: wait for it to end, or give this run a sandbox of its own with another --state", dir.display())]
    InUse {
        /// The sandbox's directory.
        dir: PathBuf,
        /// Who has it.
        pid: u32,
    },
    /// A server has it open but does not answer.
    #[error("the sandbox in {} belongs to a server (process {pid}), which does not answer: {reason}\n  hint: end that process, then start again", dir.display())]
    ServerSilent {
        /// The sandbox's directory.
        dir: PathBuf,
        /// The server.
        pid: u32,
        /// What happened instead.
        reason: String,
    },
    /// The state file is damaged.
    #[error("{} is not a sandbox's state: {reason}\n  hint: `phx sandbox reset` starts an empty one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The state file was written by a newer phx.
    #[error("{} has format {found}; this phx reads up to {FORMAT}\n  hint: use the newer phx, or `phx sandbox reset`", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A server could not be started, or failed.
    #[error("the sandbox server {what}")]
    Server {
        /// What it could not do, and why.
        what: String,
    },
    /// The file system refused.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was being done.
        what: String,
        /// Why not.
        error: io::Error,
    },
}

type Result<T> = std::result::Result<T, SandboxError>;

fn doing<T>(what: impl FnOnce() -> String, result: io::Result<T>) -> Result<T> {
    result.map_err(|error| SandboxError::Io { what: what(), error })
}

/// Who has a sandbox open; beside the lock, which alone decides, because a lock says nothing about its holder.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    /// A server's port, once it listens.
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    server: bool,
    /// Shows the server that a request to stop or reset comes from someone who can read the sandbox's directory.
    #[serde(default)]
    token: String,
}

impl Holder {
    fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join(HOLDER_FILE)).ok()?).ok()
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(HOLDER_FILE);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let text = serde_json::to_vec(self).map_err(io::Error::from);
        doing(|| format!("write {}", path.display()), text.and_then(|text| options.open(&path)?.write_all(&text)))
    }
}

/// The right to a sandbox's directory, until dropped.
struct Lock {
    dir: PathBuf,
    _file: File,
}

impl Lock {
    /// `None` if it is taken.
    fn take(dir: &Path) -> Result<Option<Self>> {
        doing(|| format!("make the directory {}", dir.display()), fs::create_dir_all(dir))?;
        let path = dir.join(LOCK_FILE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = doing(|| format!("open {}", path.display()), file)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { dir: dir.to_owned(), _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(SandboxError::Io { what: format!("lock {}", path.display()), error })
            }
        }
    }
}

/// The right to a directory. Someone who only looks whether it is taken holds the lock for an instant, without a name: that is waited out.
async fn take(dir: &Path) -> Result<std::result::Result<Lock, Holder>> {
    for _ in 0..50 {
        if let Some(lock) = Lock::take(dir)? {
            return Ok(Ok(lock));
        }
        if let Some(holder) = Holder::read(dir) {
            return Ok(Err(holder));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Err(Holder { pid: 0, port: None, server: false, token: String::new() }))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a help to others: a stale one is told by its lock being free.
        let _ = fs::remove_file(self.dir.join(HOLDER_FILE));
    }
}

/// A sandbox in use, in this process or in a server's.
pub struct Sandbox {
    client: Client,
    here: Option<Here>,
}

/// A sandbox in this process. Fields are dropped in their order: the last save comes before the lock goes.
struct Here {
    emulator: Arc<Emulator>,
    saver: Saver,
    lock: Lock,
}

impl Sandbox {
    /// Opens the sandbox in `dir`, an empty one if there is none yet.
    pub async fn open(dir: &Path) -> Result<Self> {
        match take(dir).await? {
            Ok(lock) => Self::with(lock).await,
            Err(holder) => Err(SandboxError::InUse { dir: dir.to_owned(), pid: holder.pid }),
        }
    }

    /// Uses the server that has the sandbox in `dir`, or opens it in this process if nobody has it.
    pub async fn connect_or_open(dir: &Path) -> Result<Self> {
        match take(dir).await? {
            Ok(lock) => Self::with(lock).await,
            Err(holder) if !holder.server => Err(SandboxError::InUse { dir: dir.to_owned(), pid: holder.pid }),
            Err(_) => Ok(Self { client: Client::Server(server::running(dir).await?), here: None }),
        }
    }

    async fn with(lock: Lock) -> Result<Self> {
        let here =
            Here::open(lock, Holder { pid: std::process::id(), port: None, server: false, token: String::new() })
                .await?;
        Ok(Self { client: Client::Here(Arc::clone(&here.emulator)), here: Some(here) })
    }

    /// What the SDK is to send its requests with. It reaches this sandbox and nothing else.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.client.clone())
    }

    /// The server's address, if the sandbox is a server's.
    pub fn endpoint(&self) -> Option<String> {
        match self.client {
            Client::Here(_) => None,
            Client::Server(port) => Some(server::endpoint(port)),
        }
    }

    /// Saves what has changed. It also happens by itself, soon after each change and when the sandbox is dropped; this says whether it worked.
    pub async fn save(&self) -> Result<()> {
        match &self.here {
            Some(here) => here.save().await,
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Here {
    async fn open(lock: Lock, holder: Holder) -> Result<Self> {
        holder.write(&lock.dir)?;
        let objects = lock.dir.join(OBJECTS_DIR);
        let emulator = doing(|| format!("make the directory {}", objects.display()), Emulator::new(&objects))?;
        let path = lock.dir.join(STATE_FILE);
        let damaged = |reason: String| SandboxError::Damaged { path: path.clone(), reason };
        match fs::read(&path) {
            Ok(bytes) => {
                #[derive(Deserialize)]
                struct Head {
                    format: u32,
                }
                let head: Head = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
                if head.format > FORMAT {
                    return Err(SandboxError::Newer { path, found: head.format });
                }
                if head.format < FORMAT {
                    // Nothing in a sandbox is worth a migration.
                    let found = head.format;
                    return Err(damaged(format!(
                        "an older phx wrote it, in format {found}, and this one reads format {FORMAT}"
                    )));
                }
                let document: Document = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
                emulator.restore(document).await.map_err(|e| damaged(e.to_string()))?;
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(SandboxError::Io { what: format!("read {}", path.display()), error }),
        }
        let emulator = Arc::new(emulator);
        let saver = Saver::start(Arc::clone(&emulator), lock.dir.clone())?;
        Ok(Self { emulator, saver, lock })
    }

    async fn save(&self) -> Result<()> {
        save(&self.emulator, &self.lock.dir).await
    }

    /// Saves for the last time, and says whether that worked.
    async fn close(mut self) -> Result<()> {
        self.saver.stop();
        self.save().await
    }
}

/// Writes the state, all of it or nothing, if anything has changed.
async fn save(emulator: &Emulator, dir: &Path) -> Result<()> {
    if !emulator.take_changed() {
        return Ok(());
    }
    let path = dir.join(STATE_FILE);
    let new = dir.join(format!("{STATE_FILE}.new"));
    let document = emulator.snapshot().await.map_err(io::Error::other);
    let write = || {
        let bytes = serde_json::to_vec(&document?)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // Secrets are in it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        // The rename is only durable once the directory is; not every system can open one.
        File::open(dir).map_or(Ok(()), |dir| dir.sync_all())
    };
    let written = write();
    if written.is_err() {
        emulator.set_changed();
    }
    doing(|| format!("write {}", path.display()), written)
}

/// Saves in the background.
struct Saver {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Saver {
    /// On a thread of its own, so that it works in every runtime and after it.
    fn start(emulator: Arc<Emulator>, dir: PathBuf) -> Result<Self> {
        let (stop, stopped) = channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = doing(|| "start a runtime to save the sandbox".to_owned(), runtime)?;
        let run = move || {
            loop {
                let last = !matches!(stopped.recv_timeout(SAVE_AFTER), Err(RecvTimeoutError::Timeout));
                if let Err(error) = runtime.block_on(save(&emulator, &dir)) {
                    tracing::error!(%error, "the sandbox's state was not saved");
                }
                if last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("sandbox-save".to_owned()).spawn(run);
        Ok(Self { stop: Some(stop), thread: Some(doing(|| "start a thread to save the sandbox".to_owned(), thread)?) })
    }

    fn stop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that saves the sandbox's state has failed");
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.stop();
    }
}
