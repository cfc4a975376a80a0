//! Decimal numbers, exactly: what has more digits than the type does not fit.

/// The number in units of its last digit, or none if it has more digits than the type.
pub(super) fn parse(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    // Zeros at either end say nothing, however many they are.
    let fraction = fraction.trim_end_matches('0');
    let mut number = 0_i128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let shift = i32::from(scale) - i32::try_from(fraction.len()).ok()? + i32::from(exponent);
    let number = shifted(number, shift)?;
    let fits = number < 10_i128.checked_pow(precision.into())?;
    fits.then_some(if negative { -number } else { number })
}

/// `number * 10^by`, if that is a whole number.
fn shifted(number: i128, by: i32) -> Option<i128> {
    if number == 0 {
        return Some(0);
    }
    let factor = 10_i128.checked_pow(by.unsigned_abs())?;
    match by < 0 {
        true => (number % factor == 0).then_some(number / factor),
        false => number.checked_mul(factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        for (text, number) in [
            ("0.1", 1_000),
            ("-12.3400", -123_400),
            ("+7", 70_000),
            (".5", 5_000),
            ("5.", 50_000),
            ("1.5e2", 1_500_000),
            ("15e-1", 15_000),
            ("0e99", 0),
            ("00099999.9999", 999_999_999),
            ("0.10000000000000000000000000000000000000000000000000", 1_000),
        ] {
            assert_eq!(parse(text, 9, 4), Some(number), "{text}");
        }
        for wrong in
            ["0.12345", "100000", "1e-5", "1e5", "", "-", ".", "1,5", " 1", "1e", "NaN", "1.2.3", "é"]
        {
            assert_eq!(parse(wrong, 9, 4), None, "{wrong}");
        }
        let largest = "9".repeat(38);
        assert_eq!(parse(&largest, 38, 0), Some(10_i128.pow(38) - 1));
        assert_eq!(parse(&format!("{largest}9"), 38, 0), None);
    }
}
