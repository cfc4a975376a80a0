use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn rows<T: DeserializeOwned>(path: &Path, table: &str) -> BTreeMap<String, T> {
    let (_, mut tables) = Journal::open(path).expect("open");
    tables.take(table).expect("rows")
}

#[test]
fn what_was_put_is_there_after_a_restart_and_what_was_deleted_is_not() {
    let folder = folder();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path).expect("open");
    journal.put("topics", "a", &1).expect("put");
    journal.put("topics", "b", &2).expect("put");
    journal.put("topics", "a", &3).expect("put");
    journal.delete("topics", "b").expect("delete");
    drop(journal);

    assert_eq!(rows(&path, "topics"), BTreeMap::from([("a".into(), 3)]));
    assert_eq!(std::fs::read_to_string(&path).expect("read").lines().count(), 1);
}

#[test]
fn a_line_that_a_kill_cut_short_is_dropped() {
    let folder = folder();
    let path = folder.path().join("journal");
    let whole = "{\"table\":\"t\",\"key\":\"a\",\"value\":1}\n";
    std::fs::write(&path, format!("{whole}{{\"table\":\"t\",\"key\":\"b\",\"va")).expect("write");
    assert_eq!(rows(&path, "t"), BTreeMap::from([("a".into(), 1)]));
}

#[test]
fn a_batch_counts_whole_or_not_at_all() {
    let folder = folder();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path).expect("open");
    journal.put("t", "a", &1).expect("put");
    let mut batch = Batch::default();
    batch.put("t", "b", &2).expect("put");
    batch.delete("t", "a").expect("delete");
    journal.commit(batch).expect("commit");
    drop(journal);
    let text = std::fs::read(&path).expect("read");

    assert_eq!(rows(&path, "t"), BTreeMap::from([("b".into(), 2)]));
    std::fs::write(&path, &text[..text.len() - 1]).expect("write");
    assert_eq!(rows(&path, "t"), BTreeMap::from([("a".into(), 1)]));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let folder = folder();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path).expect("open");
    let nested = |levels: usize| (0..levels).fold(Value::from("[\"["), |inner, _| Value::Array(vec![inner]));
    journal.put("t", "deep", &nested(125)).expect("put");
    journal.put("t", "deeper", &nested(126)).expect_err("refused");
    drop(journal);
    assert_eq!(rows(&path, "t"), BTreeMap::from([("deep".into(), nested(125))]));
}

#[test]
fn a_line_in_the_middle_that_cannot_be_read_is_an_error_that_says_where_and_what_to_do() {
    let folder = folder();
    let path = folder.path().join("journal");
    let good = "{\"table\":\"t\",\"key\":\"a\",\"value\":1}\n";
    let text = format!("{good}{{\"table\":\"t\0\0\n{good}");
    std::fs::write(&path, &text).expect("write");
    let error = Journal::open(&path).err().expect("refused").to_string();
    assert!(error.contains("journal line 2 can't be read"), "{error}");
    assert!(error.contains(&format!("sed -i 2d {}", path.display())), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), text, "untouched");
}

#[test]
fn a_line_that_could_not_be_written_whole_does_not_swallow_the_next_one() {
    let folder = folder();
    let path = folder.path().join("journal");
    let mut tail = Tail::open(&path, None, FLOOR).expect("open");
    let line = |key: &str| format!("{{\"table\":\"t\",\"key\":\"{key}\",\"value\":1}}\n");
    tail.append(line("a").as_bytes()).expect("append");
    tail.tear(&line("half").as_bytes()[..20]);
    tail.append(line("b").as_bytes()).expect("append");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), line("a") + &line("b"));
}

#[test]
fn a_journal_in_use_stays_short_and_keeps_everything_that_counts() {
    const FLOOR: u64 = 64 << 10;
    let folder = folder();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open_with(&path, FLOOR).expect("open");
    let text = "x".repeat(200);
    let mut expected = BTreeMap::new();
    let mut longest = Duration::ZERO;
    for round in 0..20_000_u32 {
        let (key, value) = (format!("k{}", round % 97), format!("{round} {text}"));
        let begun = Instant::now();
        if round % 5 == 4 {
            journal.delete("t", &key).expect("delete");
            expected.remove(&key);
        } else {
            journal.put("t", &key, &value).expect("put");
            expected.insert(key, value);
        }
        longest = longest.max(begun.elapsed());
    }
    // What came in while it was rewritten goes with the next time, which a further change begins.
    journal.settle();
    journal.put("other", "nudge", &0).expect("put");
    journal.settle();
    // Written were five megabytes; what counts is some 20 KB.
    let length = std::fs::metadata(&path).expect("there").len();
    assert!(length <= 2 * FLOOR, "{length} bytes");
    drop(journal);
    assert_eq!(rows::<String>(&path, "t"), expected);
    eprintln!("longest write beside a rewriting: {longest:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u16),
    Delete(u8),
    Batch(Vec<(u8, Option<u16>)>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..12_u8, any::<u16>()).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (0..12_u8).prop_map(Step::Delete),
        2 => prop::collection::vec((0..12_u8, any::<Option<u16>>()), 0..5).prop_map(Step::Batch),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// With a floor of nothing nearly every line begins a rewriting.
    #[test]
    fn a_journal_is_a_map_whatever_is_rewritten_and_wherever_the_last_line_is_cut(
        steps in prop::collection::vec(step(), 0..120),
        cut in 0_usize..=38,
    ) {
        let folder = folder();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open_with(&path, 0).expect("open");
        let mut model: BTreeMap<String, u16> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    journal.put("t", &key.to_string(), &value).expect("put");
                    model.insert(key.to_string(), value);
                }
                Step::Delete(key) => {
                    journal.delete("t", &key.to_string()).expect("delete");
                    model.remove(&key.to_string());
                }
                Step::Batch(changes) => {
                    let mut batch = Batch::default();
                    for (key, value) in changes {
                        if let Some(value) = value {
                            batch.put("t", &key.to_string(), &value).expect("put");
                            model.insert(key.to_string(), value);
                        } else {
                            batch.delete("t", &key.to_string()).expect("delete");
                            model.remove(&key.to_string());
                        }
                    }
                    journal.commit(batch).expect("commit");
                }
                Step::Reopen => {
                    drop(journal);
                    let (reopened, mut tables) = Journal::open_with(&path, 0).expect("open");
                    prop_assert_eq!(tables.take::<u16>("t").expect("rows"), model.clone());
                    journal = reopened;
                }
            }
        }
        drop(journal);
        prop_assert_eq!(rows::<u16>(&path, "t"), model.clone());
        let half = &b"[{\"table\":\"t\",\"key\":\"0\"},{\"table\":\"t\","[..cut];
        let mut text = std::fs::read(&path).expect("read");
        text.extend_from_slice(half);
        std::fs::write(&path, text).expect("write");
        prop_assert_eq!(rows::<u16>(&path, "t"), model);
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = apply(&mut Rows::new(), &line);
    }
}
