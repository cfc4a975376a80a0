//! How many bytes a call would answer: exactly, or somewhat more.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use memchr::memmem;
use regex::Regex;

/// An element of an array, and the room that it takes at least.
const ELEMENT: u128 = 16;
const DAY: i128 = 86_400_000_000_000;

/// `repeat(text, times)`.
pub(super) fn repeated_text(args: &ScalarFunctionArgs) -> Result<u128> {
    let (texts, times) = (lengths(args, 0), numbers(args, 1)?);
    Ok(texts.iter().zip(times).map(|(text, times)| *text as u128 * times).sum())
}

/// `lpad(text, characters)`, `rpad(text, characters)`.
pub(super) fn padded(args: &ScalarFunctionArgs) -> Result<u128> {
    let longest = char::MAX.len_utf8() as u128;
    Ok(numbers(args, 1)?.into_iter().map(|characters| characters * longest).sum())
}

/// `replace(text, from, to)`.
#[expect(clippy::unnecessary_wraps, reason = "others of its kind may fail")]
pub(super) fn replaced(args: &ScalarFunctionArgs) -> Result<u128> {
    let (texts, from, to) = (Texts::of(args, 0), Texts::of(args, 1), Texts::of(args, 2));
    let row = |at| {
        let (text, from, to) = (texts.get(at), from.get(at), to.get(at));
        let found = if from.is_empty() { 0 } else { memmem::find_iter(text, from).count() };
        text.len() as u128 + found as u128 * to.len() as u128
    };
    Ok((0..args.number_rows).map(row).sum())
}

/// `regexp_replace(text, pattern, to, flags)`. What a group matched may stand in `to` any number of
/// times, but of one text all that it matched is no longer than the text.
#[expect(clippy::unnecessary_wraps, reason = "others of its kind may fail")]
pub(super) fn replaced_patterns(args: &ScalarFunctionArgs) -> Result<u128> {
    let (texts, patterns, to) = (Texts::of(args, 0), Texts::of(args, 1), Texts::of(args, 2));
    let flags = (args.args.len() > 3).then(|| Texts::of(args, 3));
    let mut last: Option<(String, Option<Regex>)> = None;
    let mut row = |at| {
        let (text, to) = (texts.get(at), to.get(at));
        let flags = flags.as_ref().map_or(&[][..], |flags| flags.get(at));
        let pattern = with_flags(patterns.get(at), flags);
        if last.as_ref().is_none_or(|(held, _)| *held != pattern) {
            last = Some((pattern.clone(), Regex::new(&pattern).ok()));
        }
        let regex = last.as_ref().and_then(|(_, regex)| regex.as_ref());
        let found = match (regex, std::str::from_utf8(text)) {
            (Some(regex), Ok(text)) if flags.contains(&b'g') => regex.find_iter(text).count(),
            _ => 1,
        };
        let groups = memchr::memchr2_iter(b'\\', b'$', to).count() as u128;
        let text = text.len() as u128;
        text + found as u128 * to.len() as u128 + groups * text
    };
    Ok((0..args.number_rows).map(&mut row).sum())
}

/// A pattern with the flags that are the pattern's own: `g` is the call's.
fn with_flags(pattern: &[u8], flags: &[u8]) -> String {
    let pattern = String::from_utf8_lossy(pattern);
    let own: String = flags.iter().map(|flag| char::from(*flag)).filter(|flag| *flag != 'g').collect();
    if own.is_empty() { pattern.into_owned() } else { format!("(?{own}){pattern}") }
}

/// `concat(text, …)`, `text || text`.
#[expect(clippy::unnecessary_wraps, reason = "others of its kind may fail")]
pub(super) fn all_texts(args: &ScalarFunctionArgs) -> Result<u128> {
    let all = (0..args.args.len()).flat_map(|at| lengths(args, at));
    Ok(all.map(|length| length as u128).sum())
}

/// `array_repeat(element, times)`.
pub(super) fn repeated(args: &ScalarFunctionArgs) -> Result<u128> {
    let element = match &args.args[0] {
        ColumnarValue::Scalar(scalar) => scalar.size() as u128,
        ColumnarValue::Array(array) => (array.get_array_memory_size() / array.len().max(1)) as u128,
    };
    Ok(numbers(args, 1)?.into_iter().map(|times| times * element.max(ELEMENT)).sum())
}

