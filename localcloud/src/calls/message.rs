//! The first message of a gRPC request, read before anybody answers it: enough of protobuf to find
//! a text by the numbers of the fields that lead to it. Knows no message types.

/// Flag and length before every message.
const PREFIX: usize = 5;

/// How long the first frame is with its prefix, once that has come.
pub(super) fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..PREFIX)?.try_into().ok()?;
    Some(PREFIX + u32::from_be_bytes(length) as usize)
}

/// The message in a whole frame; none if it is compressed, which nobody here accepts.
pub(super) fn message(frame: &[u8]) -> Option<&[u8]> {
    (frame.first() == Some(&0)).then(|| frame.get(PREFIX..frame_length(frame)?)).flatten()
}

/// The text at `path` (`2.1`: field 1 of the message in field 2). As the handlers' own decoder has it:
/// of a field that comes twice the later counts, and messages that come twice are merged.
pub(super) fn text<'a>(message: &'a [u8], path: &str) -> Option<&'a str> {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let wanted: u64 = first.parse().ok()?;
    let mut found = None;
    for (field, value) in Fields(message) {
        if field == wanted {
            found = match rest {
                Some(rest) => text(value, rest).or(found),
                None => std::str::from_utf8(value).ok(),
            };
        }
    }
    found
}

/// The fields of a message that have a length: texts, bytes and messages. Ends where it is malformed.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.varint()?;
            match key & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                5 => drop(self.take(4)?),
                2 => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    return Some((key >> 3, self.take(length)?));
                }
                _ => return None,
            }
        }
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
        PublishRequest, Subscription, UpdateSubscriptionRequest,
    };
    use prost::Message as _;

    #[test]
    fn a_text_is_found_where_its_fields_lead() {
        let subscription = Subscription {
            name: "projects/p/subscriptions/s".into(),
            ack_deadline_seconds: 600,
            ..Subscription::default()
        };
        let update = UpdateSubscriptionRequest { subscription: Some(subscription), update_mask: None };
        let bytes = update.encode_to_vec();
        assert_eq!(text(&bytes, "1.1"), Some("projects/p/subscriptions/s"));
        assert_eq!(text(&bytes, "1.2"), None);
        assert_eq!(text(&bytes, "3"), None);
    }

    #[test]
    fn of_a_field_that_comes_twice_the_one_counts_that_the_handler_takes() {
        let topic = |name: &str| PublishRequest { topic: name.into(), messages: vec![] }.encode_to_vec();
        let bytes = [topic("allowed"), topic("meant")].concat();
        assert_eq!(PublishRequest::decode(bytes.as_slice()).expect("a message").topic, "meant");
        assert_eq!(text(&bytes, "1"), Some("meant"));
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for bytes in [&[0x0a_u8, 0xff][..], &[0x0a, 0x80, 0x80], &[0xff; 20], &[0x0b], &[0x0a, 1, 0xff]] {
            assert_eq!(text(bytes, "1"), None, "{bytes:?}");
        }
        assert_eq!(message(&[1, 0, 0, 0, 0]), None);
        assert_eq!(message(&[0, 0, 0, 0, 2, 7]), None);
    }
}
