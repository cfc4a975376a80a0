//! Kubernetes quantities (`500m`, `1.5Gi`, `2e3`): their size, and the one way to write each.

/// A quantity in thousandths of its unit.
pub(crate) fn millis(text: &str) -> Option<i128> {
    let digits = text.trim_start_matches(['+', '-']);
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if number.len() > 18 || (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    // Nano-units, the finest that a quantity can hold.
    let mut nanos: i128 = format!("{whole}{fraction:0<9.9}").parse().ok()?;
    nanos = match suffix {
        "n" => nanos / 1_000_000_000,
        "u" => nanos / 1_000_000,
        "m" => nanos / 1_000,
        "" => nanos,
        "k" => nanos.checked_mul(1_000)?,
        "M" => nanos.checked_mul(1_000_000)?,
        "G" => nanos.checked_mul(1_000_000_000)?,
        "T" => nanos.checked_mul(1_000_000_000_000)?,
        "P" => nanos.checked_mul(1_000_000_000_000_000)?,
        "E" => nanos.checked_mul(1_000_000_000_000_000_000)?,
        "Ki" => nanos.checked_mul(1 << 10)?,
        "Mi" => nanos.checked_mul(1 << 20)?,
        "Gi" => nanos.checked_mul(1 << 30)?,
        "Ti" => nanos.checked_mul(1 << 40)?,
        "Pi" => nanos.checked_mul(1 << 50)?,
        "Ei" => nanos.checked_mul(1 << 60)?,
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            match power {
                0..=18 => nanos.checked_mul(10_i128.checked_pow(power.unsigned_abs())?)?,
                -18..0 => nanos / 10_i128.checked_pow(power.unsigned_abs())?,
                _ => return None,
            }
        }
    };
    // Kubernetes rounds up to what it can hold.
    let millis = nanos.checked_add(999_999)? / 1_000_000;
    Some(if text.starts_with('-') { -millis } else { millis })
}

/// The canonical form: `1000m` is `1`, `1024Mi` is `1Gi`; what is no quantity stays as it is.
pub(crate) fn canonical(text: &str) -> String {
    let Some(amount) = millis(text) else { return text.to_owned() };
    if amount == 0 {
        return "0".into();
    }
    let binary = text.ends_with('i');
    if amount % 1000 != 0 {
        return format!("{amount}m");
    }
    let amount = amount / 1000;
    let (base, suffixes) = if binary {
        (1024, ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
    } else {
        (1000, ["", "k", "M", "G", "T", "P", "E"])
    };
    let (mut amount, mut power) = (amount, 0);
    while amount % base == 0 && power + 1 < suffixes.len() {
        amount /= base;
        power += 1;
    }
    format!("{amount}{}", suffixes[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_one_size_and_one_canonical_form() {
        for (text, size, form) in [
            ("1000m", 1000, "1"),
            ("0.5", 500, "500m"),
            ("1024Mi", 1024 * 1024 * 1024 * 1000, "1Gi"),
            ("1.5Gi", 1536 * 1024 * 1024 * 1000, "1536Mi"),
            ("2e3", 2_000_000, "2k"),
            ("0", 0, "0"),
            ("1500", 1_500_000, "1500"),
            ("100n", 1, "1m"),
        ] {
            assert_eq!(millis(text), Some(size), "{text}");
            assert_eq!(canonical(text), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_not_read_as_one() {
        for text in ["", "-", "Gi", "1..2", "1GiB", "ten", "1e99", "999999999999999999999"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
