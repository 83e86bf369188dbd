//! Secrets -> which certificate answers which server name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::Options;
use super::attach::Attached;
use crate::model::certificate::{Certificate, CertificateError, Secret};
use crate::model::policy::Alias;
use crate::model::route::{Host, Ingress, Tls};
use crate::model::{Key, Kind, ObjectRef, Report, Severity, Snapshot};
use crate::routing::Certificates;

/// Certificates by server name, with what became of the Secrets.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) certificates: Certificates,
    /// How many hosts use a Secret; the default certificate counts as one.
    pub(super) uses: BTreeMap<Key, usize>,
    /// Secrets that something names and that cannot be used.
    pub(super) refused: BTreeSet<Key>,
    pub(super) reports: Vec<Report>,
    /// From this time (seconds since the epoch) on the answer is another one.
    pub(super) good_until: i64,
}

/// Chooses a certificate for every host of a tls section.
pub(super) fn choose(snapshot: &Snapshot, attached: &Attached, options: &Options, now: i64) -> Chosen {
    let mut chooser = Chooser {
        snapshot,
        now,
        settled: HashSet::default(),
        order: Vec::new(),
        uses: BTreeMap::new(),
        refused: BTreeSet::new(),
        reports: Vec::new(),
        good_until: i64::MAX,
    };
    let default = chooser.default(options);
    for ingress in attached.with_tls.iter() {
        chooser.add(ingress, attached);
    }
    let Chooser { order, uses, refused, reports, good_until, .. } = chooser;
    Chosen { certificates: Certificates::new(order, default), uses, refused, reports, good_until }
}

struct Chooser<'a> {
    snapshot: &'a Snapshot,
    now: i64,
    /// The hosts that an older Ingress has settled, also those that got the default certificate.
    settled: HashSet<Host, FixedState>,
    order: Vec<(Host, Arc<Certificate>)>,
    uses: BTreeMap<Key, usize>,
    refused: BTreeSet<Key>,
    reports: Vec<Report>,
    good_until: i64,
}

/// A tls entry whose Secret can be used.
struct Good<'a> {
    tls: &'a Tls,
    key: Key,
    certificate: Arc<Certificate>,
}

impl<'a> Chooser<'a> {
    fn default(&mut self, options: &Options) -> Option<Arc<Certificate>> {
        let Some(key) = &options.default_certificate else { return options.fallback_certificate.clone() };
        let object = ObjectRef { kind: Kind::Secret, key: key.clone() };
        match self.good(key) {
            Ok(certificate) => {
                *self.uses.entry(key.clone()).or_default() += 1;
                Some(certificate)
            }
            Err(Bad { reason, why }) => {
                let message = format!(
                    "--default-ssl-certificate {key} {why}; hosts without a certificate of their own get a self-signed \
                     one until then"
                );
                self.reports.push(Report::new(&object, Severity::Error, reason, message));
                options.fallback_certificate.clone()
            }
        }
    }

    /// The hosts of one Ingress: every rule host, whichever the tls section names.
    fn add(&mut self, ingress: &'a Arc<Ingress>, attached: &Attached) {
        let good = self.secrets(ingress);
        let mut unfit = vec![false; ingress.tls.len()];
        for rule in &ingress.rules {
            if rule.host == Host::Any || !self.settled.insert(rule.host.clone()) {
                continue;
            }
            let named = |tls: &Tls| tls.hosts.contains(&rule.host);
            let covering = good.iter().filter(|good| good.certificate.covers(&rule.host));
            let best = covering.min_by_key(|good| !named(good.tls));
            let Some(best) = best else {
                self.report_mismatch(ingress, &rule.host, &good, &mut unfit);
                continue;
            };
            *self.uses.entry(best.key.clone()).or_default() += 1;
            self.order.push((rule.host.clone(), best.certificate.clone()));
            self.add_other_names(&rule.host, attached, &best.certificate);
        }
    }

    /// Aliases and the name that only redirects, where the certificate covers them.
    fn add_other_names(&mut self, host: &Host, attached: &Attached, certificate: &Arc<Certificate>) {
        let Some(build) = attached.build(host) else { return };
        for ingress in &build.plan.ingresses {
            let aliases = ingress.policy.server_aliases.iter().filter_map(|alias| match alias {
                Alias::Host(alias) => Some(alias.clone()),
                Alias::Regex(_) => None,
            });
            let www = match host {
                Host::Exact(name) if ingress.policy.from_to_www => {
                    let other =
                        name.strip_prefix("www.").map_or_else(|| format!("www.{name}"), str::to_owned);
                    Some(Host::Exact(other.into()))
                }
                _ => None,
            };
            for other in aliases.chain(www) {
                // Names of rules are settled by their own Ingresses.
                if certificate.covers(&other) && attached.build(&other).is_none() {
                    self.order.push((other, certificate.clone()));
                }
            }
        }
    }

