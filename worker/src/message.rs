//! What a message says.

use contract::Message;

/// Reads a message. The error says why nobody can.
pub(crate) fn parse(data: &[u8]) -> Result<Message, String> {
    let message: Message = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    if !message.run.is_valid() {
        return Err("its `run` is not the name of a run".to_owned());
    }
    if message.item.0.is_empty() {
        return Err("its `item` is empty".to_owned());
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_that_name_a_run_and_an_item_are_read() {
        assert!(parse(br#"{"run":"fx-20260131-000000-01234567","item":"USD"}"#).is_ok());
        for junk in [
            &b"\xff\x00"[..],
            b"",
            b"[]",
            b"{}",
            br#"{"run":"../../x","item":"USD"}"#,
            br#"{"run":"fx","item":""}"#,
            br#"{"run":"fx","item":7}"#,
        ] {
            assert!(parse(junk).is_err(), "{}", String::from_utf8_lossy(junk));
        }
    }
}
