//! `phx new`: a project that builds and previews.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::args::New;
use super::exit::{Exit, Usage};
use super::wiring::Context;
use crate::project::shown;
use crate::render::style::{ADD, CHANGE, STRONG, paint};

/// The files, by their names.
const FILES: [(&str, &str); 5] = [
    ("phx.toml", include_str!("../../template/phx.toml.txt")),
    ("dev.toml", include_str!("../../template/dev.toml.txt")),
    ("Cargo.toml", include_str!("../../template/Cargo.toml.txt")),
    ("src/main.rs", include_str!("../../template/main.rs.txt")),
    (".gitignore", "/target\n.phx/\n"),
];

/// What cargo forbids a binary to be called, since folders of its own are.
const CARGO_FOLDERS: [&str; 4] = ["build", "deps", "examples", "incremental"];

/// `phx new`
pub(crate) fn new(cx: &Context, args: &New) -> anyhow::Result<Exit> {
    let base = cx.global.directory.clone().unwrap_or_default();
    let dir = std::path::absolute(base.join(&args.dir)).with_context(|| shown(&args.dir))?;
    let dir: PathBuf = dir.components().collect();
    let name = dir.file_name().and_then(|n| n.to_str()).map(project_name).filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| anyhow!(Usage(format!("no project can be named after {}", dir.display()))))?;
    let phx = phx_crate(args.phx_path.as_deref())?;

    // All or nothing: no file is written while one of them would be in the way.
    if let Some((there, _)) = FILES.iter().find(|(file, _)| *file != ".gitignore" && dir.join(file).exists()) {
        let there = shown(&dir.join(there));
        return Err(anyhow!(
            "{there} exists already; nothing was written\n  hint: `phx new DIR` with a folder that is new or empty"
        ));
    }
    for (file, template) in FILES {
        let path = dir.join(file);
        if file == ".gitignore" && path.exists() {
            // It is somebody's own, and left as it is. The state of a stack belongs in no repository.
            if !std::fs::read_to_string(&path).is_ok_and(|text| ignores_state(&text)) {
                cx.ui.say(&format!(
                    "{} {}: add the lines `/target` and `.phx/`\n",
                    paint(CHANGE, "left"),
                    shown(&path)
                ));
            }
            continue;
        }
        let phx = phx.to_str().ok_or_else(|| anyhow!("the path {} is not valid UTF-8", phx.display()))?;
        let text = fill(template, &name, phx);
        let failed = || format!("writing {}", shown(&path));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(failed)?;
        }
        std::fs::write(&path, text).with_context(failed)?;
        cx.ui.say(&format!("{} {}\n", paint(ADD, "wrote"), shown(&path)));
    }
    lock_versions(&phx, &dir)?;

    if cx.ui.json {
        cx.ui.answer(&serde_json::json!({ "project": name, "dir": dir }))?;
    }
    let go = if dir == std::env::current_dir().unwrap_or_default() {
        String::new()
    } else {
        format!("cd {} && ", for_a_shell(&shown(&dir)))
    };
    cx.ui.say(&format!(
        "\n{} What is in src/main.rs becomes real with these; the first one takes its time to build.\n  {go}phx preview\n  phx up\n",
        paint(STRONG, "Next:")
    ));
    Ok(Exit::Done)
}

/// A folder's name with everything left out that neither a project nor a cargo package may have in its name.
fn project_name(folder: &str) -> String {
    let name: String = folder
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    // A package's name does not begin with a digit.
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("p-{name}") } else { name.to_owned() }
}

/// Whether git is told to leave out the folder of the state.
fn ignores_state(gitignore: &str) -> bool {
    gitignore.lines().any(|line| line.trim().trim_matches('/') == ".phx")
}

/// A path as a word of a shell.
fn for_a_shell(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// The project's package: of its name, unless cargo has another use for that. A lock file tells no two packages of one name apart that lie in
/// folders, and some names are those of cargo's own folders of what it builds.
fn package_name(project: &str) -> String {
    let taken = project == "phx" || project.starts_with("phx-") || CARGO_FOLDERS.contains(&project);
    if taken { format!("{project}-program") } else { project.to_owned() }
}

fn fill(template: &str, name: &str, phx: &str) -> String {
    // As it stands in a TOML text.
    let phx = phx.replace('\\', "\\\\").replace('"', "\\\"");
    template.replace("{{project}}", name).replace("{{package}}", &package_name(name)).replace("{{phx}}", &phx)
}

/// The folder of the `phx` crate: the one that was named, or the one that this binary was built from.
fn phx_crate(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")));
    let manifest = path.join("Cargo.toml");
    match std::fs::read_to_string(&manifest) {
        Ok(text) if text.lines().any(|l| l.trim() == "name = \"phx\"") => {
            path.canonicalize().with_context(|| format!("finding {}", path.display()))
        }
        Ok(_) => Err(anyhow!(Usage(format!(
            "{} is not the crate `phx`; name the folder engine/cli of phx's source",
            manifest.display()
        )))),
        Err(e) if given.is_none() && e.kind() == ErrorKind::NotFound => Err(anyhow!(
            "the source that this phx was built from is not in {} any more, and a new project builds on it\n  hint: give its folder engine/cli with --phx-path",
            path.display()
        )),
        Err(e) => Err(anyhow!(e).context(format!("reading {}", manifest.display()))),
    }
}

/// The project begins with the versions that phx itself is built and tested with. It does without them where phx's source has no Cargo.lock.
fn lock_versions(phx: &Path, dir: &Path) -> anyhow::Result<()> {
    let Some(lock) = phx.ancestors().map(|d| d.join("Cargo.lock")).find(|l| l.is_file()) else { return Ok(()) };
    std::fs::copy(&lock, dir.join("Cargo.lock")).with_context(|| format!("copying {}", lock.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_after_its_folder() {
        for (folder, name) in [("demo", "demo"), ("My Shop!", "my-shop"), ("2nd", "p-2nd"), ("a.b", "a-b"), ("--", "")]
        {
            assert_eq!(project_name(folder), name);
            assert!(name.is_empty() || phx_model::urn::ProjectName::new(name).is_ok());
        }
        for (project, package) in [("demo", "demo"), ("phx", "phx-program"), ("examples", "examples-program")] {
            assert_eq!(package_name(project), package);
        }
    }

    #[test]
    fn a_folder_of_somebodys_own_is_told_of_what_it_takes() {
        for (text, ignored) in [("/target\n.phx/\n", true), (" /.phx \n", true), ("*.phx\n", false), ("", false)] {
            assert_eq!(ignores_state(text), ignored, "{text}");
        }
        for (path, word) in [("a/b-1.c", "a/b-1.c"), ("My Shop!", "'My Shop!'"), ("it's", r"'it'\''s'")] {
            assert_eq!(for_a_shell(path), word);
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        for (file, template) in FILES {
            let text = fill(template, "demo", "/src/phx");
            assert!(!text.contains("{{"), "{file}: {text}");
            if let Some(parent) = dir.path().join(file).parent() {
                std::fs::create_dir_all(parent).unwrap();
            }
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let project = crate::project::Project::find(dir.path()).unwrap();
        let stack = project.stack(&project.stack_name(None).unwrap()).unwrap();
        assert_eq!(stack.aws.default_tags.len(), 2);
        assert_eq!(project.stacks().unwrap().len(), 1);
    }
}
