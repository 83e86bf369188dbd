//! Memory, open files, processor time and start of this process, under the names every Prometheus client uses.
//!
//! Read from `/proc` when somebody asks; absent where there is no such file system.

use std::collections::HashMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, Metric, MetricFamily, MetricType};

use super::register as add;

/// Clock ticks per second in `/proc`: fixed for user space on every Linux architecture Slipway is built for.
const TICKS: f64 = 100.0;

/// Adds the process' figures to a registry.
pub(super) fn register(registry: &Registry) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let desc = |(name, help): (&str, &str)| {
        Desc::new(name.into(), help.into(), Vec::new(), HashMap::new()).expect("a constant name is valid")
    };
    add(registry, Process { started, descs: FIGURES.into_iter().map(desc).collect() });
}

const FIGURES: [(&str, &str); 4] = [
    ("process_start_time_seconds", "When the process started, seconds since the epoch"),
    ("process_resident_memory_bytes", "Memory in use, in bytes"),
    ("process_open_fds", "Open files and sockets"),
    ("process_cpu_seconds_total", "Processor time used, in seconds"),
];

struct Process {
    started: f64,
    descs: Vec<Desc>,
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let values = [Some(self.started), resident_bytes(), open_files(), processor_secs()];
        let known = FIGURES.into_iter().zip(values).filter_map(|(figure, value)| Some((figure, value?)));
        known.map(|((name, help), value)| family(name, help, value)).collect()
    }
}

fn family(name: &str, help: &str, value: f64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::default();
    metric.set_gauge(gauge);
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(vec![metric]);
    family
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    // The listing itself holds one.
    fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1) as f64)
}

fn processor_secs() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The command, in parentheses, may hold blanks; user and system time are the 12th and 13th field after it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_figures_are_there() {
        let text = Metrics::new().text();
        for name in super::FIGURES.map(|(name, _)| name) {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            assert!(value.is_some_and(|v| v >= 0.0), "{name} in\n{text}");
        }
    }
}
