//! One host: its rules in order, its default route, and what to tell whose rules lost.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::candidate::{self, Candidate, Field, Rules};
use super::plan::HostPlan;
use super::registry::{BackendKey, Registry};
use super::traffic::Traffics;
use crate::model::policy::Policy;
use crate::model::route::{BackendRef, Ingress, PathKind};
use crate::model::settings::Settings;
use crate::model::{Key, Name, Report, Severity};
use crate::routing::filter::{Redirect, Rewrite};
use crate::routing::path::{Paths, Pattern};
use crate::routing::{Action, BackendId, HostTable, Route, RouteOrigin};

/// A host that was built, with what the next compile needs to share it.
#[derive(Debug)]
pub(super) struct HostBuild {
    /// What it was built from.
    pub(super) plan: HostPlan,
    pub(super) table: Arc<HostTable>,
    /// How many routes each of the plan's Ingresses has in force.
    pub(super) owned: Box<[u32]>,
    /// How many routes are somebody's.
    pub(super) rules: usize,
    pub(super) uses: Box<[Use]>,
    pub(super) reports: Box<[Report]>,
}

/// Which field of an Ingress names a backend.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) backend: BackendId,
    /// What answers in its place while it has no targets.
    pub(super) fallback: Option<BackendId>,
    pub(super) ingress: Arc<Ingress>,
    pub(super) field: Field,
}

/// What every host shares while it is built.
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) registry: &'a mut Registry,
    pub(super) traffics: &'a mut Traffics,
    pub(super) rules: Rules,
    /// `--default-backend-service`.
    pub(super) default_backend: Option<(BackendId, Key)>,
    pub(super) empty: Name,
    pub(super) slash: Name,
}

/// Builds a host.
pub(super) fn build(plan: HostPlan, context: &mut Context<'_>) -> HostBuild {
    let mut builder = Builder {
        owned: vec![0; plan.ingresses.len()],
        regex: plan.ingresses.iter().any(|ingress| uses_regex(&ingress.policy)),
        uses: Vec::new(),
        reports: plan.reports(),
        plan: &plan,
        context,
    };
    let table = Arc::new(builder.table());
    let Builder { owned, uses, reports, .. } = builder;
    let rules = table.routes().filter(|route| route.origin.ingress.is_some()).count();
    HostBuild { table, owned: owned.into(), rules, uses: uses.into(), reports: reports.into(), plan }
}

/// Whether the paths of the host become regular expressions because of this policy.
fn uses_regex(policy: &Policy) -> bool {
    policy.use_regex || policy.rewrite_target.is_some()
}

struct Builder<'p, 'c, 'a> {
    plan: &'p HostPlan,
    context: &'c mut Context<'a>,
    /// Every path of the host is a regular expression.
    regex: bool,
    owned: Vec<u32>,
    uses: Vec<Use>,
    reports: Vec<Report>,
}

impl<'p> Builder<'p, '_, '_> {
    fn table(&mut self) -> HostTable {
        let candidates = self.candidates();
        let (mut routes, mut patterns, mut default) = (Vec::new(), Vec::new(), None);
        for candidate in &candidates {
            let pattern = match self.pattern(candidate, &candidates) {
                Ok(pattern) => pattern,
                Err(why) => {
                    self.refuse(candidate, &why);
                    continue;
                }
            };
            let route = Arc::new(self.route(candidate, pattern.as_ref()));
            self.owned[candidate.of] += 1;
            if candidate.path.path.as_ref() == "/" && !candidate.is_exact() {
                default = Some(route); // it is last in order and matches everything
                continue;
            }
            patterns
                .extend(pattern.map(|pattern| (pattern, u32::try_from(routes.len()).unwrap_or(u32::MAX))));
            routes.push(route);
        }
        let default = default.unwrap_or_else(|| Arc::new(self.default_route()));
        let paths = if self.regex {
            Paths::regex(patterns)
        } else {
            Self::add_slashes(&mut routes);
            Paths::literal(&routes)
        };
        let mut table = HostTable::new(self.plan.host.clone(), paths, routes, default);
        table.app_root = self.app_root();
        table.certificate = self.plan.certificate;
        table
    }

