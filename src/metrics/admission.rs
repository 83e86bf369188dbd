//! What the validating webhook decided, and how long it took.

use std::time::Duration;

use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};

use super::control::figure;
use super::register;

/// How a request to the webhook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The object may pass.
    Allowed,
    /// It may not.
    Refused,
    /// It was no review.
    Malformed,
    /// There was no answer in time, or not yet.
    Unanswered,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Allowed, Self::Refused, Self::Malformed, Self::Unanswered];

    fn label(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Unanswered => "unanswered",
        }
    }
}

/// What a decision was made from.
#[derive(Clone, Copy, Debug)]
pub struct Review {
    /// Ingresses that were compiled with it.
    pub ingresses: usize,
    /// How long deciding took.
    pub took: Duration,
}

pub(super) struct Admission {
    ingresses: IntGauge,
    tested: Gauge,
    roundtrip: Gauge,
    reviews: IntCounterVec,
}

impl Admission {
    pub(super) fn new(registry: &Registry) -> Self {
        let name = |rest: &str| format!("nginx_ingress_controller_admission_{rest}");
        let gauge = |rest: &str, help: &str| {
            let gauge = Gauge::new(name(rest), help).expect("a constant name is valid");
            register(registry, gauge.clone());
            gauge
        };
        let ingresses =
            IntGauge::new(name("tested_ingresses"), "Ingresses that the last review was tested with")
                .expect("a constant name is valid");
        register(registry, ingresses.clone());
        let reviews =
            Opts::new("slipway_admission_reviews_total", "Reviews since the start, by how they ended");
        let reviews = IntCounterVec::new(reviews, &["verdict"]).expect("a constant name is valid");
        register(registry, reviews.clone());
        for verdict in Verdict::ALL {
            reviews.with_label_values(&[verdict.label()]);
        }
        Self {
            ingresses,
            tested: gauge("tested_duration", "Seconds that the last decision took"),
            roundtrip: gauge("roundtrip_duration", "Seconds from the head of the last review to its answer"),
            reviews,
        }
    }

    pub(super) fn tested(&self, review: Review) {
        self.ingresses.set(figure(review.ingresses));
        self.tested.set(review.took.as_secs_f64());
    }

    pub(super) fn ended(&self, verdict: Verdict, took: Duration) {
        self.roundtrip.set(took.as_secs_f64());
        self.reviews.with_label_values(&[verdict.label()]).inc();
    }
}
