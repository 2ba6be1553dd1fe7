//! A journal file: appending to it, and reading it back.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use phx_model::state::{Entry, Fold, State};
use phx_model::store::StoreError;

use super::files::{Points, io_error, private};
use crate::wire::{Chain, MAX_LINE, Unreadable};

/// What a journal is written to. A file, and in tests one that fails.
pub(crate) trait Sink {
    /// Adds the bytes at the end.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was added durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Takes away what follows the first `len` bytes, durably.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Sink for File {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.sync_all()
    }
}

/// A journal open for appending. What an append costs does not depend on what is there already.
pub(crate) struct Appender<S> {
    sink: S,
    path: PathBuf,
    chain: Chain,
    len: u64,
    /// Why nothing can be appended any more.
    broken: Option<String>,
}

impl Appender<File> {
    /// Creates the journal, empty. One of that name that no head names is left over from a crash, and is emptied.
    pub(crate) fn create(path: PathBuf, chain: Chain) -> Result<Self, StoreError> {
        let failed = |e: io::Error| io_error("creating", &path, &e);
        let file = private().append(true).create(true).open(&path).map_err(failed)?;
        file.set_len(0).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self { sink: file, path, chain, len: 0, broken: None })
    }

    /// Opens a journal that was read up to `tail`, and takes a torn last line away.
    pub(crate) fn open(path: PathBuf, tail: Tail) -> Result<Self, StoreError> {
        let failed = |e: io::Error| io_error("opening", &path, &e);
        let mut file = private().append(true).open(&path).map_err(failed)?;
        // Whoever wrote the last lines may have been killed before they were durable, and what is done from now on goes by them.
        let durable = if tail.torn { file.cut(tail.len) } else { file.sync() };
        durable.map_err(failed)?;
        Ok(Self { sink: file, path, chain: tail.chain, len: tail.len, broken: None })
    }
}

impl<S: Sink> Appender<S> {
    /// Adds the entries with one write and makes them durable with one sync.
    pub(crate) fn append(&mut self, generation: u64, entries: &[String], points: &Points) -> Result<(), StoreError> {
        if let Some(why) = &self.broken {
            return Err(StoreError::Io {
                what: format!("writing {}", self.path.display()),
                why: format!(
                    "an earlier write failed ({why}) and left the file in doubt; the next run reads what is good of it"
                ),
            });
        }
        let mut chain = self.chain.clone();
        let mut bytes = Vec::new();
        for entry in entries {
            chain.encode(generation, entry, &mut bytes);
        }
        let written = self.sink.add(&bytes);
        if let Err(e) = written {
            // A full disk, mostly. Whatever did arrive must not stay in front of the next entry.
            if let Err(cut) = self.sink.cut(self.len) {
                self.broken = Some(format!("{e}, and then {cut}"));
            }
            return Err(io_error("writing", &self.path, &e));
        }
        points.pass("entries-written");
        if let Err(e) = self.sink.sync() {
            // After a failed sync nobody can say what the disk has, and a second sync would not tell either.
            let cut = self.sink.cut(self.len).err().map(|cut| format!(", and then {cut}")).unwrap_or_default();
            self.broken = Some(format!("{e}{cut}"));
            return Err(io_error("making durable", &self.path, &e));
        }
        points.pass("entries-durable");
        self.len += bytes.len() as u64;
        self.chain = chain;
        Ok(())
    }
}

/// How far a journal can be read.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    /// What the next line follows.
    pub(crate) chain: Chain,
    /// The length of what is good.
    pub(crate) len: u64,
    /// Whether an unfinished line follows it.
    pub(crate) torn: bool,
}

/// What stopped the reading of a journal.
pub(crate) enum Stop {
    /// There is no such file.
    Missing,
    /// The file system refused.
    Io(StoreError),
    /// A line is bad, or cannot follow the ones before it.
    Bad {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: Unreadable,
    },
}

/// Reads the journal and folds its entries over `state`. On a bad line, `state` is what the lines before it make.
///
/// A last line without its end was being written when a process died. Its writer was never told that it is durable, so it is left out.
pub(crate) fn fold(path: &Path, chain: Chain, state: &mut State) -> Result<Tail, Stop> {
    let mut fold = Fold::of(state);
    read(path, chain, |entry| fold.apply(&entry).map_err(|e| e.to_string()))
}

