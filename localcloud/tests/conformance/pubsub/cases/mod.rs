//! The list: what the local cloud and Google's emulator are asked.

mod admin;
mod clients;
mod failures;
mod flow;
mod lease;
mod lists;
mod masks;
mod names;
mod publish;
mod pull;
mod rest;
mod stream;
mod subscriptions;
mod unused;
mod vanish;

use futures::future::BoxFuture;

use super::stage::Stage;

/// A name, and what it does on a stage.
pub(super) type Case = (&'static str, for<'a> fn(&'a Stage) -> BoxFuture<'a, ()>);

macro_rules! cases {
    ($($module:ident::$name:ident),+ $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), |stage| Box::pin($module::$name(stage)))),+]
    };
}

/// All cases. Each has a project of its own, so they run side by side.
pub(super) const CASES: &[Case] = cases![
    admin::topics,
    admin::a_deleted_topic_leaves_its_subscription,
    admin::a_detached_subscription,
    subscriptions::defaults,
    subscriptions::every_setting,
    subscriptions::bounds,
    masks::of_topics,
    masks::of_subscriptions,
    names::of_resources,
    names::of_labels,
    lists::pages,
    clients::admin,
    clients::publish_and_subscribe,
    rest::bodies,
    publish::limits,
    publish::contents,
    pull::limits,
    pull::waiting,
    pull::acknowledging,
    lease::expires,
    lease::is_extended,
    lease::is_given_back,
    lease::late_acknowledgement,
    failures::back_off,
    failures::attempts_without_dead_letters,
    failures::dead_letters,
    failures::dead_letters_without_a_topic,
    failures::expiry_counts,
    stream::first_request,
    stream::later_requests,
    stream::half_close,
    stream::answers_to_stream,
    stream::deleted_subscription,
    stream::own_deadline,
    stream::changed_deadline,
    flow::by_messages,
    flow::by_bytes,
    flow::is_shared,
    vanish::a_cut_connection,
    vanish::a_stream_that_was_reset,
    vanish::a_stopped_process,
    unused::filters,
    unused::filtered_messages,
    unused::ordering_keys,
    unused::exactly_once,
    unused::methods,
];