    /// The usable certificates of an Ingress, in order; the others are reported.
    fn secrets(&mut self, ingress: &'a Ingress) -> Vec<Good<'a>> {
        let mut good: Vec<Good<'a>> = Vec::new();
        for tls in &ingress.tls {
            let Some(name) = &tls.secret else { continue };
            let key = Key { namespace: ingress.object.key.namespace.clone(), name: name.clone() };
            match self.good(&key) {
                Ok(certificate) => {
                    self.uses.entry(key.clone()).or_default();
                    good.push(Good { tls, key, certificate });
                }
                Err(Bad { reason, why }) => {
                    let message = format!(
                        "Secret {key} {why}; its hosts are served with the default certificate until then"
                    );
                    let report = Report::new(&ingress.object, Severity::Warning, reason, message);
                    let field = format!("spec.tls[{}].secretName", tls.index);
                    self.reports.push(report.at(field, ingress.origin.as_ref()));
                }
            }
        }
        good
    }

    /// A host that a Secret was meant for, but no certificate covers.
    fn report_mismatch(&mut self, ingress: &Ingress, host: &Host, good: &[Good<'_>], unfit: &mut [bool]) {
        let meant = good.iter().find(|good| good.tls.hosts.contains(host) || good.tls.hosts.is_empty());
        let Some(meant) = meant else { return };
        let index = ingress.tls.iter().position(|tls| std::ptr::eq(tls, meant.tls)).unwrap_or_default();
        if std::mem::replace(&mut unfit[index], true) {
            return; // one report for a Secret says enough
        }
        let names: Vec<_> = meant.certificate.names.iter().map(ToString::to_string).collect();
        let message = format!(
            "the certificate of Secret {} is for {} and not for {host}, which is served with the default certificate: \
             issue one that names it",
            meant.key,
            if names.is_empty() { "no name".to_owned() } else { names.join(", ") }
        );
        let report = Report::new(&ingress.object, Severity::Warning, "CertificateMismatch", message);
        let field = format!("spec.tls[{}].secretName", meant.tls.index);
        self.reports.push(report.at(field, ingress.origin.as_ref()));
    }

    /// The certificate of a Secret, if it can be used now.
    fn good(&mut self, key: &Key) -> Result<Arc<Certificate>, Bad> {
        let Some(secret) = self.snapshot.secrets.get(key) else {
            let why = "does not exist: create it with `kubectl create secret tls`".to_owned();
            return Err(Bad { reason: "SecretNotFound", why });
        };
        let certificate = match &secret.certificate {
            Ok(certificate) => certificate,
            Err(error @ CertificateError::Forbidden) => {
                return Err(Bad { reason: "SecretForbidden", why: error.to_string() });
            }
            Err(error) => {
                self.refused.insert(key.clone());
                return Err(Bad { reason: "CertificateInvalid", why: format!("{}{error}", at(secret)) });
            }
        };
        self.note_times(certificate);
        if certificate.not_after <= self.now {
            self.refused.insert(key.clone());
            let why = format!("{}expired {}: renew it", at(secret), ago(self.now - certificate.not_after));
            return Err(Bad { reason: "CertificateExpired", why });
        }
        let first_use = !self.uses.contains_key(key);
        if first_use {
            self.report_times(secret, certificate);
        }
        Ok(certificate.clone())
    }

    fn note_times(&mut self, certificate: &Certificate) {
        let not_after = certificate.not_after;
        let times = [certificate.not_before, not_after.saturating_sub(SOON_SECS), not_after];
        let next = times.into_iter().filter(|&time| time > self.now).min();
        self.good_until = self.good_until.min(next.unwrap_or(i64::MAX));
    }

    fn report_times(&mut self, secret: &Secret, certificate: &Certificate) {
        let left = certificate.not_after - self.now;
        let mut report = |severity, reason, message: String| {
            let report = Report::new(&secret.object, severity, reason, message);
            self.reports.push(report.of(secret.origin.as_ref()));
        };
        if certificate.not_before > self.now {
            let message =
                "the certificate is not valid yet, clients will refuse it: check the clock or reissue it";
            report(Severity::Warning, "CertificateNotYetValid", message.into());
        } else if left <= SOON_SECS {
            let message = format!("the certificate expires in {} days: renew it", left / DAY_SECS);
            report(Severity::Note, "CertificateExpiresSoon", message);
        }
    }
}

/// The place of a Secret that came from a file, to go after its name: the report stands at the Ingress that names it.
fn at(secret: &Secret) -> String {
    secret.origin.as_ref().map(|origin| format!("({}) ", origin.locate(None))).unwrap_or_default()
}

/// Why a Secret cannot be used; the text goes after its name.
struct Bad {
    reason: &'static str,
    why: String,
}

const DAY_SECS: i64 = 24 * 60 * 60;

/// From when on the end of a certificate is worth a note.
const SOON_SECS: i64 = 14 * DAY_SECS;

fn ago(secs: i64) -> String {
    match secs / DAY_SECS {
        0 => "today".into(),
        1 => "yesterday".into(),
        days => format!("{days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClassOptions, compile};
    use super::*;

    #[test]
    fn a_secret_that_may_not_be_read_is_told_to_who_names_it_and_judged_no_further() {
        let class = ClassOptions { watch_without_class: true, ..ClassOptions::default() };
        let options = Options { class, ..Options::default() };
        let object = r#"{"metadata": {"name": "i", "namespace": "ns"},
            "spec": {"rules": [{"host": "a.example"}], "tls": [{"secretName": "hidden"}]}}"#;
        let object = serde_json::from_str(object).unwrap();
        let ingress =
            crate::translate::ingress(&object, None, &crate::translate::Options::default()).unwrap();
        let secret = Secret {
            object: ObjectRef::new(Kind::Secret, "ns", "hidden"),
            origin: None,
            certificate: Err(CertificateError::Forbidden),
        };
        let mut snapshot = Snapshot::default();
        snapshot.secrets.insert(secret.object.key.clone(), Arc::new(secret));
        snapshot.ingresses.insert(ingress.object.key.clone(), Arc::new(ingress));
        let compiled = compile(&snapshot, &options, 0, None);
        let told: Vec<_> =
            compiled.reports.iter().filter(|report| report.reason == "SecretForbidden").collect();
        assert_eq!((told.len(), told[0].object.to_string().as_str()), (1, "Ingress ns/i"));
        assert!(told[0].message.contains("get, list and watch on secrets"), "{}", told[0]);
        assert!(compiled.outcomes().iter().all(|outcome| outcome.object.kind == Kind::Ingress));
    }
}
