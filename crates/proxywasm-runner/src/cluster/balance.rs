//! Which server gets a request.

use super::endpoint::Endpoint;
use super::settings::{Balance, HashKey};
use http::HeaderMap;
use http::header::COOKIE;
use std::hash::Hasher;
use std::net::IpAddr;
use std::rc::Rc;

/// Chooses a server: of those that are available and were not tried, else of those that were not tried, else of those that are available.
/// With less than `panic_threshold` percent of the weights available, all are taken for it.
pub(super) fn choose<'a>(
    balance: &Balance,
    panic_threshold: u8,
    endpoints: &'a [Rc<Endpoint>],
    tried: &[Rc<Endpoint>],
    key: Option<u64>,
) -> Option<&'a Rc<Endpoint>> {
    if let [endpoint] = endpoints {
        return Some(endpoint);
    }
    let weight = |endpoint: &&Rc<Endpoint>| u64::from(endpoint.state.weight);
    let all: u64 = endpoints.iter().map(|endpoint| weight(&endpoint)).sum();
    let available: u64 = endpoints
        .iter()
        .filter(|endpoint| endpoint.state.is_available())
        .map(|endpoint| weight(&endpoint))
        .sum();
    let panics = available * 100 < all * u64::from(panic_threshold) || available == 0;
    let usable = |endpoint: &&Rc<Endpoint>| panics || endpoint.state.is_available();
    let untried = |endpoint: &&Rc<Endpoint>| !tried.iter().any(|other| Rc::ptr_eq(endpoint, other));
    let any = |fits: &dyn Fn(&&Rc<Endpoint>) -> bool| endpoints.iter().any(|endpoint| fits(&endpoint));
    // Where nothing was tried, which is nearly always, this says so at once.
    let any_untried = tried.is_empty() || any(&untried);
    let any_fresh = tried.is_empty() || any(&|endpoint| usable(endpoint) && untried(endpoint));
    let candidates = endpoints
        .iter()
        .filter(|endpoint| usable(endpoint) || (any_untried && !any_fresh))
        .filter(|endpoint| !any_untried || untried(endpoint));
    match (balance, key) {
        (Balance::Hash(_), Some(key)) => by_hash(candidates, key),
        (Balance::LeastRequest, _) => by_load(candidates),
        (Balance::RoundRobin | Balance::Hash(_), _) => by_turn(candidates),
    }
}

/// What decides where a request goes, if something of it does.
pub(super) fn key(balance: &Balance, headers: &HeaderMap, source: Option<IpAddr>) -> Option<u64> {
    let Balance::Hash(key) = balance else { return None };
    let mut hasher = fnv::FnvHasher::default();
    match key {
        HashKey::Header(name) => hasher.write(headers.get(name)?.as_bytes()),
        HashKey::Cookie(name) => hasher.write(cookie(headers, name)?.as_bytes()),
        HashKey::Source => match source?.to_canonical() {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        },
    }
    Some(hasher.finish())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = values
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Each gets credit by its weight; who has the most is taken, and pays what all got. So heavy ones do not come in a row.
fn by_turn<'a>(candidates: impl Iterator<Item = &'a Rc<Endpoint>>) -> Option<&'a Rc<Endpoint>> {
    let mut best: Option<&Rc<Endpoint>> = None;
    let mut paid = 0;
    for endpoint in candidates {
        let weight = i64::from(endpoint.state.weight);
        paid += weight;
        endpoint.credit.set(endpoint.credit.get() + weight);
        if best.is_none_or(|best| endpoint.credit.get() > best.credit.get()) {
            best = Some(endpoint);
        }
    }
    let best = best?;
    best.credit.set(best.credit.get() - paid);
    Some(best)
}

