//! The bounds of buckets: one, two and a half, and five of each power of ten.

use std::time::Duration;

/// From a microsecond to ten seconds.
const ALL: [Duration; 22] = [
    Duration::from_micros(1),
    Duration::from_nanos(2_500),
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Of processor times of callbacks: up to a tenth of a second.
pub const CALLBACK_BOUNDS: &[Duration] = ALL.split_at(16).0;

/// Of what passes a network: from a quarter of a millisecond on.
pub const REQUEST_BOUNDS: &[Duration] = ALL.split_at(7).1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_ascend_and_begin_and_end_as_documented() {
        assert!(ALL.is_sorted());
        let ends = |bounds: &[Duration]| (bounds[0], bounds[bounds.len() - 1]);
        let (micros, millis) = (Duration::from_micros, Duration::from_millis);
        assert_eq!(ends(CALLBACK_BOUNDS), (micros(1), millis(100)));
        assert_eq!(ends(REQUEST_BOUNDS), (micros(250), Duration::from_secs(10)));
    }
}
