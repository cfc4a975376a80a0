//! What a bucket holds, in words for people.

use anyhow::Result;

use super::path;
use crate::cloud::{Cloud, PAGE, limited};

/// What is in a bucket, or none for nothing: one page tells, and no plan waits for a count of millions.
pub(super) async fn told(cloud: &Cloud, bucket: &str) -> Result<Option<String>> {
    let list = cloud.buckets.list_objects().set_parent(path(bucket)).set_page_size(PAGE).set_versions(true);
    let page = limited("list the bucket's objects", list.send()).await?;
    let more = if page.next_page_token.is_empty() { "" } else { "over " };
    let bytes: u64 = page.objects.iter().map(|object| u64::try_from(object.size).unwrap_or_default()).sum();
    Ok(match page.objects.len() {
        0 => None,
        1 => Some(format!("1 object, {}", size(bytes))),
        count => Some(format!("{more}{count} objects, {more}{}", size(bytes))),
    })
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let unit = (0..UNITS.len()).rev().find(|unit| bytes >> (10 * (unit + 1)) > 0);
    match unit {
        Some(unit) => {
            let tenths = (u128::from(bytes) * 10) >> (10 * (unit + 1));
            format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
        }
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_units_of_1024() {
        let told = [0, 1023, 1024, 1536, 5 << 20, (3 << 30) + (1 << 29), u64::MAX].map(size);
        let expected =
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.5 GiB", "16777215.9 TiB"];
        assert_eq!(told, expected);
    }
}
