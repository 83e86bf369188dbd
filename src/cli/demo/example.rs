//! The example's YAML: built in, written into a directory with the ports of the demo's backends.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::app::certificate::{self, Pem};
use crate::config::temporary_directory;

const INGRESS: &str = include_str!("../../../examples/quickstart/ingress.yaml");
const SERVICES: &str = include_str!("../../../examples/quickstart/services.yaml");

/// The host of the certificate.
pub(super) const SECURE: &str = "secure.example";

/// A directory with the example; removed in the end when it is a temporary one.
pub(super) struct Example {
    directory: PathBuf,
    temporary: bool,
    /// The certificate of [`SECURE`], to check against.
    pub(super) certificate: String,
}

impl Example {
    /// Writes into `directory`, or into a new temporary one.
    pub(super) fn write(directory: Option<&Path>, ports: &[(u16, u16)]) -> Result<Self, String> {
        let pem = certificate::self_signed("Slipway demo", &[SECURE])?;
        let (directory, temporary) = match directory {
            Some(directory) => (directory.to_owned(), false),
            None => (fresh().map_err(|e| format!("cannot make a temporary directory: {e}"))?, true),
        };
        let example = Self { directory, temporary, certificate: pem.chain.clone() };
        example
            .fill(ports, &pem)
            .map_err(|e| format!("cannot write the example into {}: {e}", example.directory.display()))?;
        Ok(example)
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where it stays, if it does.
    pub(super) fn kept(&self) -> Option<&Path> {
        (!self.temporary).then_some(&self.directory)
    }

    /// Adds or replaces one file at once, as careful editors do.
    pub(super) fn put(&self, name: &str, text: &str) -> io::Result<()> {
        let draft = self.directory.join(format!(".{name}.draft"));
        fs::write(&draft, text)?;
        fs::rename(draft, self.directory.join(name))
    }

    fn fill(&self, ports: &[(u16, u16)], pem: &Pem) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        self.put("ingress.yaml", INGRESS)?;
        self.put("services.yaml", &with_ports(SERVICES, ports))?;
        self.put("tls.yaml", &secret(pem))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        if self.temporary {
            // Nothing can be done about it, and the system empties the place anyway.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// A new directory that nobody else may read: it holds a key.
fn fresh() -> io::Result<PathBuf> {
    let path = temporary_directory().join(format!("slipway-demo-{:08x}", fastrand::u32(..)));
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

fn with_ports(yaml: &str, ports: &[(u16, u16)]) -> String {
    let line = |line: &str| {
        let written = line.trim().strip_prefix("port: ").and_then(|port| port.parse().ok());
        let actual = ports.iter().find(|(port, _)| Some(*port) == written);
        actual.map_or_else(
            || line.to_owned(),
            |(port, actual)| line.replace(&port.to_string(), &actual.to_string()),
        )
    };
    yaml.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

fn secret(pem: &Pem) -> String {
    let block = |text: &str| ["    ", &text.trim_end().replace('\n', "\n    "), "\n"].concat();
    format!(
        "# A self-signed certificate for {SECURE}, made when the demo started.\napiVersion: v1\nkind: Secret\n\
         metadata:\n  name: secure-tls\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        block(&pem.chain),
        block(&pem.key)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_the_backends_take_the_place_of_the_written_ones() {
        let yaml = with_ports(SERVICES, &[(9101, 40001), (9103, 40003)]);
        assert!(yaml.contains("    port: 40001\n") && yaml.contains("    port: 40003\n"));
        assert!(yaml.contains("    port: 9102\n") && yaml.contains("      port: 80\n"));
        assert!(!yaml.contains("port: 9101\n"));
    }

    #[test]
    fn a_temporary_directory_goes_away_and_a_chosen_one_stays() {
        let temporary = Example::write(None, &[]).unwrap();
        let gone = temporary.directory().to_owned();
        assert!(gone.join("ingress.yaml").is_file() && temporary.kept().is_none());
        drop(temporary);
        assert!(!gone.exists());
        let chosen = tempfile::tempdir().unwrap();
        drop(Example::write(Some(chosen.path()), &[]).unwrap());
        assert!(chosen.path().join("tls.yaml").is_file());
    }
}
