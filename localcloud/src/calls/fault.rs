//! A fault, as a test or a person asks for it: at which point, how often, and what happens there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::methods;

/// What happens to calls that reach a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Where.
    #[serde(flatten)]
    pub point: Point,
    /// To which of the calls that get there.
    pub when: When,
    /// What happens to them.
    pub what: What,
}

/// A point on the way of calls. In its patterns `*` stands for any text; an empty one is every
/// call's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// `pubsub.topics.publish`, `kubernetes.jobs.*` …
    pub method: String,
    /// `projects/p/topics/*`, `projects/_/buckets/*/objects/runs/*`, `clusters/*/namespaces/fx/jobs/*` …
    pub resource: String,
    /// A principal, a program (`worker`), a process by its number, or a pod.
    pub caller: String,
    /// Before or after the effect.
    pub moment: Moment,
}

/// Where a call is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Known, and nothing done yet.
    #[default]
    Before,
    /// Done, and not answered yet.
    After,
}

/// Which of the calls that reach a point are struck. They are counted from when the fault was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// All.
    #[default]
    Always,
    /// The next few.
    Next(u64),
    /// Every so many: of 3, the third, the sixth …
    Every(u64),
    /// Each with a probability; the same seed strikes the same ones, counted in the order in which
    /// they come.
    Probability {
        /// From 0 to 1.
        p: f64,
        /// Any number.
        seed: u64,
    },
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It is answered with an error.
    Fail(Failure),
    /// Its connection is cut, and with it all that goes on there.
    Drop,
    /// It takes longer.
    Delay(Latency),
    /// It waits until it is released.
    Stall,
    /// The process that makes it is killed (SIGKILL) and its connection cut. Never this process, nor
    /// one that started it: those get an error that says so.
    Kill,
}

/// How much longer, by the local cloud's clock. In JSON, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Latency {
    /// Always as much.
    Fixed(#[serde(with = "milliseconds")] Duration),
    /// Anything in between, each as likely.
    Uniform {
        /// At least.
        #[serde(with = "milliseconds")]
        from: Duration,
        /// Less than.
        #[serde(with = "milliseconds")]
        to: Duration,
        /// Any number.
        seed: u64,
    },
    /// Mostly less, seldom much more.
    Exponential {
        /// On average.
        #[serde(with = "milliseconds")]
        mean: Duration,
        /// Any number.
        seed: u64,
    },
}

impl Point {
    /// Where calls of a method, or of those that a pattern names, are not done yet.
    #[must_use]
    pub fn before(method: &str) -> Self {
        Self { method: method.into(), ..Self::default() }
    }

    /// Where they are done and not answered.
    #[must_use]
    pub fn after(method: &str) -> Self {
        Self { moment: Moment::After, ..Self::before(method) }
    }

    /// Only on resources of a pattern.
    #[must_use]
    pub fn on(self, resource: &str) -> Self {
        Self { resource: resource.into(), ..self }
    }

    /// Only by callers of a pattern.
    #[must_use]
    pub fn by(self, caller: &str) -> Self {
        Self { caller: caller.into(), ..self }
    }
}

impl Fault {
    /// Happens to every call that gets there.
    #[must_use]
    pub fn always(point: Point, what: What) -> Self {
        Self { point, when: When::Always, what }
    }

    /// Happens to the next `count` that get there.
    #[must_use]
    pub fn next(count: u64, point: Point, what: What) -> Self {
        Self { point, when: When::Next(count), what }
    }

    /// Why it can never strike, if so: a test that set it would prove nothing.
    pub(super) fn is_in_vain(&self) -> Option<String> {
        let method = &self.point.method;
        if !methods::any_is_of(method) {
            return Some(format!("no method is called `{method}`: the log of calls shows their names"));
        }
        matches!(self.when, When::Next(0) | When::Every(0)).then(|| "it would strike no call".to_owned())
    }
}

impl When {
    /// Whether the `count`th call to get there, from 1, is struck.
    pub(super) fn strikes(self, count: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Next(most) => count <= most,
            Self::Every(each) => each > 0 && count.is_multiple_of(each),
            Self::Probability { p, seed } => chance(seed, count) < p,
        }
    }
}

impl Latency {
    /// Of the `count`th call.
    pub(super) fn of(self, count: u64) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Uniform { from, to, seed } => from + to.saturating_sub(from).mul_f64(chance(seed, count)),
            Self::Exponential { mean, seed } => mean.mul_f64(-(1.0 - chance(seed, count)).ln()),
        }
    }
}

/// From 0 to less than 1: always the same for the same seed and count (splitmix64).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn chance(seed: u64, count: u64) -> f64 {
    let mut mixed = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A time as a number.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(when: When) -> Vec<u64> {
        (1..=12).filter(|count| when.strikes(*count)).collect()
    }

    #[test]
    fn a_fault_strikes_those_it_says() {
        assert_eq!(struck(When::Next(3)), [1, 2, 3]);
        assert_eq!(struck(When::Every(4)), [4, 8, 12]);
        assert_eq!(struck(When::Every(0)), [0; 0]);
        assert_eq!(struck(When::Probability { p: 0.0, seed: 7 }), [0; 0]);
        assert_eq!(struck(When::Probability { p: 1.0, seed: 7 }).len(), 12);
    }

    #[test]
    fn a_fault_that_could_never_strike_says_why() {
        let vain = |method: &str| Fault::next(1, Point::before(method), What::Drop).is_in_vain();
        for method in ["", "*", "pubsub.topics.publish", "*.create", "kubernetes.jobs.*"] {
            assert_eq!(vain(method), None, "{method}");
        }
        for method in ["pubsub.topcs.get", "kubernetes.pod.list", "storage"] {
            let why = format!("no method is called `{method}`: the log of calls shows their names");
            assert_eq!(vain(method), Some(why));
        }
        assert!(Fault::next(0, Point::default(), What::Drop).is_in_vain().is_some());
    }

    #[test]
    fn the_same_seed_strikes_the_same_and_as_often_as_it_says() {
        let when = |seed| When::Probability { p: 0.25, seed };
        assert_eq!(struck(when(7)), struck(when(7)));
        let all = |seed| (1..=10_000).filter(|count| when(seed).strikes(*count)).collect::<Vec<_>>();
        assert_ne!(all(7), all(8));
        assert!((2_300..2_700).contains(&all(7).len()), "{}", all(7).len());
    }

    #[test]
    fn latencies_are_distributed_as_they_say() {
        let ms = Duration::from_millis;
        let mean = |latency: Latency| (1..=10_000).map(|count| latency.of(count)).sum::<Duration>() / 10_000;
        let uniform = Latency::Uniform { from: ms(10), to: ms(30), seed: 1 };
        assert!((1..=10_000).all(|count| (ms(10)..ms(30)).contains(&uniform.of(count))));
        assert!((ms(19)..ms(21)).contains(&mean(uniform)), "{:?}", mean(uniform));
        let exponential = mean(Latency::Exponential { mean: ms(20), seed: 1 });
        assert!((ms(19)..ms(21)).contains(&exponential), "{exponential:?}");
        assert_eq!(Latency::Fixed(ms(5)).of(99), ms(5));
    }
}