/// `array_resize(array, length)`.
pub(super) fn resized(args: &ScalarFunctionArgs) -> Result<u128> {
    Ok(numbers(args, 1)?.into_iter().map(|length| length * ELEMENT).sum())
}

/// `range(start, stop, step)` of numbers, days or instants, and `range(stop)`.
pub(super) fn ranged(args: &ScalarFunctionArgs) -> Result<u128> {
    let (start, stop) = match args.args.len() {
        1 => (vec![0; args.number_rows], positions(args, 0)?),
        _ => (positions(args, 0)?, positions(args, 1)?),
    };
    let steps = if args.args.len() > 2 { positions(args, 2)? } else { vec![1; args.number_rows] };
    let spans = start.into_iter().zip(stop).zip(steps);
    Ok(spans
        .map(|((start, stop), step)| {
            ((stop - start).unsigned_abs() / step.unsigned_abs().max(1) + 1) * ELEMENT
        })
        .sum())
}

/// The rows' numbers; what is negative, null or no number counts as none.
fn numbers(args: &ScalarFunctionArgs, at: usize) -> Result<Vec<u128>> {
    Ok(positions(args, at)?.into_iter().map(|number| u128::try_from(number).unwrap_or(0)).collect())
}

/// The rows' places on a line: numbers as they are, days and instants in nanoseconds.
fn positions(args: &ScalarFunctionArgs, at: usize) -> Result<Vec<i128>> {
    let array = args.args[at].to_array(args.number_rows)?;
    if let Some(steps) = array.as_primitive_opt::<IntervalMonthDayNanoType>() {
        let step = |step: Option<_>| step.map_or(0, interval);
        return Ok(steps.iter().map(step).collect());
    }
    let instant = array.data_type().is_temporal();
    let array: ArrayRef = match instant {
        true => cast(&cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, None))?, &DataType::Int64)?,
        false => cast(&array, &DataType::Int64)?,
    };
    let unit = if instant { 1000 } else { 1 };
    Ok(array
        .as_primitive::<Int64Type>()
        .iter()
        .map(|number| i128::from(number.unwrap_or(0)) * unit)
        .collect())
}

fn interval(step: datafusion::arrow::datatypes::IntervalMonthDayNano) -> i128 {
    (i128::from(step.months) * 28 + i128::from(step.days)) * DAY + i128::from(step.nanoseconds)
}

fn lengths(args: &ScalarFunctionArgs, at: usize) -> Vec<usize> {
    let texts = Texts::of(args, at);
    (0..args.number_rows).map(|row| texts.get(row).len()).collect()
}

/// A column of texts that is not copied; what is no text is empty.
enum Texts<'a> {
    One(&'a str),
    Column(&'a ArrayRef),
}

impl<'a> Texts<'a> {
    fn of(args: &'a ScalarFunctionArgs, at: usize) -> Self {
        match &args.args[at] {
            ColumnarValue::Array(array) => Self::Column(array),
            ColumnarValue::Scalar(
                ScalarValue::Utf8(Some(text))
                | ScalarValue::LargeUtf8(Some(text))
                | ScalarValue::Utf8View(Some(text)),
            ) => Self::One(text),
            ColumnarValue::Scalar(_) => Self::One(""),
        }
    }

    fn get(&self, row: usize) -> &'a [u8] {
        match self {
            Self::One(text) => text.as_bytes(),
            Self::Column(array) if array.is_null(row) => &[],
            Self::Column(array) => match array.data_type() {
                DataType::Utf8 => text::<i32>(array, row),
                DataType::LargeUtf8 => text::<i64>(array, row),
                DataType::Utf8View => array.as_string_view().value(row).as_bytes(),
                _ => &[],
            },
        }
    }
}

fn text<O: OffsetSizeTrait>(array: &ArrayRef, row: usize) -> &[u8] {
    array.as_string::<O>().value(row).as_bytes()
}
