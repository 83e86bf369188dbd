//! The files that an `import` names: one, or those that a pattern with `*` matches.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Files of one pattern at most.
const MOST: usize = 1000;

/// The files and their texts, sorted by name. What begins with a dot is no match: a mounted ConfigMap has such files.
pub(super) fn files(directory: &Path, pattern: &str) -> Result<Vec<(String, String)>, String> {
    if pattern.contains(['?', '[', ']']) {
        return Err("the only wildcard of a pattern is *".into());
    }
    let mut found = vec![PathBuf::new()];
    let whole = directory.join(pattern);
    for part in whole.components() {
        match part {
            Component::Normal(name) if name.to_string_lossy().contains('*') => {
                let name = name.to_string_lossy();
                found = found.iter().flat_map(|directory| matching(directory, &name)).collect();
                found.sort();
            }
            part => found.iter_mut().for_each(|path| path.push(part)),
        }
    }
    if found.len() > MOST {
        return Err(format!("more than {MOST} files match"));
    }
    let wild = pattern.contains('*');
    found.retain(|path| !wild || path.is_file());
    found.iter().map(|path| Ok((path.display().to_string(), read(path)?))).collect()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

fn matching(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = fs::read_dir(listed) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    let matching = names.filter(|name| {
        let name = name.to_string_lossy();
        !name.starts_with('.') && matches(&name, pattern)
    });
    matching.map(|name| directory.join(name)).take(MOST + 1).collect()
}

/// Whether the parts between stars come in this order.
fn matches(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_files_in_order_and_not_those_with_a_dot() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for name in [
            "custom/b.override",
            "custom/a.override",
            "custom/..data.override",
            "custom/x.server",
            "more/a.override",
        ] {
            fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
            fs::write(path.join(name), name).unwrap();
        }
        fs::create_dir(path.join("custom/dir.override")).unwrap();
        let texts = |pattern: &str| {
            let files = files(path, pattern).unwrap();
            files.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts("custom/*.override"), "custom/a.override custom/b.override");
        assert_eq!(texts("*/a.*"), "custom/a.override more/a.override");
        assert_eq!(texts("custom/x.server"), "custom/x.server");
        assert_eq!(texts(path.join("custom/x*").to_str().unwrap()), "custom/x.server");
        assert_eq!(texts("none/*"), "");
        assert!(files(path, "custom/none").unwrap_err().contains("custom/none"));
        assert!(files(path, "custom/[ab].override").is_err());
    }

    #[test]
    fn stars_stand_for_any_part_of_a_name() {
        for (name, pattern, expected) in [
            ("abc", "a*c", true),
            ("ac", "a*c", true),
            ("abcd", "a*c", false),
            ("a.b.c", "*.*.c", true),
            ("abc", "*", true),
            ("aa", "a*a*a", false),
            ("abc", "abc", true),
        ] {
            assert_eq!(matches(name, pattern), expected, "{name} {pattern}");
        }
    }
}
