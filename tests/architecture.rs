//! Holds what the crates cannot say of the shape of the code: which module of the bot may use which, how long a file may be,
//! and that documents and code agree.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the bot may name by `crate::`. `cli` and `app` may name everything.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "ingest",
        &["ingest", "commands", "pipeline", "request", "layers", "settings", "lifecycle", "metrics", "http_server"],
    ),
    ("commands", &["commands", "pipeline", "request", "settings", "stats"]),
    (
        "pipeline",
        &["pipeline", "commands", "ingest", "config", "settings", "lifecycle", "request", "layers", "metrics"],
    ),
    ("layers", &["layers", "metrics"]),
    ("request", &["request", "metrics"]),
    ("settings", &["settings", "config"]),
    ("stats", &["stats"]),
    ("metrics", &["metrics"]),
    ("playground", &["playground", "config", "http_server"]),
    ("http_server", &["http_server"]),
    ("config", &["config"]),
    ("lifecycle", &["lifecycle"]),
    ("service_manager", &["service_manager", "lifecycle"]),
    ("telemetry", &["telemetry", "config", "http_server"]),
    ("engine_setup", &["engine_setup", "config"]),
    ("doctor", &["doctor", "config", "engine_setup", "lifecycle"]),
];

/// Libraries that one module of the bot alone knows.
const LIVES_IN: &[(&str, &[&str])] =
    &[("governor", &["layers"]), ("hyper_util", &["http_server"]), ("indicatif", &["cli"]), ("comfy_table", &["cli"])];

/// A source file: its path from the root of the repository, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module of the bot, or `None` in another crate.
    fn module(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src").ok()?;
        Some(below.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs"))
    }
}

/// The sources of the bot and of its crates, without their integration tests.
fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    walk(&root.join("crates"), &mut found);
    let read = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root).unwrap().to_path_buf(),
    };
    found.into_iter().map(read).collect()
}

/// The code without its tests, which stand at the end of a file, and without comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first names after each `crate::`, groups included.
fn uses(code: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
        .map(|(at, _)| name(&code[at + "crate::".len()..]))
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn imports_run_downward() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { continue };
        for used in uses(&code(&source.text)) {
            if !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_library_lives_in_one_place() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        let code = code(&source.text);
        for (library, homes) in LIVES_IN {
            if code.contains(&format!("{library}::")) && !homes.contains(&module) {
                wrong.push(format!("{} uses {library}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_have_one_subject() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > 500)
        .collect();
    assert!(long.is_empty(), "longer than 500 lines: {long:#?}");
}

#[test]
fn unsafe_code_is_what_the_inventory_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let security = fs::read_to_string(folder.join("SECURITY.md")).unwrap();
    let mut found = 0;
    for Source { path, text } in sources() {
        let count = code(&text).matches("unsafe ").count();
        if count > 0 {
            let row = format!("| `{}` | {count} |", path.display());
            assert!(security.contains(&row), "SECURITY.md lacks {row}");
            found += 1;
        }
    }
    assert_eq!(security.matches(".rs` | ").count(), found, "SECURITY.md lists what is not there");
}

#[test]
fn security_md_names_settings_that_there_are() {
    let security = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md")).unwrap();
    let table = stenobot::config::table();
    let names = security.split('`').skip(1).step_by(2);
    let is_setting = |name: &&str| name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let unknown: Vec<_> = names.filter(is_setting).filter(|name| !table.contains(&format!("| `{name}` |"))).collect();
    assert!(unknown.is_empty(), "no settings: {unknown:?}");
}

/// The documents: Markdown files of the root and of `docs/`.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = [root.to_owned(), root.join("docs")].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let documents = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// The lines of a document outside its code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    document.split("```").step_by(2).flat_map(str::lines)
}

/// The targets of a document's links and pictures.
fn links(document: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    for line in prose(document) {
        for (start, end) in [("](", ')'), ("src=\"", '"')] {
            targets.extend(line.split(start).skip(1).filter_map(|rest| rest.split(end).next()));
        }
    }
    targets
}

/// The anchor of a heading: lower case, hyphens for spaces, no punctuation.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[test]
fn relative_links_of_documents_resolve() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let has_anchor = || {
                let target = fs::read_to_string(&target).unwrap();
                prose(&target).any(|line| line.starts_with('#') && anchor(line) == wanted)
            };
            if !target.exists() || !wanted.is_empty() && !has_anchor() {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_fits_two_minutes() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.lines().count() <= 250, "move details of README.md to docs/");
}

/// `UPDATE_TABLES=1 cargo test --test architecture` writes them.
#[test]
fn the_examples_are_generated_from_the_table_of_settings() {
    let examples = [
        (".env.example", stenobot::config::dotenv_example()),
        ("stenobot.toml.example", stenobot::config::toml_example()),
    ];
    for (name, example) in examples {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if std::env::var_os("UPDATE_TABLES").is_some() {
            fs::write(&path, example).unwrap();
        } else {
            assert_eq!(fs::read_to_string(&path).unwrap(), example, "{name}: run this test with UPDATE_TABLES=1");
        }
    }
}

/// `UPDATE_TABLES=1 cargo test --test architecture` writes the tables into the documents.
#[test]
fn the_tables_of_settings_and_metrics_are_generated_from_the_code() {
    for (page, table) in [("README.md", stenobot::config::table()), ("docs/metrics.md", stenobot::metrics::table())] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = fs::read_to_string(&page).unwrap();
        let head = table.lines().next().unwrap();
        let start =
            text.find(head).unwrap_or_else(|| panic!("{} has no table that begins with {head}", page.display()));
        let end = text[start..].find("\n\n").map_or(text.len(), |end| start + end + 1);
        if std::env::var_os("UPDATE_TABLES").is_some() {
            fs::write(&page, [&text[..start], &table, &text[end..]].concat()).unwrap();
        } else {
            assert_eq!(text[start..end], table, "{}: run this test with UPDATE_TABLES=1", page.display());
        }
    }
}