pub(crate) fn read(path: &Path, chain: Chain, mut each: impl FnMut(Entry) -> Result<(), String>) -> Result<Tail, Stop> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => Stop::Missing,
        _ => Stop::Io(io_error("reading", path, &e)),
    };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Stop::Bad { line: 1, why: Unreadable::Damaged("it is not a file".into()) });
    }
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path).map_err(failed)?);
    let mut tail = Tail { chain, len: 0, torn: false };
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let bad = |why: Unreadable| Stop::Bad { line, why };
        let read = Read::by_ref(&mut reader).take(MAX_LINE + 1).read_until(b'\n', &mut bytes).map_err(failed)? as u64;
        if read == 0 {
            break;
        }
        if read > MAX_LINE {
            return Err(bad(Unreadable::Damaged(format!("it is longer than {MAX_LINE} bytes"))));
        }
        let Some(text) = bytes.strip_suffix(b"\n") else {
            // An unfinished line is the beginning of a good one. A good one with another byte in place of its end is something else.
            if let Some((_, whole)) = bytes.split_last()
                && tail.chain.clone().decode(whole).is_ok()
            {
                return Err(bad(Unreadable::Damaged("its last byte is not the end of a line".into())));
            }
            tail.torn = true;
            break;
        };
        let entry = tail.chain.decode(text).map_err(bad)?;
        each(entry).map_err(|why| bad(Unreadable::Damaged(why)))?;
        tail.len += read;
    }
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use phx_model::ValueMap;

    use super::*;
    use crate::wire::entry_text;

    /// A disk that takes `room` bytes more, and may refuse to sync or to cut.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        no_sync: bool,
        no_cut: bool,
    }

    impl Sink for Disk {
        fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
            let fits = bytes.len().min(self.room);
            self.bytes.extend_from_slice(&bytes[..fits]);
            self.room -= fits;
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
        fn sync(&mut self) -> io::Result<()> {
            if self.no_sync { Err(io::Error::other("sync")) } else { Ok(()) }
        }
        fn cut(&mut self, len: u64) -> io::Result<()> {
            if self.no_cut {
                return Err(io::Error::other("cut"));
            }
            self.bytes.truncate(len as usize);
            Ok(())
        }
    }

    fn on(disk: Disk) -> Appender<Disk> {
        Appender { sink: disk, path: "journal".into(), chain: Chain::start("c"), len: 0, broken: None }
    }

    fn entries(n: usize) -> Vec<String> {
        (0..n).map(|_| entry_text(&Entry::Outputs { outputs: ValueMap::new() }).unwrap()).collect()
    }

    fn lines(bytes: &[u8]) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, bytes).unwrap();
        let mut n = 0;
        let count = |_| {
            n += 1;
            Ok(())
        };
        assert!(read(&path, Chain::start("c"), count).is_ok());
        n
    }

    #[test]
    fn after_a_full_disk_the_journal_goes_on_where_it_was() {
        for room in 0..400 {
            let mut journal = on(Disk { room: 10_000, ..Disk::default() });
            journal.append(1, &entries(2), &Points::default()).unwrap();
            journal.sink.room = room;
            let failed = journal.append(1, &entries(4), &Points::default());
            assert!(matches!(failed, Err(StoreError::Io { .. })), "{room}");
            assert_eq!(lines(&journal.sink.bytes), 2, "{room}");
            journal.sink.room = 10_000;
            journal.append(1, &entries(3), &Points::default()).unwrap();
            assert_eq!(lines(&journal.sink.bytes), 5, "{room}");
        }
    }

    #[test]
    fn a_journal_in_doubt_takes_nothing_more() {
        for (no_sync, no_cut, room) in [(true, false, 10_000), (true, true, 10_000), (false, true, 10)] {
            let mut journal = on(Disk { no_sync, no_cut, room, ..Disk::default() });
            journal.append(1, &entries(1), &Points::default()).unwrap_err();
            journal.sink = Disk { bytes: std::mem::take(&mut journal.sink.bytes), room: 10_000, ..Disk::default() };
            let before = journal.sink.bytes.clone();
            let error = journal.append(1, &entries(1), &Points::default()).unwrap_err().to_string();
            assert!(error.contains("an earlier write failed"), "{error}");
            assert_eq!(journal.sink.bytes, before);
        }
    }
}
