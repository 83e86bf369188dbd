//! Ranges of addresses: as address and length, and as borders, which is how the kernel keeps them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address as a number, and how many bits such have.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn address(number: u128, bits: u32) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if bits == 32 => Ipv4Addr::from_bits(number).into(),
        _ => Ipv6Addr::from_bits(number).into(),
    }
}

/// All bits that the length leaves open.
fn open(bits: u32, length: u8) -> u128 {
    let open = bits.saturating_sub(length.into());
    1_u128.checked_shl(open).map_or(u128::MAX, |size| size - 1)
}

/// The last address of a range.
pub(super) fn last(first: IpAddr, length: u8) -> IpAddr {
    let (number, bits) = number(first);
    address(number | open(bits, length), bits)
}

/// The first address after a range; `None` when there is none.
pub(super) fn after(first: IpAddr, length: u8) -> Option<IpAddr> {
    let (number, bits) = number(last(first, length));
    (number != open(bits, 0)).then(|| address(number + 1, bits))
}

/// How many leading bits the addresses from `first` to `last` have in common; `None` if that is not all they are.
pub(super) fn length(first: IpAddr, last: IpAddr) -> Option<u8> {
    let ((low, bits), (high, _)) = (number(first), number(last));
    let length = u8::try_from(bits - (u128::BITS - (low ^ high).leading_zeros())).ok()?;
    let free = open(bits, length);
    (low & free == 0 && high & free == free).then_some(length)
}

/// Ranges from their borders in any order: where each begins, and (`true`) where one has ended. `None` when there is one
/// that is not an address and a length.
pub(super) fn pair(mut borders: Vec<(IpAddr, bool)>) -> Option<Vec<(IpAddr, u8)>> {
    // Of an end and a beginning at the same address the end is first.
    borders.sort_unstable_by_key(|(address, end)| (*address, !*end));
    let mut ranges = Vec::new();
    let mut begun: Option<IpAddr> = None;
    for (border, end) in borders {
        match (begun.take(), end) {
            (None, false) => begun = Some(border),
            // `nft` writes that nothing begins before the first range.
            (None, true) => {}
            (Some(first), true) => {
                let (number, bits) = number(border);
                ranges.push((first, length(first, address(number.checked_sub(1)?, bits))?));
            }
            (Some(_), false) => return None,
        }
    }
    if let Some(first) = begun {
        let (_, bits) = number(first);
        ranges.push((first, length(first, address(open(bits, 0), bits))?));
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_and_ranges_are_the_same() {
        let ranges = ["0.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "10.3.0.1/32", "128.0.0.0/1", "::/0"];
        for family in [4, 6] {
            let mut wanted = Vec::new();
            let mut borders = Vec::new();
            for range in ranges.map(|range| range.parse::<ipnet::IpNet>().unwrap()) {
                if range.addr().is_ipv4() != (family == 4) {
                    continue;
                }
                wanted.push((range.addr(), range.prefix_len()));
                borders.insert(0, (range.addr(), false));
                assert_eq!(last(range.addr(), range.prefix_len()), range.broadcast());
                borders.extend(after(range.addr(), range.prefix_len()).map(|address| (address, true)));
            }
            assert_eq!(pair(borders).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_no_prefix_is_not_read() {
        let at = |text: &str, end| (text.parse().unwrap(), end);
        assert_eq!(pair(vec![at("10.0.0.1", false), at("10.0.0.4", true)]), None);
        assert_eq!(pair(vec![at("10.0.0.1", false), at("10.0.0.4", false)]), None);
        assert_eq!(
            pair(vec![at("0.0.0.0", true), at("10.0.0.4", false), at("10.0.0.8", true)]).unwrap(),
            [("10.0.0.4".parse().unwrap(), 30)]
        );
    }
}
