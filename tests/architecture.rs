//! Holds the shape of the code: which module may use which, and which library lives where.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may name by `crate::`. `cli` and `app` may name everything.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "pipeline",
        &[
            "pipeline",
            "config",
            "lifecycle",
            "request",
            "layers",
            "telegram",
            "engine",
            "journal",
            "metrics",
            "model",
            "host",
            "audio",
            "stats",
            "subtitles",
        ],
    ),
    ("layers", &["layers", "metrics", "model"]),
    ("request", &["request", "journal", "metrics", "model"]),
    ("journal", &["journal", "model"]),
    ("telegram", &["telegram", "model", "network", "secrets"]),
    ("audio", &["audio", "model"]),
    ("whisper", &["whisper", "model", "network"]),
    ("subtitles", &["subtitles", "model"]),
    ("engine", &["engine", "audio", "whisper", "model", "config", "confine"]),
    ("stats", &["stats", "journal", "model"]),
    ("confine", &["confine"]),
    ("host", &["host"]),
    ("metrics", &["metrics", "model"]),
    ("model", &["model"]),
    ("network", &["network"]),
    ("secrets", &["secrets"]),
    ("simulator", &["simulator", "config", "host", "model"]),
    ("playground", &["playground", "simulator", "config", "http_server", "model"]),
    ("http_server", &["http_server"]),
    ("config", &["config", "model", "network", "secrets"]),
    ("lifecycle", &["lifecycle"]),
    ("service_manager", &["service_manager", "lifecycle"]),
    ("telemetry", &["telemetry", "config", "http_server"]),
    (
        "doctor",
        &[
            "doctor",
            "config",
            "confine",
            "host",
            "lifecycle",
            "telegram",
            "journal",
            "whisper",
            "model",
            "network",
            "secrets",
        ],
    ),
];

/// Libraries that one module alone knows.
const LIVES_IN: &[(&str, &[&str])] = &[
    ("sqlx", &["journal"]),
    ("teloxide", &["telegram"]),
    ("whisper_rs", &["whisper"]),
    ("symphonia", &["audio"]),
    ("rubato", &["audio"]),
    ("governor", &["layers"]),
    ("hyper_util", &["network", "http_server"]),
    ("fluent_templates", &["telegram"]),
    ("indicatif", &["cli", "simulator"]),
    ("comfy_table", &["cli"]),
    ("landlock", &["confine"]),
];

fn sources() -> Vec<(String, PathBuf, String)> {
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_path_buf();
            let module = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            (module.trim_end_matches(".rs").to_owned(), relative, text)
        })
        .collect()
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
    for (module, path, text) in sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { continue };
        for used in uses(&code(&text)) {
            if !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_library_lives_in_one_place() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let code = code(&text);
        for (library, homes) in LIVES_IN {
            let named = code.contains(&format!("{library}::")) && !homes.contains(&module.as_str());
            if named {
                wrong.push(format!("{} uses {library}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_have_one_subject() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(_, path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .collect();
    assert!(long.is_empty(), "longer than 500 lines: {long:#?}");
}

#[test]
fn unsafe_code_is_what_the_inventory_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let security = fs::read_to_string(folder.join("SECURITY.md")).unwrap();
    let mut found = 0;
    for (_, path, text) in sources() {
        let count = code(&text).matches("unsafe ").count();
        if count > 0 {
            let row = format!("| `src/{}` | {count} |", path.display());
            assert!(security.contains(&row), "SECURITY.md lacks {row}");
            found += 1;
        }
    }
    assert_eq!(security.matches("| `src/").count(), found, "SECURITY.md lists what is not there");
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

#[test]
fn the_tables_of_settings_and_metrics_are_generated_from_the_code() {
    for (page, table) in [("README.md", stenobot::config::table()), ("docs/metrics.md", stenobot::metrics::table())] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        assert!(text.contains(&table), "replace the table in {page} by:\n{table}");
    }
}