    /// Every path that is not a duplicate of an older one, in order of precedence.
    fn candidates(&mut self) -> Vec<Candidate<'p>> {
        let mut winners: HashMap<(&str, bool), Candidate<'p>> = HashMap::new();
        let mut candidates = Vec::new();
        let (host, reports) = (&self.plan.host, &mut self.reports);
        candidate::each(self.plan, &mut self.context.rules, |candidate| {
            let winner = *winners.entry((&candidate.path.path, candidate.is_exact())).or_insert(candidate);
            if std::ptr::eq(winner.path, candidate.path) {
                candidates.push(candidate);
            } else {
                reports.push(candidate::duplicate(host, &candidate, &winner));
            }
        });
        // ingress-nginx renders the prefix `/foo/` where `/foo` stands; on hosts with expressions it has to come
        // before the Exact `/foo`, which would match what is below it as well.
        let exact_last = self.regex;
        candidates.sort_by_key(|c| {
            let path: &str = &c.path.path;
            (Reverse(path.len()), Reverse(path), c.is_exact() == exact_last)
        });
        candidates
    }

    /// The expression of a path, when it needs one.
    fn pattern(&self, candidate: &Candidate<'_>, all: &[Candidate<'_>]) -> Result<Option<Pattern>, String> {
        let path: &str = &candidate.path.path;
        if !self.regex {
            let why = "it does not start with a slash: write it so".to_owned();
            return if path.starts_with('/') { Ok(None) } else { Err(why) };
        }
        if uses_regex(&candidate.ingress.policy) {
            return Pattern::parse(path).map(Some).map_err(|why| {
                format!(
                    "{why}: the expression has to be one of the regex crate, which knows neither lookaround nor \
                     backreferences; write it without them"
                )
            });
        }
        // A Prefix of an Ingress that asks for no expressions becomes two, `/foo` and `/foo/`; the first covers the
        // second, unless an Exact path has taken it.
        let below = !candidate.is_exact()
            && !path.ends_with('/')
            && all.iter().any(|other| other.is_exact() && other.path.path == candidate.path.path);
        let path = if below { format!("{path}/") } else { path.to_owned() };
        Pattern::parse(&path).or_else(|_| Pattern::literal(&path)).map(Some)
    }

    fn route(&mut self, candidate: &Candidate<'_>, pattern: Option<&Pattern>) -> Route {
        let Candidate { ingress, path, rule, .. } = candidate;
        let field = Field::Path(rule.index, path.index);
        let (action, service, port, upstream) = self.action(ingress, Some(&path.backend), field);
        let origin = RouteOrigin {
            ingress: Some(ingress.object.key.clone()),
            host: self.plan.host.clone(),
            path: path.path.clone(),
            kind: path.kind,
            service,
            port,
            upstream,
            is_default: false,
        };
        self.finish(origin, action, ingress, pattern)
    }

    /// The route for what no rule matches: `spec.defaultBackend` of the oldest Ingress, else the global one, else 404.
    fn default_route(&mut self) -> Route {
        let owner = self.plan.default_owner().cloned();
        let backend = owner.as_ref().and_then(|ingress| ingress.default_backend.as_ref());
        let (action, service, port, upstream) = match (&owner, backend) {
            (Some(ingress), Some(backend)) => {
                self.count_default(ingress);
                self.action(ingress, Some(backend), Field::Default)
            }
            (Some(ingress), None) if ingress.policy.denied.is_some() => {
                self.action(ingress, None, Field::Default)
            }
            _ => self.global_default(),
        };
        let origin = RouteOrigin {
            ingress: owner.as_ref().map(|ingress| ingress.object.key.clone()),
            host: self.plan.host.clone(),
            path: self.context.slash.clone(),
            kind: PathKind::Prefix,
            service,
            port,
            upstream,
            is_default: true,
        };
        let Some(ingress) = owner else {
            let traffic = self.context.traffics.plain(self.context.settings);
            return Route { origin, action, traffic, redirect: None, rewrite: None };
        };
        // Where nothing proxies there is nothing to rewrite.
        let proxies = matches!(action, Action::Proxy { .. }) && uses_regex(&ingress.policy);
        let pattern = proxies.then(|| Pattern::parse("/").ok()).flatten();
        self.finish(origin, action, &ingress, pattern.as_ref())
    }

    fn global_default(&self) -> (Action, Name, Name, Name) {
        let empty = &self.context.empty;
        match &self.context.default_backend {
            Some((backend, service)) => {
                let action = Action::Proxy { backend: *backend, fallback: None };
                (action, service.name.clone(), empty.clone(), "upstream-default-backend".into())
            }
            None => (Action::NotFound, empty.clone(), empty.clone(), empty.clone()),
        }
    }

    fn count_default(&mut self, ingress: &Arc<Ingress>) {
        if let Some(of) = self.plan.ingresses.iter().position(|other| Arc::ptr_eq(other, ingress)) {
            self.owned[of] += 1;
        }
    }

    /// What answers for a backend reference, and the names that go with it.
    fn action(
        &mut self,
        ingress: &Arc<Ingress>,
        backend: Option<&BackendRef>,
        field: Field,
    ) -> (Action, Name, Name, Name) {
        let policy = &ingress.policy;
        let denied = policy.denied.is_some();
        let empty = self.context.empty.clone();
        let Some(BackendRef::Service { name, port }) = backend else {
            if let Some(BackendRef::Resource { what }) = backend {
                self.reports.push(candidate::resource(ingress, what, field));
            }
            let action = if denied { Action::Denied } else { Action::NotFound };
            return (action, empty.clone(), empty.clone(), empty);
        };
        let service =
            |name: &Name| Key { namespace: ingress.object.key.namespace.clone(), name: name.clone() };
        let cluster = policy.service_upstream.unwrap_or(self.context.settings.service_upstream);
        let key = BackendKey { service: service(name), port: Some(port.clone()), cluster };
        let fallback = policy.default_backend.as_ref().map(|name| {
            let key = BackendKey { service: service(name), port: None, cluster: false };
            self.use_backend(key, ingress, Field::Annotation, None)
        });
        let backend = self.use_backend(key, ingress, field, fallback);
        let slot = self.context.registry.slot(backend);
        let (port, upstream) = slot.map_or((empty.clone(), empty), |s| (s.port.clone(), s.upstream.clone()));
        let action = if denied { Action::Denied } else { Action::Proxy { backend, fallback } };
        (action, name.clone(), port, upstream)
    }

    fn use_backend(
        &mut self,
        key: BackendKey,
        ingress: &Arc<Ingress>,
        field: Field,
        fallback: Option<BackendId>,
    ) -> BackendId {
        let backend = self.context.registry.id(key);
        self.uses.push(Use { backend, fallback, ingress: ingress.clone(), field });
        backend
    }

    /// Adds what the policy says to a route.
    fn finish(
        &mut self,
        origin: RouteOrigin,
        action: Action,
        ingress: &Ingress,
        pattern: Option<&Pattern>,
    ) -> Route {
        let policy = &ingress.policy;
        let traffic = self.context.traffics.resolve(policy, self.context.settings, self.plan.redirects());
        let redirect = policy.redirect.as_ref().map(|to| Redirect::new(to.status, &to.target, pattern));
        let rewrite = policy.rewrite_target.as_ref().zip(pattern);
        let rewrite = rewrite.map(|(target, pattern)| Rewrite::new(pattern, target));
        Route { origin, action, traffic, redirect, rewrite }
    }

    /// A rule path that ends in a slash answers the path without it with a redirect, unless that has its own rule.
    fn add_slashes(routes: &mut Vec<Arc<Route>>) {
        let stems = routes.iter().filter_map(|route| Some((route.origin.path.strip_suffix('/')?, route)));
        let stems: Vec<_> = stems.filter(|(stem, _)| !stem.is_empty()).collect();
        let mut added: Vec<Arc<Route>> = Vec::new();
        for (stem, route) in stems {
            // Prefix `/x/` and Exact `/x/` stand next to each other and need one redirect.
            if added.last().is_some_and(|last| *last.origin.path == *stem) || has_path(routes, stem) {
                continue;
            }
            let origin = RouteOrigin { path: stem.into(), kind: PathKind::Exact, ..route.origin.clone() };
            let traffic = route.traffic.clone();
            added.push(Arc::new(Route {
                origin,
                action: Action::AddSlash,
                traffic,
                redirect: None,
                rewrite: None,
            }));
        }
        routes.extend(added);
    }

    /// From the oldest Ingress of the host that has one.
    fn app_root(&mut self) -> Option<Name> {
        let mut chosen: Option<&Arc<Ingress>> = None;
        for ingress in &self.plan.ingresses {
            match chosen {
                _ if ingress.policy.app_root.is_none() => {}
                None => chosen = Some(ingress),
                Some(older) if older.policy.app_root != ingress.policy.app_root => {
                    self.reports.push(candidate::host_wide(&self.plan.host, "app-root", ingress, older));
                }
                Some(_) => {}
            }
        }
        chosen.and_then(|ingress| ingress.policy.app_root.clone())
    }

    fn refuse(&mut self, candidate: &Candidate<'_>, why: &str) {
        let reason = if self.regex { "BadRegex" } else { "BadPath" };
        let Candidate { ingress, path, .. } = candidate;
        let message = format!("path \"{}\" is refused, the others are served: {why}", path.path);
        let report = Report::new(&ingress.object, Severity::Error, reason, message);
        self.reports.push(report.at(candidate.field(), ingress.origin.as_ref()));
    }
}

/// Whether a rule has exactly this path, in a list sorted by length and path, both descending.
fn has_path(routes: &[Arc<Route>], path: &str) -> bool {
    let order = |route: &Arc<Route>| {
        let other: &str = &route.origin.path;
        path.len().cmp(&other.len()).then_with(|| path.cmp(other))
    };
    routes.binary_search_by(order).is_ok()
}