/// The least loaded; of several, whose turn it is.
fn by_load<'a>(candidates: impl Iterator<Item = &'a Rc<Endpoint>> + Clone) -> Option<&'a Rc<Endpoint>> {
    // Requests for each unit of weight, with the one to come, compared without a division.
    let is_less = |one: &Endpoint, other: &Endpoint| {
        let load = |own: &Endpoint, other: &Endpoint| {
            (u64::from(own.active.get()) + 1) * u64::from(other.state.weight)
        };
        load(one, other) < load(other, one)
    };
    let least = candidates
        .clone()
        .reduce(|best, endpoint| if is_less(endpoint, best) { endpoint } else { best })?;
    by_turn(candidates.filter(|endpoint| !is_less(least, endpoint)))
}

/// The one that the key draws the longest straw for, by weights.
fn by_hash<'a>(candidates: impl Iterator<Item = &'a Rc<Endpoint>>, key: u64) -> Option<&'a Rc<Endpoint>> {
    let straw = |endpoint: &Endpoint| {
        // In (0, 1]; with 53 bits, which a float holds.
        let drawn =
            ((mix(key ^ endpoint.state.hash.rotate_left(32)) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -f64::from(endpoint.state.weight) / drawn.ln()
    };
    candidates
        .map(|endpoint| (endpoint, straw(endpoint)))
        .reduce(|best, other| if other.1 > best.1 { other } else { best })
        .map(|(endpoint, _)| endpoint)
}

/// Spreads the bits of a hash whose neighbours are similar: the end of MurmurHash3.
fn mix(mut hash: u64) -> u64 {
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::endpoint::EndpointState;
    use crate::cluster::settings::Ejection;
    use crate::upstream::UpstreamTarget;
    use std::sync::Arc;
    use std::time::Duration;

    fn endpoints(weights: &[u32]) -> Vec<Rc<Endpoint>> {
        let endpoints = weights.iter().enumerate().map(|(index, weight)| {
            let Ok(UpstreamTarget::Http(target)) = format!("http://10.0.0.{index}:80").parse() else {
                panic!("a target");
            };
            Endpoint::new(&Arc::new(EndpointState::new(Some(target), *weight)), None, None)
        });
        endpoints.collect()
    }

    fn eject(endpoint: &Endpoint) {
        let ejection = Ejection {
            failures: 1,
            time: Duration::from_secs(3600),
        };
        endpoint.state.report(false, Some(&ejection));
    }

    fn index(endpoints: &[Rc<Endpoint>], chosen: Option<&Rc<Endpoint>>) -> usize {
        let chosen = chosen.unwrap();
        endpoints
            .iter()
            .position(|other| Rc::ptr_eq(chosen, other))
            .unwrap()
    }

    #[test]
    fn round_robin_by_weights() {
        let endpoints = endpoints(&[3, 1, 2]);
        let order: Vec<usize> = (0..12)
            .map(|_| {
                let chosen = choose(&Balance::RoundRobin, 50, &endpoints, &[], None);
                index(&endpoints, chosen)
            })
            .collect();
        assert_eq!(order, [0, 2, 0, 1, 2, 0, 0, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn least_request() {
        let endpoints = endpoints(&[1, 1, 2]);
        let mut busy = Vec::new();
        for _ in 0..8 {
            let chosen = choose(&Balance::LeastRequest, 50, &endpoints, &[], None).unwrap();
            busy.push(chosen.begin());
        }
        let active = |endpoints: &[Rc<Endpoint>]| {
            let active = endpoints.iter().map(|endpoint| endpoint.active.get());
            active.collect::<Vec<_>>()
        };
        assert_eq!(active(&endpoints), [2, 2, 4]);
        // Those of the second end.
        busy.retain(|busy| !Rc::ptr_eq(&busy.0, &endpoints[1]));
        for _ in 0..2 {
            let chosen = choose(&Balance::LeastRequest, 50, &endpoints, &[], None).unwrap();
            busy.push(chosen.begin());
        }
        assert_eq!(active(&endpoints), [2, 2, 4]);
    }

    #[test]
    fn hashes_stay_where_they_are() {
        let balance = Balance::Hash(HashKey::Source);
        let all = endpoints(&[1, 1, 1, 1, 2]);
        let choose =
            |endpoints: &[Rc<Endpoint>], key| index(&all, choose(&balance, 0, endpoints, &[], Some(key)));
        let keys: Vec<u64> = (0..6000_u32)
            .map(|number| {
                let source = IpAddr::from(number.to_be_bytes());
                key(&balance, &HeaderMap::new(), Some(source)).unwrap()
            })
            .collect();
        let before: Vec<usize> = keys.iter().map(|key| choose(&all, *key)).collect();
        let mut counts = [0; 5];
        before.iter().for_each(|index| counts[*index] += 1);
        for (count, part) in counts.into_iter().zip([1000, 1000, 1000, 1000, 2000]) {
            assert!((part * 85 / 100..part * 115 / 100).contains(&count), "{counts:?}");
        }
        // One goes, another order, one that fails: only what was there moves.
        let fewer: Vec<_> = all
            .iter()
            .rev()
            .filter(|other| !Rc::ptr_eq(other, &all[2]))
            .cloned()
            .collect();
        for (key, before) in keys.iter().zip(&before) {
            let after = choose(&fewer, *key);
            assert!(after == *before || *before == 2);
        }
        eject(&all[2]);
        for (key, before) in keys.iter().zip(&before) {
            assert_eq!(choose(&all, *key), choose(&fewer, *key), "{before}");
        }
    }

    #[test]
    fn who_is_left_out() {
        // Which are ejected, which were tried, the threshold; which can be chosen.
        let table: &[(&[usize], &[usize], u8, &[usize])] = &[
            (&[], &[], 50, &[0, 1, 2, 3]),
            (&[1], &[], 50, &[0, 2, 3]),
            (&[1, 2], &[], 50, &[0, 3]),
            (&[1, 2, 3], &[], 50, &[0, 1, 2, 3]),
            (&[1, 2, 3], &[], 0, &[0]),
            (&[0, 1, 2, 3], &[], 0, &[0, 1, 2, 3]),
            (&[], &[0, 1], 50, &[2, 3]),
            (&[1], &[0, 2], 50, &[3]),
            (&[1], &[0, 2, 3], 50, &[1]),
            (&[1], &[0, 1, 2, 3], 50, &[0, 2, 3]),
        ];
        for (ejected, tried, threshold, expected) in table {
            let endpoints = endpoints(&[1; 4]);
            ejected.iter().for_each(|index| eject(&endpoints[*index]));
            let tried: Vec<_> = tried.iter().map(|index| Rc::clone(&endpoints[*index])).collect();
            let mut seen = [false; 4];
            for _ in 0..16 {
                let chosen = choose(&Balance::RoundRobin, *threshold, &endpoints, &tried, None);
                seen[index(&endpoints, chosen)] = true;
            }
            let seen: Vec<usize> = (0..4).filter(|index| seen[*index]).collect();
            assert_eq!(seen, *expected, "{ejected:?} {threshold}");
        }
        assert!(choose(&Balance::RoundRobin, 50, &[], &[], None).is_none());
    }

    #[test]
    fn keys() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user", "a".parse().unwrap());
        headers.insert(COOKIE, "one=1; session=a".parse().unwrap());
        let source = "::ffff:192.0.2.1".parse().ok();
        let key = |key| super::key(&Balance::Hash(key), &headers, source);
        let header = key(HashKey::Header("x-user".parse().unwrap()));
        assert!(header.is_some());
        assert_eq!(key(HashKey::Cookie("session".to_owned())), header);
        assert_eq!(key(HashKey::Cookie("other".to_owned())), None);
        assert_eq!(key(HashKey::Header("x-other".parse().unwrap())), None);
        let plain = "192.0.2.1".parse().ok();
        assert_eq!(
            key(HashKey::Source),
            super::key(&Balance::Hash(HashKey::Source), &headers, plain)
        );
        assert_eq!(super::key(&Balance::RoundRobin, &headers, source), None);
    }
}
