//! The search path of resolv.conf: which names are looked up for what a program asks for, in order.

use super::super::wire::name::Name;

/// The search path of a pod: its namespace, all namespaces, the cluster's domain, then what the node has.
pub(super) fn path(domain: Option<&Name>, namespace: &str, node: &[String]) -> Vec<Name> {
    let mut path = Vec::new();
    if let Some(domain) = domain {
        let services = domain.prepend(b"svc").ok();
        path.extend(services.as_ref().and_then(|services| services.prepend(namespace.as_bytes()).ok()));
        path.extend(services);
        path.push(domain.clone());
    }
    let node = node.iter().filter_map(|text| Name::parse(text).ok());
    // A node's path may be that of a pod itself, where this runs in one.
    let fresh = |name: &Name| !name.is_root() && domain.is_none_or(|domain| !name.is_within(domain));
    for name in node.filter(fresh) {
        if !path.contains(&name) {
            path.push(name);
        }
    }
    path
}

/// The names to look up, in order: with enough dots the name itself comes first, else last; with a dot at the end it is the
/// only one.
pub(super) fn names(text: &str, ndots: u8, path: &[Name]) -> Result<Vec<Name>, String> {
    let name = Name::parse(text).map_err(|why| format!("\"{text}\" is no domain name: {why}"))?;
    if name.is_root() || text.ends_with('.') {
        return Ok(vec![name]);
    }
    // What is too long with an end of the path is passed over, as the C library does.
    let mut names: Vec<Name> = path.iter().filter_map(|end| name.join(end).ok()).collect();
    let dots = name.labels().count() - 1;
    if dots >= usize::from(ndots) {
        names.insert(0, name);
    } else {
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[Name]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn of_a_pod() -> Vec<Name> {
        path(
            Name::parse("cluster.local").ok().as_ref(),
            "shop",
            &["example.org".into(), "svc.cluster.local".into()],
        )
    }

    #[test]
    fn the_path_of_a_pod_is_its_namespace_then_the_cluster_then_the_node() {
        let expected = ["shop.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", "example.org."];
        assert_eq!(texts(&of_a_pod()), expected);
        assert_eq!(texts(&path(None, "shop", &["example.org".into()])), ["example.org."]);
    }

    #[test]
    fn few_dots_go_along_the_path_first_and_many_last() {
        let few = names("web.blog", 5, &of_a_pod()).unwrap();
        assert_eq!(few.len(), 5);
        assert_eq!(few[0].to_string(), "web.blog.shop.svc.cluster.local.");
        assert_eq!(few[4].to_string(), "web.blog.");
        let many = names("a.b.c.d.e.f", 5, &of_a_pod()).unwrap();
        assert_eq!((many[0].to_string(), many.len()), ("a.b.c.d.e.f.".into(), 5));
        assert_eq!(texts(&names("web.blog.", 5, &of_a_pod()).unwrap()), ["web.blog."]);
        assert_eq!(texts(&names(".", 5, &of_a_pod()).unwrap()), ["."]);
        assert!(names("a..b", 5, &[]).unwrap_err().contains("is empty"));
        let long = vec!["x".repeat(60); 4].join(".");
        assert_eq!(names(&long, 5, &of_a_pod()).unwrap().len(), 1, "too long with any end");
    }
}
