use super::*;

fn sample(kind: u16, reply: Option<(usize, u16)>) -> Sample {
    Sample { kind, asked: 60, reply, part: Part::Kubernetes, ..Sample::default() }
}

#[test]
fn what_all_threads_counted_is_added_up_under_the_names_of_coredns() {
    let metrics = Metrics::default();
    for thread in [metrics.thread(), metrics.thread()] {
        let tally = metrics.tally(thread, "dns://:53", ".");
        tally.count(&sample(1, Some((120, 0))));
        tally.count(&Sample { tcp: true, v6: true, dnssec: true, ..sample(64, Some((10, 3))) });
        tally.count(&sample(28, None));
        tally.took(250_000, 2);
        tally.took(250_001, 1);
    }
    let text = metrics.text();
    let zone = "server=\"dns://:53\"";
    for line in [
        format!(
            "coredns_dns_requests_total{{family=\"1\",proto=\"udp\",{zone},type=\"A\",view=\"\",zone=\".\"}} 2"
        ),
        format!(
            "coredns_dns_requests_total{{family=\"2\",proto=\"tcp\",{zone},type=\"other\",view=\"\",zone=\".\"}} 2"
        ),
        format!("coredns_dns_do_requests_total{{{zone},view=\"\",zone=\".\"}} 2"),
        format!(
            "coredns_dns_responses_total{{plugin=\"kubernetes\",rcode=\"NXDOMAIN\",{zone},view=\"\",zone=\".\"}} 2"
        ),
        format!(
            "coredns_dns_request_duration_seconds_bucket{{{zone},view=\"\",zone=\".\",le=\"0.00025\"}} 4"
        ),
        format!("coredns_dns_request_duration_seconds_bucket{{{zone},view=\"\",zone=\".\",le=\"0.0005\"}} 6"),
        format!("coredns_dns_request_duration_seconds_count{{{zone},view=\"\",zone=\".\"}} 6"),
        format!("coredns_dns_request_size_bytes_sum{{proto=\"udp\",{zone},view=\"\",zone=\".\"}} 240"),
        format!(
            "coredns_dns_response_size_bytes_bucket{{proto=\"udp\",{zone},view=\"\",zone=\".\",le=\"100\"}} 0"
        ),
        format!(
            "coredns_dns_response_size_bytes_bucket{{proto=\"udp\",{zone},view=\"\",zone=\".\",le=\"200\"}} 2"
        ),
    ] {
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
}

#[test]
fn times_fall_between_the_bounds_they_belong_to() {
    let metrics = Metrics::default();
    let tally = metrics.tally(0, "s", "z");
    for nanos in [0, 1, 500_000, 1_000_000, u64::MAX] {
        tally.took(nanos, 1);
    }
    let text = metrics.text();
    for (bound, count) in [("0.00025", 2), ("0.0005", 3), ("0.001", 4), ("8.192", 4), ("+Inf", 5)] {
        let line = format!("_bucket{{server=\"s\",view=\"\",zone=\"z\",le=\"{bound}\"}} {count}\n");
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
}

#[test]
fn everything_else_has_its_name() {
    let metrics = Metrics::default();
    metrics.plugins([("dns://:53", ".", "forward")].into_iter());
    metrics.limited(true);
    metrics.overloaded();
    metrics.connections(3);
    metrics.autopath("dns://:53");
    metrics.template("dns://:53", ".", "IN", "A");
    metrics.hosts(4, 5.0);
    metrics.reload_failed();
    metrics.programmed("cluster_ip", Duration::from_millis(100));
    metrics.health_request(Duration::from_millis(1));
    metrics.source().watch_listed("Service");
    let text = metrics.text();
    for line in [
        "coredns_plugin_enabled{name=\"forward\",server=\"dns://:53\",view=\"\",zone=\".\"} 1",
        "coredns_build_info{goversion=\"\",revision=\"\",version=",
        "coredns_panics_total 0",
        "coredns_reload_failed_total 1",
        "coredns_hosts_entries 4",
        "coredns_hosts_reload_timestamp_seconds 5",
        "coredns_template_matches_total{class=\"IN\",server=\"dns://:53\",type=\"A\",view=\"\",zone=\".\"} 1",
        "coredns_template_rr_failures_total 0",
        "coredns_autopath_success_total{server=\"dns://:53\"} 1",
        "coredns_health_request_duration_seconds_count 1",
        "coredns_kubernetes_dns_programming_duration_seconds_count{service_kind=\"cluster_ip\"} 1",
        "slipway_dns_client_limited_total{action=\"truncated\"} 1",
        "slipway_dns_tcp_connections 3",
        "slipway_watch_lists_total{watch=\"Service\"} 1",
        "process_start_time_seconds ",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}
