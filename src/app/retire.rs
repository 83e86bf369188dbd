//! `slipway retire`: reads whose Ingresses are a release's, and ends what was written into their status.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Error, client, control_runtime, options};
use crate::compile::{Compiled, compile};
use crate::config::{Named, Retire};
use crate::model::{Key, Kind, Report};
use crate::source::kubernetes;
use crate::status::{self, Release};
use crate::store::Store;

/// Removes the addresses of a release. Answers how many Ingresses had some.
pub fn run(config: &Retire) -> Result<usize, Error> {
    let source = options::kubernetes(&config.rules).map_err(Error::Source)?;
    let namespace = source.namespace.clone();
    let Named { namespace: place, name } = &config.lease;
    let lease = Key::new(place.as_str(), name.as_str());
    let work = async {
        let client = client::connect(config.kubeconfig.as_deref()).await?;
        let mut store = Store::new(&[]);
        for update in kubernetes::load(client.clone(), source).await? {
            store.apply(update);
        }
        let compiled = compiled(config, &store)?;
        if let Some(unknown) = compiled.reports.iter().find(|report| hides_ours(report)) {
            return Err(unknown.message.clone());
        }
        let is_ours = |key: &Key| compiled.is_ours(key);
        status::retire(client, Release { lease, namespace, is_ours: &is_ours }).await
    };
    control_runtime()?.block_on(work).map_err(Error::Source)
}

fn compiled(config: &Retire, store: &Store) -> Result<Compiled, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let options = options::compile(&config.rules, None, false)?;
    Ok(compile(&store.snapshot(), &options, now, None))
}

/// Whether something could not be read without which it is not known whose an Ingress is.
fn hides_ours(report: &Report) -> bool {
    let decisive = matches!(report.object.kind, Kind::Ingress | Kind::IngressClass | Kind::Namespace);
    decisive && report.reason == "Forbidden"
}
