//! `phx schema --docs DIR`: writes the reference as the source of an mdBook.
//!
//! A folder belongs to the book if the list of its files lies in it. Only files of that list are ever written over or taken away; a folder
//! that holds anything else and has no list is left alone, and so is a file that stands where one of the book's should.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use phx_model::schema::Schema;
use serde_json::json;

use super::exit::Exit;
use super::wiring::Context;
use crate::docs::{Known, book};
use crate::project::shown;

/// The list of the book's files.
const LIST: &str = ".phx-docs";
const LIST_HEAD: &str =
    "# The files that `phx schema --docs` has written here. It writes over them, and over nothing else.\n";

/// The features that the crate `phx` has by itself: `default` in its manifest.
const DEFAULT_FEATURES: &[&str] = &["ec2", "iam", "logs", "s3"];

/// Writes the book of these types into a folder.
pub(super) fn write(cx: &Context, schemas: Vec<&'static Schema>, dir: &Path) -> anyhow::Result<Exit> {
    let base = cx.global.directory.clone().unwrap_or_default();
    let dir = base.join(dir);
    let unread = |line| anyhow!("a line of the guide cannot be read: {line:?}");
    let terraform = phx_aws::terraform::rows().map_err(unread)?;
    let parts = phx_aws::terraform::parts().map_err(unread)?;
    let types = schemas.len();
    let read_calls = phx_aws::read_calls::all().collect();
    let permissions = phx_aws::permissions::rows();
    let files = book(&Known { schemas, terraform, parts, read_calls, permissions, default_features: DEFAULT_FEATURES });
    put(&dir, &files)?;
    if cx.ui.json {
        cx.ui.answer(&json!({ "dir": dir, "types": types, "files": files.keys().collect::<Vec<_>>() }))?;
    }
    cx.ui.say(&format!(
        "{types} types on {} pages in {}\n  hint: `mdbook serve {1}` shows them; a phx with the cargo feature `full` writes of all services\n",
        files.keys().filter(|path| path.ends_with(".md")).count(),
        shown(&dir),
    ));
    Ok(Exit::Done)
}

/// Makes a folder hold the files, and of those that it was given before no others.
fn put(dir: &Path, files: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let before = listed(dir)?;
    if let Some(other) = files.keys().find(|file| !before.contains(*file) && dir.join(file).exists()) {
        return Err(anyhow!(
            "{} is there and was not written by `phx schema --docs`; nothing was written\n  hint: take another folder",
            shown(&dir.join(other))
        ));
    }
    let save = |file: &str, text: &str| {
        let path = dir.join(file);
        let failed = || format!("writing {}", shown(&path));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(failed)?;
        }
        std::fs::write(&path, text).with_context(failed)
    };
    // Both lists first: whatever ends this run, each file that was written is known as phx's.
    let both: BTreeSet<&str> = before.iter().map(String::as_str).chain(files.keys().map(String::as_str)).collect();
    save(LIST, &list(both))?;
    for (file, text) in files {
        save(file, text)?;
    }
    for file in before.iter().filter(|file| !files.contains_key(*file)) {
        let path = dir.join(file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", shown(&path)));
            }
            _ => {}
        }
    }
    save(LIST, &list(files.keys().map(String::as_str)))
}

fn list<'a>(files: impl IntoIterator<Item = &'a str>) -> String {
    let files: String = files.into_iter().map(|file| format!("{file}\n")).collect();
    format!("{LIST_HEAD}{files}")
}

/// The files that were written there before. A folder that holds something and has no list of them is not a book's.
fn listed(dir: &Path) -> anyhow::Result<BTreeSet<String>> {
    let path = dir.join(LIST);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            // A path out of the folder was not written by phx.
            let own =
                |line: &&str| line.split('/').all(|part| !part.is_empty() && part != ".." && !part.contains('\\'));
            Ok(text.lines().filter(|line| !line.starts_with('#')).filter(own).map(str::to_owned).collect())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => match std::fs::read_dir(dir) {
            Ok(mut entries) => match entries.next() {
                None => Ok(BTreeSet::new()),
                Some(_) => Err(anyhow!(
                    "{} holds something that `phx schema --docs` has not written; nothing was written\n  hint: name a folder that is new, empty or a book of phx's",
                    shown(dir)
                )),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error).with_context(|| format!("reading {}", shown(dir))),
        },
        Err(error) => Err(error).with_context(|| format!("reading {}", shown(&path))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)] // tests
mod tests {
    use super::*;

    fn files(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), format!("{name}\n"))).collect()
    }

    #[test]
    fn a_book_is_written_over_and_what_is_no_longer_in_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new");
        put(&dir, &files(&["book.toml", "src/a.md", "src/b/c.md"])).unwrap();
        std::fs::write(dir.join("src/a.md"), "edited").unwrap();
        // What a build leaves there, and what somebody adds, is not the book's.
        std::fs::create_dir(dir.join("book")).unwrap();
        std::fs::write(dir.join("book/index.html"), "built").unwrap();
        std::fs::write(dir.join("src/own.md"), "own").unwrap();
        put(&dir, &files(&["book.toml", "src/a.md"])).unwrap();
        assert_eq!(std::fs::read_to_string(dir.join("src/a.md")).unwrap(), "src/a.md\n");
        assert!(!dir.join("src/b/c.md").exists());
        assert!(dir.join("book/index.html").exists() && dir.join("src/own.md").exists());
        assert_eq!(listed(&dir).unwrap(), ["book.toml", "src/a.md"].map(str::to_owned).into());
        // A file of somebody else's stands where one of the book's would.
        let error = put(&dir, &files(&["book.toml", "src/own.md"])).unwrap_err().to_string();
        assert!(error.contains("own.md is there"), "{error}");
        assert_eq!(std::fs::read_to_string(dir.join("src/own.md")).unwrap(), "own");
    }

    #[test]
    fn a_folder_that_holds_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        let error = put(dir.path(), &files(&["book.toml"])).unwrap_err().to_string();
        assert!(error.contains("nothing was written"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_outside_of_the_folder_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let (book, outside) = (dir.path().join("book"), dir.path().join("outside.txt"));
        std::fs::create_dir(&book).unwrap();
        std::fs::write(&outside, "mine").unwrap();
        std::fs::write(book.join(LIST), format!("../outside.txt\n{}\n/etc/passwd\n", outside.display())).unwrap();
        put(&book, &files(&["book.toml"])).unwrap();
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "mine");
    }

    #[test]
    fn the_features_that_are_on_by_themselves_are_those_of_the_manifest() {
        let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
        let features: Vec<&str> =
            manifest["features"]["default"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        assert_eq!(features, DEFAULT_FEATURES);
    }
}
