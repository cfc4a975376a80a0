//! Where the local cloud and Google's emulator answer differently, and which of them is right. The
//! table is the source of `differences.md`, and a row that is no longer needed fails the test.

use std::fmt::Write as _;

/// One known difference.
pub(super) struct Difference {
    /// `case: step`. Here and below `*` stands for anything.
    pub(super) place: &'static str,
    /// What the local cloud shows.
    pub(super) local: &'static str,
    /// What the emulator shows.
    pub(super) emulator: &'static str,
    /// Why they differ, and what the real service does.
    pub(super) why: &'static str,
    /// The emulator does not show it every time.
    pub(super) at_times: bool,
}

const fn row(
    place: &'static str,
    local: &'static str,
    emulator: &'static str,
    why: &'static str,
) -> Difference {
    Difference { place, local, emulator, why, at_times: false }
}

/// A difference that depends on which stream the emulator asks first.
const fn at_times(
    place: &'static str,
    local: &'static str,
    emulator: &'static str,
    why: &'static str,
) -> Difference {
    Difference { place, local, emulator, why, at_times: true }
}

/// Only the words differ; the code is the same.
const WORDS: &str = "words only: the local cloud takes those of the real service where they are known";
const NO_CHECK: &str =
    "the emulator does not check it; the limit is documented (pubsub/quotas, pubsub.proto)";
const NO_FILTER: &str =
    "the emulator keeps a filter and neither parses nor applies it (pubsub/docs/subscription-message-filter)";
const NO_FLOW: &str = "the emulator does not look at flow control: a stream gets up to 1,000 messages at once (pubsub.proto, `max_outstanding_messages`). So a killed client takes the whole backlog with it, and nobody sees those messages before its lease ends: after five quick kills under leases of 60 s, 32 items need minutes";
const ABSENT: &str = "deliberately absent from the local cloud; it says so, with the method's name";

