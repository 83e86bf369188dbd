//! Decides which endpoint gets a request: strict round robin.

/// The position of one backend's rotation in one worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundRobin {
    next: usize,
}

impl RoundRobin {
    /// The endpoint for the next request, of `count`. `None` when there is none.
    pub(super) fn pick(&mut self, count: usize) -> Option<usize> {
        if count == 0 {
            return None;
        }
        let picked = self.next % count;
        self.next = picked + 1;
        Some(picked)
    }

    /// The same, passing over endpoints that this request has tried.
    pub(super) fn pick_untried(&mut self, count: usize, tried: impl Fn(usize) -> bool) -> Option<usize> {
        (0..count).find_map(|_| self.pick(count).filter(|index| !tried(*index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_hundred_requests_over_three_endpoints_are_two_hundred_each() {
        let mut rotation = RoundRobin::default();
        let mut counts = [0; 3];
        for _ in 0..600 {
            counts[rotation.pick(3).unwrap()] += 1;
        }
        assert_eq!(counts, [200; 3]);
    }

    #[test]
    fn the_rotation_survives_a_change_of_the_number_of_endpoints() {
        let mut rotation = RoundRobin::default();
        let picks: Vec<_> = [3, 3, 3, 2, 2, 5].map(|count| rotation.pick(count).unwrap()).into();
        assert_eq!(picks, [0, 1, 2, 1, 0, 1]);
        assert_eq!(rotation.pick(0), None);
    }

    #[test]
    fn a_retry_goes_to_every_other_endpoint_once() {
        let mut rotation = RoundRobin::default();
        let mut tried = Vec::new();
        while let Some(index) = rotation.pick_untried(3, |index| tried.contains(&index)) {
            tried.push(index);
        }
        assert_eq!(tried, [0, 1, 2]);
    }
}
