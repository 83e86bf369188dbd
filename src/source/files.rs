//! A directory of YAML and JSON as a source: read once, or followed.
//!
//! A document that cannot be read is told with its place, what it held before stays, and nothing else is touched. See
//! `holdings` for who owns an object that several files hold, `follow` for how changes are noticed.

mod decode;
mod directory;
mod document;
mod follow;
mod holdings;
mod json;
mod node;
mod pending;
mod piece;
mod tree;
mod typed;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::Updates;
use crate::model::{Key, Kind};
use crate::store::Update;
use crate::translate;

use directory::Directory;
use holdings::Holdings;

/// The kinds of which this source sends complete lists.
pub const KINDS: &[Kind] = &[
    Kind::Ingress,
    Kind::IngressClass,
    Kind::Service,
    Kind::Endpoints,
    Kind::EndpointSlice,
    Kind::Secret,
    Kind::ConfigMap,
    Kind::Namespace,
    Kind::Node,
    Kind::Pod,
    Kind::ServiceCIDR,
];

/// What to read, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory.
    pub directory: PathBuf,
    /// How objects are translated.
    pub translate: translate::Options,
    /// The ConfigMap with the settings.
    pub configmap: Option<Key>,
    /// Settings that win over that ConfigMap.
    pub overrides: Vec<(String, String)>,
}

/// Why a directory is of no use.
#[derive(Debug)]
pub enum Error {
    /// There is no such directory.
    Missing(PathBuf),
    /// It is something else.
    NotADirectory(PathBuf),
    /// It cannot be read.
    Unreadable(PathBuf, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                f,
                "manifest directory {} does not exist: create it, or name another with --manifests",
                path.display()
            ),
            Self::NotADirectory(path) => {
                write!(
                    f,
                    "{} is not a directory: name the directory that holds the YAML files",
                    path.display()
                )
            }
            Self::Unreadable(path, why) => write!(
                f,
                "manifest directory {} cannot be read ({why}): check its permissions",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    fn of(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(path.to_owned()),
            io::ErrorKind::NotADirectory => Self::NotADirectory(path.to_owned()),
            _ => Self::Unreadable(path.to_owned(), error),
        }
    }
}

/// All of a directory, read once.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// A complete list of every kind, with the reports.
    pub updates: Vec<Update>,
    /// How many files were read.
    pub files: usize,
    /// How many objects of unused kinds there are, by kind.
    pub ignored: BTreeMap<String, usize>,
}

/// Reads a directory once.
pub fn load(options: &Options) -> Result<Loaded, Error> {
    let mut directory = Directory::new(options.clone());
    directory.look_first().map_err(|error| Error::of(&options.directory, error))?;
    let updates = complete(directory.holdings.take_updates());
    Ok(Loaded { updates, files: directory.holdings.file_count(), ignored: directory.holdings.ignored() })
}

/// Reads one text as if it were a file of that name, the only one.
pub fn load_text(name: &str, text: &str, options: &Options) -> Loaded {
    let mut holdings = Holdings::new(options.clone());
    holdings.read(&name.into(), text, true);
    let updates = complete(holdings.take_updates());
    Loaded { updates, files: 1, ignored: holdings.ignored() }
}

/// A first list, complete.
fn complete(updates: Vec<Update>) -> Vec<Update> {
    let begin = KINDS.iter().map(|kind| Update::Begin(*kind));
    let end = KINDS.iter().map(|kind| Update::Complete(*kind));
    begin.chain(updates).chain(end).collect()
}

/// A directory that is followed.
#[derive(Debug)]
pub struct Files;

impl Files {
    /// Sends everything, then each change, until dropped or nobody listens any more. An error only when the directory
    /// cannot be used at the start; later troubles are reports.
    pub async fn run(options: Options, updates: Updates) -> Result<(), Error> {
        let (stop, messages) = mpsc::sync_channel(follow::QUEUE);
        let (started, start) = oneshot::channel();
        let (ended, end) = oneshot::channel::<()>();
        let guard = follow::StopOnDrop(stop.clone());
        let directory = options.directory.clone();
        // A thread of its own: reading a large directory takes longer than a runtime may be held up.
        std::thread::Builder::new()
            .name("files".into())
            .spawn(move || {
                follow::run(options, &stop, &messages, &updates, started);
                drop(ended);
            })
            .map_err(|error| Error::Unreadable(directory.clone(), error))?;
        match start.await {
            Ok(result) => result.map_err(|error| Error::of(&directory, error))?,
            Err(_) => return Ok(()), // nobody listens
        }
        let _ = end.await;
        drop(guard);
        Ok(())
    }
}