/// All that is known.
pub(super) const DIFFERENCES: &[Difference] = &[
    row("*", "*NOT_FOUND*Resource not found (resource=*", "*NOT_FOUND*", WORDS),
    row("*", "*404*Resource not found (resource=*", "*404*NOT_FOUND*", WORDS),
    row("*", "*Resource already exists in the project (resource=*", "*already exists*", WORDS),
    row("*", "INVALID_ARGUMENT: Invalid resource name given (*", "INVALID_ARGUMENT: Invalid [*", WORDS),
    row(
        "*",
        "INVALID_ARGUMENT: You have passed an invalid ack ID to the service*",
        "INVALID_ARGUMENT: Invalid ack id*",
        WORDS,
    ),
    row(
        "*",
        "INVALID_ARGUMENT: You have not specified an ack ID in the request.",
        "INVALID_ARGUMENT: No ack ids specified*",
        "words only: the real service's are in googleapis/nodejs-pubsub#1194",
    ),
    row(
        "masks::*",
        "INVALID_ARGUMENT: Invalid update_mask provided in the *",
        "INVALID_ARGUMENT: Invalid update_mask provided in the *",
        "words only: the real service has the quotes (hashicorp/terraform-provider-google#7562)",
    ),
    row(
        "*",
        "INVALID_ARGUMENT: The value for message_retention_duration is too *",
        "INVALID_ARGUMENT: message_retention_duration out of bounds",
        WORDS,
    ),
    row(
        "*",
        "INVALID_ARGUMENT: A duration must not be negative.",
        "INVALID_ARGUMENT: *out of bounds*",
        WORDS,
    ),
    row("*", "INVALID_ARGUMENT: Invalid ack deadline given (*", "INVALID_ARGUMENT: *", WORDS),
    row(
        "publish::limits: *",
        "INVALID_ARGUMENT: The value for message_count is too *",
        "INVALID_ARGUMENT: *messages to publish",
        "words only: the real service's are in googleapis/google-cloud-java#4757",
    ),
    row(
        "rest::bodies: publish nothing",
        "400*The value for message_count is too small*",
        "400*No messages to publish*",
        WORDS,
    ),
    row(
        "publish::limits: *",
        "INVALID_ARGUMENT: One or more messages in the publish request is empty.*",
        "INVALID_ARGUMENT: Some messages are empty",
        WORDS,
    ),
    row(
        "pull::limits: at most 0",
        "INVALID_ARGUMENT: The value for max_messages is too small.*",
        "INVALID_ARGUMENT: No max_messages specified",
        WORDS,
    ),
    row(
        "stream::first_request: without a subscription",
        "INVALID_ARGUMENT: Invalid resource name given (name=)*",
        "INVALID_ARGUMENT: first message must set subscription",
        WORDS,
    ),
    row(
        "stream::later_requests: more ids than deadlines",
        "INVALID_ARGUMENT: modify_deadline_seconds and *",
        "INVALID_ARGUMENT: ack IDs and deadlines must have the same size",
        WORDS,
    ),
    row(
        "rest::bodies: a mistake in the body",
        "400*Invalid JSON payload received.*",
        "400*Payload isn't valid for request.*",
        WORDS,
    ),
    row(
        "unused::methods: a * that is nowhere",
        "UNIMPLEMENTED: google.pubsub.v1.*/Nonsense: not supported by the local cloud",
        "UNIMPLEMENTED: Method not found: google.pubsub.v1.*/Nonsense",
        WORDS,
    ),
    row(
        "unused::exactly_once: acknowledge again",
        "INVALID_ARGUMENT: Some acknowledgement ids in the request were invalid.*",
        "INVALID_ARGUMENT: ",
        "words only: the real service's are in googleapis/nodejs-pubsub#1547",
    ),
    row(
        "failures::dead_letters: letter: CloudPubSubDeadLetterSourceTopicPublishTime",
        "9999-99-99T99:99:99.999+99:99",
        "9999-99-99T99:99:99.999Z",
        "the same instant in another spelling; the real service is remembered to write `+00:00`",
    ),
    row(
        "rest::bodies: *",
        "200*\"state\":\"ACTIVE\"*",
        "200*",
        "`state` is an output of the API (pubsub.proto, `Subscription.State`); the emulator leaves it out",
    ),
    row(
        "masks::of_topics: update labels",
        "*labels=a:b*",
        "INVALID_ARGUMENT: *labels is not a known Topic field*",
        "the emulator can't change labels; the real service can (pubsub/docs/labels)",
    ),
    row(
        "masks::of_subscriptions: update labels",
        "*labels=a:b",
        "INVALID_ARGUMENT: *labels is not a known Subscription field*",
        "the emulator can't change labels; the real service can (pubsub/docs/labels)",
    ),
    row(
        "masks::of_subscriptions: update expiration_policy",
        "projects/*",
        "INVALID_ARGUMENT: *currently unsupported in the Pub/Sub Emulator.",
        "the emulator can't change it; the real service can (pubsub.proto)",
    ),
    row(
        "masks::of_subscriptions: update filter",
        "INVALID_ARGUMENT: *the 'filter' field in the Subscription is not mutable.",
        "INVALID_ARGUMENT: *currently unsupported in the Pub/Sub Emulator.",
        "words only: the real service's were seen in floci-io/floci-gcp#112",
    ),
    row(
        "masks::of_subscriptions: update dead_letter_policy.max_delivery_attempts",
        "INVALID_ARGUMENT: Invalid resource name given (dead_letter_topic=)*",
        "INVALID_ARGUMENT: *is not a known Subscription field*",
        "the local cloud takes paths into the dead-letter policy, of which this one leaves the topic out",
    ),
    row("masks::of_subscriptions: a wrong value", "INVALID_ARGUMENT: *", "*ack_deadline=5s*", NO_CHECK),
    row(
        "subscriptions::defaults: it expires",
        "after 2678400 s",
        "not said",
        "the emulator knows no default of 31 days (pubsub.proto, `expiration_policy`)",
    ),
    row("subscriptions::bounds: a deadline of 9 s", "INVALID_ARGUMENT: *", "*ack_deadline=9s*", NO_CHECK),
    row("subscriptions::bounds: an expiration of an hour", "INVALID_ARGUMENT: *", "projects/*", NO_CHECK),
    row(
        "subscriptions::bounds: dead letters to no topic",
        "INVALID_ARGUMENT: Invalid resource name given (dead_letter_topic=)*",
        "NOT_FOUND: Dead letter topic not found",
        "the real service refuses the name first (goblet/goblet#399)",
    ),
    row(
        "names::of_labels: *",
        "INVALID_ARGUMENT: *",
        "OK",
        "the emulator does not check labels (pubsub/docs/labels)",
    ),
    row("names::of_resources: topic: no project", "INVALID_ARGUMENT: *", "projects//topics/abc", NO_CHECK),
    row(
        "lists::pages: a negative size",
        "INVALID_ARGUMENT: *",
        "5 of *",
        "the emulator takes it for none; the field is documented as a number of rows",
    ),
    row(
        "lists::pages: *project*",
        "INVALID_ARGUMENT: *",
        "UNKNOWN: Application error processing RPC",
        "the emulator fails inside",
    ),
    row(
        "lists::pages: of no topic",
        "NOT_FOUND: *",
        "0 of []",
        "the emulator takes a topic that is not there for one without subscriptions",
    ),
    row(
        "publish::limits: 12,000,000 bytes in two",
        "INVALID_ARGUMENT: Request payload size exceeds the limit: 10485760 bytes.",
        "*",
        "the emulator resets the connection or stays silent; the real service's words are in apache/beam#23022",
    ),
    row(
        "publish::limits: *",
        "INVALID_ARGUMENT: The attribute \"*",
        "1 ids",
        "the emulator does not check it; the real service's words are in googleapis/java-pubsub#2312 and snowplow/enrich#485",
    ),
    row("publish::limits: *", "INVALID_ARGUMENT: *", "1 ids", NO_CHECK),
    row("pull::limits: at most -1", "INVALID_ARGUMENT: *", "nothing", NO_CHECK),
    row("pull::acknowledging: a lease of 601 s", "INVALID_ARGUMENT: *", "OK", NO_CHECK),
    row(
        "stream::later_requests: flow control",
        "INVALID_ARGUMENT: max_outstanding_messages may only be set in first message",
        "it stays open",
        "the real service aborts such a stream (pubsub.proto, `max_outstanding_messages`)",
    ),
    row(
        "admin::a_detached_subscription: detach*",
        "*",
        "UNIMPLEMENTED: Method google.pubsub.v1.Publisher/DetachSubscription is unimplemented",
        "the emulator has it not (pubsub/docs/detach-subscriptions)",
    ),
    row("admin::a_detached_subscription: *", "*", "*", "follows from the row above"),
    row(
        "lease::late_acknowledgement: it comes",
        "a",
        "nothing",
        "the emulator takes a lease up again that has ended; nothing promises that, and the local cloud shows the worse of what may happen",
    ),
    at_times(
        "vanish::a_stopped_process: given back by the second holder, it comes again",
        "a",
        "nothing",
        "an acknowledgement after the lease counts in the emulator even if somebody else holds the message; it is documented as one that may succeed (pubsub.proto, `Acknowledge`), and the local cloud shows the worse",
    ),
    at_times(
        "vanish::a_stopped_process: another stream gets",
        "a after 10 s",
        "*",
        "it may go to the stopped process again, whose stream is as open as those of the nine others: by chance in the local cloud, more often in the emulator",
    ),
    row("flow::*", "*", "*", NO_FLOW),
    row("vanish::a_cut_connection: *", "*", "*", NO_FLOW),
    row("vanish::a_stream_that_was_reset: *", "*", "*", NO_FLOW),
    row("unused::filters: *", "INVALID_ARGUMENT", "OK", NO_FILTER),
    row("unused::filtered_messages: *", "*", "*", NO_FILTER),
    row("unused::methods: *", "UNIMPLEMENTED: *", "*", ABSENT),
];

impl Difference {
    pub(super) fn covers(&self, place: &str, local: &str, emulator: &str) -> bool {
        matches(self.place, place) && matches(self.local, local) && matches(self.emulator, emulator)
    }
}

/// The table as the document has it.
pub(super) fn render() -> String {
    let mut text = String::from(
        "# Pub/Sub: the local cloud beside Google's emulator\n\n\
         Made from the table in `differences.rs`, which the tests keep true. `*` stands for any text.\n\n\
         | where | local cloud | emulator | why |\n|---|---|---|---|\n",
    );
    for Difference { place, local, emulator, why, .. } in DIFFERENCES {
        let cell = |text: &str| format!("`{}`", text.replace('|', "\\|"));
        // A string takes whatever is written to it.
        let _ = writeln!(text, "| {} | {} | {} | {why} |", cell(place), cell(local), cell(emulator));
    }
    text
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))
        }),
    }
}
