use proptest::prelude::*;

use super::*;
use crate::key::partition_hash;

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(Number::parse(text).unwrap())
}

fn binary(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Bytes::copy_from_slice(bytes))
}

fn encoded(value: &AttributeValue) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

/// The frozen vectors, computed by an independent implementation (Python, with xxhash 3.x): stored
/// data depends on every byte of the encoding and every bit of the hash.
#[test]
fn encodings_and_placement_hashes_are_frozen() {
    let nines = format!("9.{}E125", "9".repeat(37));
    for (value, hex, hash) in [
        (
            AttributeValue::string("a"),
            "20610001",
            0xb587_5fc9_62d0_a6c7,
        ),
        (AttributeValue::string(""), "200001", 0xeae8_2d72_abc1_88c4),
        (
            AttributeValue::string("a\0b"),
            "206100ff620001",
            0x3b4d_620c_c584_cf4f,
        ),
        (
            AttributeValue::string("Ärger\u{1F600}"),
            "20c38472676572f09f98800001",
            0x4029_7242_162e_17fa,
        ),
        (
            AttributeValue::string("user#42"),
            "20757365722334320001",
            0x1fdd_ba6e_3078_4bb3,
        ),
        (
            binary(&[0, 0xFF, 1]),
            "3000ffff010001",
            0x2ea9_f81d_4c76_d362,
        ),
        (binary(&[0x80]), "30800001", 0x0cf6_7d03_b95c_521a),
        (number("0"), "1080", 0xde3d_7b2d_722a_fcb0),
        (number("1"), "10c0410200", 0x2df5_849f_7ff8_16b2),
        (number("-1"), "1040befdff", 0x1374_d564_ef80_eff4),
        (number("42"), "10c0412b00", 0x1fdf_630d_557c_30a8),
        (number("100"), "10c0420200", 0xb1c1_23f9_c97e_0753),
        (number("0.5"), "10c0403300", 0x2cea_fe41_7254_af78),
        (number("-0.05"), "1040bff9ff", 0x5084_470f_f8af_c29e),
        (number("123.456"), "10c04202182e3d00", 0x5be6_ae0e_2e60_7205),
        (number("1E125"), "10c07f0b00", 0x4175_407e_cd38_f478),
        (number("1E-130"), "10c0000200", 0x1a59_fca3_30fd_2d4a),
        (number("-1E-130"), "1040fffdff", 0x5258_d79d_be11_2077),
        (
            number(&nines),
            "10c07f6464646464646464646464646464646464646400",
            0x8875_2445_7674_bc23,
        ),
        (
            number(&format!("-{nines}")),
            "1040809b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9bff",
            0x6c39_7263_d3c9_e389,
        ),
        (
            number("12345678901234567890123456789012345678"),
            "10c0530d23394f5b0d23394f5b0d23394f5b0d23394f00",
            0xc107_4aa7_88a9_120e,
        ),
        (
            number("1234567890123456789012345678901234567.8"),
            "10c05302182e445a02182e445a02182e445a02182e445100",
            0x4d40_3793_9cfe_d667,
        ),
    ] {
        let bytes = encoded(&value);
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, hex, "{value:?}");
        assert_eq!(partition_hash(&value), hash, "{value:?}");
        assert_eq!(decode(&bytes), Some((value, bytes.len())));
    }
}

#[test]
fn bytes_that_we_do_not_write_are_refused() {
    for bytes in [
        &[][..],
        &[0x20],
        &[0x20, b'a'],
        &[0x20, b'a', 0],
        &[0x20, b'a', 0, 2],
        &[0x40, b'a', 0, 1],
        // Not UTF-8.
        &[0x20, 0xFF, 0, 1],
        &[0x10],
    ] {
        assert_eq!(decode(bytes), None, "{bytes:?}");
    }
}

#[test]
#[should_panic(expected = "a key attribute cannot have the type M")]
fn other_types_are_no_keys() {
    encode(&AttributeValue::M(Default::default()), &mut Vec::new());
}

proptest! {
    #[test]
    fn strings_sort_by_their_utf8(left in "[a\u{0}\u{1}\u{ff}é\u{10FFFF}]{0,6}", right in "[a\u{0}\u{1}\u{ff}é\u{10FFFF}]{0,6}") {
        let (a, b) = (encoded(&AttributeValue::string(&*left)), encoded(&AttributeValue::string(&*right)));
        prop_assert_eq!(a.cmp(&b), left.as_bytes().cmp(right.as_bytes()));
        prop_assert!(left == right || !b.starts_with(&a), "one encoding is a prefix of another");
    }

    #[test]
    fn binary_values_sort_by_unsigned_bytes(
        left in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xFF), any::<u8>()], 0..8),
        right in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xFF), any::<u8>()], 0..8),
    ) {
        prop_assert_eq!(encoded(&binary(&left)).cmp(&encoded(&binary(&right))), left.cmp(&right));
    }

    #[test]
    fn values_read_back_with_anything_behind(text in "\\PC{0,12}", tail in proptest::collection::vec(any::<u8>(), 0..4)) {
        for value in [AttributeValue::string(&*text), binary(text.as_bytes())] {
            let mut bytes = encoded(&value);
            let length = bytes.len();
            bytes.extend(&tail);
            prop_assert_eq!(decode(&bytes), Some((value, length)));
        }
    }

    #[test]
    fn a_prefix_bounds_the_strings_that_begin_with_it(prefix in "[a\u{0}b]{0,4}", rest in "[a\u{0}b]{0,4}") {
        let mut bound = Vec::new();
        encode_prefix(&AttributeValue::string(&*prefix), &mut bound);
        let whole = encoded(&AttributeValue::string(format!("{prefix}{rest}")));
        prop_assert!(whole.starts_with(&bound));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
        if let Some((value, length)) = decode(&bytes) {
            prop_assert_eq!(&encoded(&value)[..], &bytes[..length]);
        }
    }
}
