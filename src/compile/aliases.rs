//! Other names of hosts: aliases, then names that only redirect.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use regex::Regex;

use super::candidate::{annotation_field, host_wide};
use super::host::HostBuild;
use crate::model::map::Map;
use crate::model::policy::Alias;
use crate::model::route::{Host, Ingress};
use crate::model::{Name, Report, Severity, Snapshot};
use crate::routing::path::build_regex;
use crate::routing::{HostTable, Hosts};

type ByHost = Map<Host, Arc<HostBuild>>;

/// Other names of hosts, apart from those that somebody has rules for.
pub(super) struct Found {
    pub(super) extra: HashMap<Host, Arc<HostTable>, FixedState>,
    /// Alias patterns in their order.
    pub(super) patterns: Vec<(Regex, Arc<HostTable>)>,
}

/// Finds the other names that Ingresses (the oldest first) give to hosts.
pub(super) fn names(
    ours: &[Arc<Ingress>],
    by_host: &ByHost,
    snapshot: &Snapshot,
    former: &Hosts,
    reports: &mut Vec<Report>,
) -> Found {
    let regexes = former.patterns().iter().map(|(regex, _)| (regex.as_str(), regex)).collect();
    let mut names = Names { by_host, extra: HashMap::default(), patterns: Vec::new(), regexes, reports };
    for ingress in ours.iter().filter(|ingress| !ingress.policy.server_aliases.is_empty()) {
        names.add_aliases(ingress);
    }
    for ingress in ours.iter().filter(|ingress| ingress.policy.from_to_www) {
        names.add_www(ingress, snapshot, former);
    }
    let Names { extra, patterns, .. } = names;
    Found { extra: extra.into_iter().map(|(host, (_, table))| (host, table)).collect(), patterns }
}

struct Names<'a> {
    by_host: &'a ByHost,
    /// Aliases and redirecting names, with who has them.
    extra: HashMap<Host, (Arc<Ingress>, Arc<HostTable>), FixedState>,
    patterns: Vec<(Regex, Arc<HostTable>)>,
    /// Those compiled before, by their source.
    regexes: HashMap<&'a str, &'a Regex>,
    reports: &'a mut Vec<Report>,
}

impl Names<'_> {
    /// The aliases of the hosts for which this is the oldest Ingress with aliases.
    fn add_aliases(&mut self, ingress: &Arc<Ingress>) {
        let mut done = Vec::new();
        for rule in ingress.rules.iter().filter(|rule| rule.host != Host::Any) {
            let Some(build) = self.by_host.get(&rule.host).filter(|_| !done.contains(&&rule.host)) else {
                continue;
            };
            done.push(&rule.host);
            let with_aliases = |other: &&Arc<Ingress>| !other.policy.server_aliases.is_empty();
            if let Some(oldest) = build.plan.ingresses.iter().find(with_aliases)
                && !Arc::ptr_eq(oldest, ingress)
            {
                if oldest.policy.server_aliases != ingress.policy.server_aliases {
                    self.reports.push(host_wide(&rule.host, "server-alias", ingress, oldest));
                }
                continue;
            }
            for alias in &ingress.policy.server_aliases {
                match alias {
                    Alias::Host(host) => self.add_alias(ingress, build, host),
                    Alias::Regex(pattern) => self.add_pattern(ingress, build, pattern),
                }
            }
        }
    }

    fn add_alias(&mut self, ingress: &Arc<Ingress>, build: &HostBuild, alias: &Host) {
        if *alias == build.plan.host {
            return;
        }
        let owner = if let Some(other) = self.by_host.get(alias) {
            other.plan.ingresses.first()
        } else {
            self.extra.get(alias).map(|(owner, _)| owner)
        };
        let Some(owner) = owner else {
            self.extra.insert(alias.clone(), (ingress.clone(), build.table.clone()));
            return;
        };
        if Arc::ptr_eq(owner, ingress) && !self.by_host.contains_key(alias) {
            return; // the same alias of several hosts of this Ingress: the first host has it
        }
        let message = format!(
            "server-alias {alias} of host {} is ignored, a rule or an older alias of Ingress {} has that name: \
             remove one of the two",
            build.plan.host, owner.object.key
        );
        let report = Report::new(&ingress.object, Severity::Warning, "AliasTaken", message);
        self.reports.push(report.at(annotation_field(ingress, "server-alias"), ingress.origin.as_ref()));
    }

    fn add_pattern(&mut self, ingress: &Ingress, build: &HostBuild, pattern: &Name) {
        let source = pattern.strip_prefix('~').unwrap_or(pattern);
        let known = self.regexes.get(source).map(|regex| Ok((*regex).clone()));
        match known.unwrap_or_else(|| build_regex(source)) {
            Ok(regex) => self.patterns.push((regex, build.table.clone())),
            Err(why) => {
                let message = format!(
                    "server-alias {pattern} is ignored, {why}: the expression has to be one of the regex crate, \
                     without lookaround and backreferences"
                );
                let report = Report::new(&ingress.object, Severity::Error, "BadRegex", message);
                self.reports
                    .push(report.at(annotation_field(ingress, "server-alias"), ingress.origin.as_ref()));
            }
        }
    }

    /// The other name of each host, with `www.` or without, redirects to it, unless that is somebody's.
    fn add_www(&mut self, ingress: &Arc<Ingress>, snapshot: &Snapshot, former: &Hosts) {
        for rule in &ingress.rules {
            let Host::Exact(to) = &rule.host else { continue };
            let from: Name = to.strip_prefix("www.").map_or_else(|| format!("www.{to}").into(), Into::into);
            let from = Host::Exact(from);
            if let Some(taken) = self.by_host.get(&from) {
                let owner = taken.plan.ingresses.first().map(|owner| owner.object.key.to_string());
                let message = format!(
                    "from-to-www-redirect from {from} to {to} is ignored, Ingress {} has rules for {from}: remove \
                     either",
                    owner.unwrap_or_default()
                );
                let report = Report::new(&ingress.object, Severity::Warning, "WwwRedirectIgnored", message);
                self.reports.push(
                    report.at(annotation_field(ingress, "from-to-www-redirect"), ingress.origin.as_ref()),
                );
                continue;
            }
            let certificate = self.by_host.get(&rule.host).is_some_and(|build| build.plan.certificate);
            let same = |table: &&Arc<HostTable>| {
                table.host == from
                    && table.www_redirect.as_ref() == Some(to)
                    && table.certificate == certificate
            };
            let table = former.table(&from).filter(same).cloned();
            let table = table.unwrap_or_else(|| {
                let mut table = HostTable::empty(&snapshot.settings);
                table.host = from.clone();
                table.www_redirect = Some(to.clone());
                table.certificate = certificate;
                Arc::new(table)
            });
            self.extra.entry(from).or_insert_with(|| (ingress.clone(), table));
        }
    }
}
