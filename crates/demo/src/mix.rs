//! The one source of chance in the demo: a mixing function over 64 bits.
//!
//! Same input, same output, on every machine. It keeps no state and is no good for secrets.

/// Spreads `value` over all 64 bits (the output step of the SplitMix64 generator).
///
/// Two inputs never share an output, so distinct sessions stay distinct.
#[must_use]
pub const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
