//! Looks at a directory: which files there are, and a stamp of each that changes when the file does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::Name;

/// Files larger than this are refused.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 20;
/// How deep directories may lie in each other.
const MAX_DEPTH: usize = 32;
/// How many files there may be: a link to the root of a disk must not be followed to its end.
const MAX_FILES: usize = 100_000;

/// What tells one state of a file from another: device, inode, size, time of change.
pub(super) type Stamp = (u64, u64, u64, i128);

/// All that was found.
#[derive(Default)]
pub(super) struct Tree {
    /// The files that may hold objects, by path relative to the directory.
    pub(super) files: BTreeMap<Name, Stamp>,
    /// What could not be looked at, by path, and why.
    pub(super) trouble: Vec<(Name, String)>,
    /// There are links, so that a file may be seen under another name.
    pub(super) has_links: bool,
    /// Directories outside that links lead into.
    pub(super) outside: BTreeSet<PathBuf>,
}

/// Looks through a directory and all below it. The error is about the directory itself.
pub(super) fn scan(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::default();
    let root = root.canonicalize()?;
    let mut trail = vec![inode(&fs::metadata(&root)?)];
    descend(&root, "", &root, &mut trail, &mut tree)?;
    Ok(tree)
}

/// Whether a name may be that of a file with objects. Hidden and editors' temporary files are not.
pub(super) fn is_manifest(name: &str) -> bool {
    let kind = Path::new(name).extension().and_then(|extension| extension.to_str());
    let fine = kind.is_some_and(|kind| ["yaml", "yml", "json"].iter().any(|k| kind.eq_ignore_ascii_case(k)));
    fine && !is_hidden(name)
}

/// Whether a name is skipped: hidden (as the `..data` of mounted ConfigMaps is) or an editor's temporary file.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.starts_with('#') || name.ends_with('~')
}

/// The stamp of a file.
pub(super) fn stamp(metadata: &Metadata) -> Stamp {
    let changed = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    (metadata.dev(), metadata.ino(), metadata.size(), changed)
}

/// The identity of a directory.
pub(super) fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn descend(
    directory: &Path,
    prefix: &str,
    root: &Path,
    trail: &mut Vec<(u64, u64)>,
    tree: &mut Tree,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !is_hidden(name)) else { continue };
        let path = entry.path();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        tree.has_links |= is_link;
        // Follows links; one that leads nowhere is as good as absent.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if is_link {
            note_outside(&path, metadata.is_dir(), root, tree);
        }
        let relative = format!("{prefix}{name}");
        if metadata.is_dir() {
            enter(&path, &relative, root, inode(&metadata), trail, tree);
        } else if metadata.is_file() && is_manifest(name) {
            if tree.files.len() >= MAX_FILES {
                return Err(io::Error::other(format!("holds more than {MAX_FILES} files")));
            }
            tree.files.insert(relative.into(), stamp(&metadata));
        }
    }
    Ok(())
}

fn enter(
    path: &Path,
    relative: &str,
    root: &Path,
    identity: (u64, u64),
    trail: &mut Vec<(u64, u64)>,
    tree: &mut Tree,
) {
    if trail.contains(&identity) || trail.len() >= MAX_DEPTH {
        return; // a link to a directory above, or a maze
    }
    trail.push(identity);
    if let Err(error) = descend(path, &format!("{relative}/"), root, trail, tree) {
        tree.trouble.push((relative.into(), error.to_string()));
    }
    trail.pop();
}

fn note_outside(link: &Path, is_directory: bool, root: &Path, tree: &mut Tree) {
    let Ok(target) = link.canonicalize() else { return };
    let home = if is_directory { Some(target.as_path()) } else { target.parent() };
    if let Some(home) = home.filter(|home| !home.starts_with(root)) {
        tree.outside.insert(home.to_owned());
    }
}
