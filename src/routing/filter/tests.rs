use super::*;

fn head<'a>(scheme: &'a str, uri: &'a str, path: &'a str) -> Head<'a> {
    let query = uri.split_once('?').map(|(_, query)| query);
    let port = if scheme == "https" { 443 } else { 80 };
    let remote = IpAddr::from([192, 0, 2, 1]);
    Head { scheme, host: "foo.com", port, path, uri, query, method: "GET", remote }
}

fn plain(uri: &str) -> Head<'_> {
    head("http", uri, uri.split('?').next().unwrap_or_default())
}

#[test]
fn the_https_redirect_has_no_port_and_loses_one_slash_unless_it_is_to_be_kept() {
    let rows = [
        ("/", false, "https://foo.com"),
        ("/", true, "https://foo.com/"),
        ("/a/", false, "https://foo.com/a"),
        ("/a//", false, "https://foo.com/a/"),
        ("/a", false, "https://foo.com/a"),
        ("/a/?b=c", false, "https://foo.com/a/?b=c"),
        ("/%20/", true, "https://foo.com/%20/"),
    ];
    for (uri, keep, wanted) in rows {
        let head = Head { port: 8080, ..plain(uri) };
        assert_eq!(https_location(&head, keep), wanted, "{uri}");
    }
}

#[test]
fn the_www_redirect_always_has_the_port_and_loses_one_slash() {
    assert_eq!(www_location(&plain("/foo"), "www.foo.com"), "http://www.foo.com:80/foo");
    assert_eq!(www_location(&plain("/"), "foo.com"), "http://foo.com:80");
    assert_eq!(www_location(&head("https", "/a/?b", "/a/"), "foo.com"), "https://foo.com:443/a/?b");
}

#[test]
fn the_missing_slash_is_added_before_the_query() {
    assert_eq!(slash_location(&plain("/x?a=b")), "http://foo.com/x/?a=b");
    assert_eq!(slash_location(&head("https", "/x%20y", "/x y")), "https://foo.com/x%20y/");
    assert_eq!(slash_location(&Head { port: 8080, ..plain("/x") }), "http://foo.com:8080/x/");
}

#[test]
fn the_app_root_keeps_scheme_and_host() {
    assert_eq!(root_location(&plain("/"), "/foo"), "http://foo.com/foo");
    assert_eq!(root_location(&Head { port: 8080, ..plain("/") }, "/foo"), "http://foo.com:8080/foo");
    assert_eq!(root_location(&head("https", "/", "/"), "/foo"), "https://foo.com/foo");
}

#[test]
fn redirects_fill_in_variables_and_captures() {
    let pattern = Pattern::parse("/old/(.*)").unwrap();
    let rows = [
        ("https://bar.com", "/old/x", "https://bar.com"),
        ("https://bar.com$request_uri", "/old/x?y=z", "https://bar.com/old/x?y=z"),
        ("$scheme://${host}/new/$1", "/old/a/b", "http://foo.com/new/a/b"),
        ("/new$is_args$args", "/old/x?y=z", "http://foo.com/new?y=z"),
        ("/new", "/old/x", "http://foo.com/new"),
        ("https://bar.com/$2$unknown", "/old/x", "https://bar.com/$unknown"),
        ("https://$http_host:$server_port/$10", "/old/x", "https://foo.com:80/x0"),
        ("https://bar.com/$", "/old/x", "https://bar.com/$"),
    ];
    for (target, uri, wanted) in rows {
        let redirect = Redirect::new(301, target, Some(&pattern));
        assert_eq!(redirect.location(&plain(uri)), wanted, "{target}");
    }
    let redirect = Redirect::new(302, "https://bar.com/$1", None);
    assert_eq!((redirect.status, redirect.location(&plain("/old/x"))), (302, "https://bar.com/".into()));
}

#[test]
fn a_line_break_in_the_path_cannot_get_into_a_location() {
    let pattern = Pattern::parse("/(?s)(.*)").unwrap();
    let split = head("http", "/a%0d%0ab", "/a\r\nb");
    for target in ["https://bar.com$uri", "https://bar.com/$1"] {
        let location = Redirect::new(301, target, Some(&pattern)).location(&split);
        assert_eq!(location, "https://bar.com/a%0D%0Ab");
    }
}

#[test]
fn rewrites_expand_captures_and_keep_the_query() {
    let rows = [
        ("/something(/|$)(.*)", "/$2", "/something", "/something", Some("/")),
        ("/something(/|$)(.*)", "/$2", "/something/", "/something/", Some("/")),
        ("/something(/|$)(.*)", "/$2", "/something/new?a=b", "/something/new", Some("/new?a=b")),
        ("/foo", "/new/backend", "/FOO/bar?x", "/FOO/bar", Some("/new/backend?x")),
        ("/foo/(.+)", "/new/backend/$1", "/foo/a%20b", "/foo/a b", Some("/new/backend/a%20b")),
        ("/foo/(.+)", "/x?y=$1", "/foo/a?b=c", "/foo/a", Some("/x?y=a&b=c")),
        ("/foo/(.+)", "/x?", "/foo/a?b=c", "/foo/a", Some("/x")),
        ("/foo/(.+)", "/x?y=1?", "/foo/a?b=c", "/foo/a", Some("/x?y=1")),
        ("/foo/(.+)", "/$1", "/foo/a%3Fb", "/foo/a?b", Some("/a%3Fb")),
        ("/foo/(.+)", "$1", "/foo/a", "/foo/a", Some("/a")),
        ("/foo", "/x", "/bar", "/bar", None),
        ("/a|/b", "/x", "/y/b", "/y/b", Some("/x")),
    ];
    for (pattern, target, uri, path, wanted) in rows {
        let rewrite = Rewrite::new(&Pattern::parse(pattern).unwrap(), target);
        assert_eq!(rewrite.apply(&head("http", uri, path)).as_deref(), wanted, "{pattern} {target} {uri}");
    }
}
