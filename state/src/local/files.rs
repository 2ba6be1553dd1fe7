//! Files that are either whole or not there, and locks that end with their process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use phx_model::store::StoreError;

use crate::wire::Unreadable;

/// Somebody who is told of each point that a write has just passed. Tests copy the folder there, or kill the process.
#[derive(Clone, Default)]
pub(crate) struct Points(pub(crate) Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Points {
    pub(crate) fn pass(&self, point: &'static str) {
        if let Some(watcher) = &self.0 {
            watcher(point);
        }
    }
}

pub(crate) fn io_error(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Io { what: format!("{doing} {}", path.display()), why: error.to_string() }
}

/// Creates the folder and the missing ones above it, for the user alone, durably. Says whether it was missing.
pub(crate) fn make_folder(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(false),
        Ok(_) => {
            let why = "it is there and is not a folder".to_owned();
            return Err(StoreError::Io { what: format!("creating the folder {}", path.display()), why });
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(io_error("looking at", path, &e)),
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => {}
        // Somebody else was as quick.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(io_error("creating the folder", path, &e)),
    }
    sync_folder(parent.unwrap_or(Path::new(".")))?;
    Ok(true)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    // Only Unix lets a folder be opened and synced; elsewhere a rename is as durable as the file system makes it.
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(path).and_then(|f| f.sync_all()) {
        // And so it is where a file system says that there is no such thing as syncing a folder: on shared folders of virtual machines, for one.
        Err(e) if !matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Err(io_error("making durable", path, &e))
        }
        _ => Ok(()),
    }
}

/// Copies a file durably, but for its name: that is as durable as its folder is made.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let copied = fs::copy(from, to).and_then(|_| if cfg!(unix) { File::open(to)?.sync_all() } else { Ok(()) });
    copied.map_err(|e| io_error("copying", from, &e))
}

/// How phx opens files to write them: for the user alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The whole file, if it is there. One that is longer than `most` is refused without being read.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let failed = |e: io::Error| ReadError::Io(io_error("reading", path, &e));
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    // Opening a pipe would wait for its other end.
    if !found.is_file() {
        return Err(Unreadable::Damaged("it is not a file".into()).into());
    }
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut bytes = Vec::new();
    if found.len() <= most {
        bytes.reserve(usize::try_from(found.len()).unwrap_or_default());
        Read::by_ref(&mut file).take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    let len = found.len().max(bytes.len() as u64);
    if len > most {
        return Err(Unreadable::Damaged(format!("it has {len} bytes, and {most} is the most")).into());
    }
    Ok(Some(bytes))
}

/// Why a file was not read.
pub(crate) enum ReadError {
    /// The file system refused.
    Io(StoreError),
    /// It is not what phx wrote there.
    Unreadable(Unreadable),
}

impl From<Unreadable> for ReadError {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(why)
    }
}

impl ReadError {
    /// The error for people, as [`Unreadable::at`] makes it.
    pub(crate) fn at(self, path: &Path, hint: &str) -> StoreError {
        match self {
            Self::Io(e) => e,
            Self::Unreadable(why) => why.at(path.display().to_string(), hint),
        }
    }
}

/// Puts the file in place as a whole, durably: whoever reads finds the old one or the new one, also after a power cut. There is one writer
/// at a time, so one name for the unfinished file is enough, and what a crash leaves of it is overwritten by the next.
pub(crate) fn replace(path: &Path, bytes: &[u8], points: &Points, moved: &'static str) -> Result<(), StoreError> {
    let unfinished = unfinished(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = |e: io::Error| io_error("writing", path, &e);
    let mut file = private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&unfinished)
        .map_err(|e| io_error("writing", &unfinished, &e))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    if let Err(e) = written {
        // What is left would only be in the way of a full disk. If it cannot be removed, the next write overwrites it.
        let _ = fs::remove_file(&unfinished);
        return Err(failed(e));
    }
    points.pass("file-written");
    fs::rename(&unfinished, path).map_err(failed)?;
    points.pass(moved);
    sync_folder(folder)
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// How a lock is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Shared,
    Exclusive,
}

/// Takes the lock of an open file if it is free. The lock ends when the file is closed, and so with its process at the latest.
pub(crate) fn try_lock(file: &File, path: &Path, kind: Kind) -> Result<bool, StoreError> {
    let tried = match kind {
        Kind::Shared => file.try_lock_shared(),
        Kind::Exclusive => file.try_lock(),
    };
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(io_error("locking", path, &e)),
    }
}

/// Takes a lock that everybody holds for moments only.
pub(crate) fn lock_briefly(file: &File, path: &Path, kind: Kind, patience: Duration) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    while !try_lock(file, path, kind)? {
        if began.elapsed() > patience {
            return Err(StoreError::Io {
                what: format!("locking {}", path.display()),
                why: format!(
                    "another process has held it for {} s, which should take moments; is one stopped or hanging?",
                    patience.as_secs()
                ),
            });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    Ok(())
}
