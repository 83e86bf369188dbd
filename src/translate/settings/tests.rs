use super::*;

fn read(data: &[(&str, &str)], overrides: &[(&str, &str)]) -> (Settings, Vec<Report>) {
    let pair = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
    let overrides: Vec<_> = overrides.iter().map(pair).collect();
    settings(&data.iter().map(pair).collect(), &overrides, &ObjectRef::new(Kind::ConfigMap, "n", "c"))
}

#[test]
fn the_table_is_sorted_and_no_key_is_both_known_and_removed() {
    assert!(TABLE.is_sorted_by(|a, b| a.key < b.key));
    assert!(TABLE.len() >= 170);
    assert!(REMOVED.iter().all(|(key, _)| find(key).is_none()));
}

#[test]
fn every_row_survives_every_odd_value() {
    for row in TABLE {
        for value in ["", " ", "x", "-1", "true", "99999999999999999999", "a\nb", "é", "$", "0", ",", "/"] {
            read(&[(row.key, value)], &[]);
        }
    }
}

#[test]
fn the_documented_defaults_written_out_change_nothing() {
    let (settings, reports) = read(
        &[
            ("proxy-body-size", "1m"),
            ("proxy-connect-timeout", "5"),
            ("proxy-next-upstream", "error timeout"),
            ("proxy-next-upstream-tries", "3"),
            ("proxy-next-upstream-timeout", "0"),
            ("http-redirect-code", "308"),
            ("hsts-max-age", "31536000"),
            ("ssl-protocols", "TLSv1.2 TLSv1.3"),
            ("proxy-real-ip-cidr", "0.0.0.0/0,::/0"),
            ("forwarded-for-header", "X-Forwarded-For"),
            ("keep-alive", "75"),
            ("upstream-keepalive-time", "1h"),
            ("http2-max-concurrent-streams", "128"),
            ("no-tls-redirect-locations", "/.well-known/acme-challenge"),
            ("worker-shutdown-timeout", "240s"),
            ("use-gzip", "false"),
            ("server-tokens", "false"),
            ("strict-validate-path-type", "true"),
            ("log-format-upstream", crate::model::settings::DEFAULT_LOG_FORMAT),
        ],
        &[],
    );
    assert_eq!(reports, []);
    assert_eq!(settings, Settings::default());
}

#[test]
fn the_command_line_wins_and_is_checked_alike() {
    let (settings, reports) =
        read(&[("hsts", "true"), ("keep-alive", "x")], &[("hsts", "false"), ("hst", "1")]);
    assert!(!settings.hsts);
    let told: Vec<_> = reports.iter().map(|r| (r.object.to_string(), r.field.as_deref(), r.reason)).collect();
    assert_eq!(
        told,
        [
            ("ConfigMap n/c".to_owned(), Some("data.keep-alive"), "InvalidSetting"),
            ("File --set".to_owned(), None, "UnknownSetting"),
        ]
    );
    assert!(reports[1].message.contains("did you mean \"hsts\"?"));
}

#[test]
fn a_list_of_trusted_peers_that_cannot_be_read_trusts_nobody() {
    let (settings, reports) = read(&[("proxy-real-ip-cidr", "10.0.0.0/33")], &[]);
    assert_eq!((settings.proxy_real_ip_cidr.len(), reports.len()), (0, 1));
}

#[test]
fn a_global_allow_list_that_cannot_be_read_lets_nobody_in() {
    let (settings, reports) = read(&[("whitelist-source-range", "nonsense")], &[]);
    assert_eq!(settings.allow_sources.len(), 1);
    assert_eq!(settings.allow_sources[0].to_string(), "0.0.0.0/32");
    assert_eq!(reports.len(), 1);
}

#[test]
fn old_protocols_are_left_out_and_told() {
    let (settings, reports) = read(&[("ssl-protocols", "TLSv1 TLSv1.1 TLSv1.2")], &[]);
    assert!(settings.tls12 && !settings.tls13);
    assert!(reports[0].message.contains("TLSv1, TLSv1.1 is not offered"));
    let (settings, _) = read(&[("ssl-protocols", "SSLv3")], &[]);
    assert!(settings.tls12 && settings.tls13, "the default");
}

#[test]
fn what_is_not_honoured_but_guards_is_an_error() {
    for key in ["global-auth-url", "block-cidrs", "use-proxy-protocol", "enable-modsecurity"] {
        let (_, reports) = read(&[(key, "true")], &[]);
        assert_eq!(reports[0].severity, Severity::Error, "{key}");
    }
}

#[test]
fn unknown_variables_of_the_log_are_told() {
    let (settings, reports) = read(&[("log-format-upstream", "$status $geoip_city")], &[]);
    assert_eq!(settings.log_format, "$status $geoip_city");
    assert!(reports[0].message.contains("$geoip_city"));
    let template = "${status}x $geoip_city \"$http_x_y\" ${nope}$nope $ 5$";
    let (_, reports) = read(&[("log-format-upstream", template)], &[]);
    assert!(reports[0].message.contains("$geoip_city, $nope is unknown"), "{}", reports[0].message);
}
