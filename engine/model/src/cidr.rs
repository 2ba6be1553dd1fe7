//! Address ranges and their arithmetic, the same for literals and for expressions.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A range that is not one, or arithmetic that leaves it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CidrError(pub String);

/// A range of IPv4 addresses in CIDR notation, whose address has no bits set outside its prefix: `10.0.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Cidr(Ipv4Net);

impl Ipv4Cidr {
    /// The range of `address` and the `prefix` bits before it. `0.0.0.0/0` is the whole address space.
    pub fn new(address: Ipv4Addr, prefix: u8) -> Result<Self, CidrError> {
        let net = Ipv4Net::new(address, prefix)
            .map_err(|_| CidrError(format!("{address}/{prefix} has a prefix of more than 32 bits")))?;
        if net.trunc() != net {
            return Err(CidrError(format!(
                "{net} has bits set after its first {prefix}; the range it lies in is {}",
                net.trunc()
            )));
        }
        Ok(Self(net))
    }

    /// The range's first address.
    pub fn network(self) -> Ipv4Addr {
        self.0.network()
    }

    /// How many leading bits are fixed, 0 to 32.
    pub fn prefix(self) -> u8 {
        self.0.prefix_len()
    }

    /// The `index`-th range (from 0) whose prefix is `new_bits` longer: the second `/20` of a `/16` is `subnet(4, 1)`.
    pub fn subnet(self, new_bits: u8, index: u32) -> Result<Self, CidrError> {
        let prefix = self.prefix().checked_add(new_bits).filter(|p| *p <= 32).ok_or_else(|| {
            CidrError(format!("{self} cannot be divided by {new_bits} more bits: a prefix has 32 at most"))
        })?;
        let count = 1u64 << new_bits;
        if u64::from(index) >= count {
            return Err(CidrError(format!(
                "{self} divided by {new_bits} more bits has the ranges 0 to {}, and {index} was asked for",
                count - 1
            )));
        }
        // index < 2^new_bits and new_bits <= 32, so the offset fits the bits that the new prefix frees.
        let offset = u64::from(index) << (32 - prefix);
        let first = u64::from(u32::from(self.network())) + offset;
        let first = u32::try_from(first).map_err(|_| CidrError(format!("{self} has no range {index}")))?;
        Self::new(Ipv4Addr::from(first), prefix)
    }

    /// The `index`-th address of the range, from 0.
    pub fn host(self, index: u32) -> Result<Ipv4Addr, CidrError> {
        let size = 1u64 << (32 - self.prefix());
        if u64::from(index) >= size {
            return Err(CidrError(format!("{self} has {size} addresses, and number {index} was asked for")));
        }
        let address = u64::from(u32::from(self.network())) + u64::from(index);
        u32::try_from(address).map(Ipv4Addr::from).map_err(|_| CidrError(format!("{self} has no address {index}")))
    }

    /// Whether `other` lies wholly in this range.
    pub fn contains(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl fmt::Display for Ipv4Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Ipv4Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let net: Ipv4Net = text.parse().map_err(|_| {
            CidrError(format!("{text:?} is not an IPv4 range; expected an address and a prefix, as 10.0.0.0/16"))
        })?;
        Self::new(net.addr(), net.prefix_len())
    }
}

impl Serialize for Ipv4Cidr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ipv4Cidr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(s: &str) -> Ipv4Cidr {
        s.parse().unwrap()
    }

    #[test]
    fn subnets_are_counted_from_zero() {
        assert_eq!(cidr("10.0.0.0/16").subnet(4, 0).unwrap(), cidr("10.0.0.0/20"));
        assert_eq!(cidr("10.0.0.0/16").subnet(4, 8).unwrap(), cidr("10.0.128.0/20"));
        assert_eq!(cidr("10.0.0.0/16").subnet(8, 255).unwrap(), cidr("10.0.255.0/24"));
        assert_eq!(cidr("0.0.0.0/0").subnet(32, u32::MAX).unwrap(), cidr("255.255.255.255/32"));
        assert_eq!(cidr("10.0.0.0/24").host(5).unwrap(), Ipv4Addr::new(10, 0, 0, 5));
    }

    #[test]
    fn what_lies_outside_is_refused() {
        assert!(cidr("10.0.0.0/16").subnet(4, 16).is_err());
        assert!(cidr("10.0.0.0/30").subnet(4, 0).is_err());
        assert!(cidr("10.0.0.0/30").host(4).is_err());
        for bad in ["10.0.0.1/16", "10.0.0.0", "10.0.0.0/33", "x", ""] {
            assert!(bad.parse::<Ipv4Cidr>().is_err(), "{bad}");
        }
    }
}
