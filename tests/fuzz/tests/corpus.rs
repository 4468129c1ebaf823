//! Every input of the corpus, and mutations of it, through every target: what fuzzing found once stays found, and a
//! change that breaks what has to hold is seen without a fuzzer.

use std::path::Path;

use fuzzing::TARGETS;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Inputs of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpus_holds() {
    for (name, target) in TARGETS {
        for input in corpus(name) {
            target(&input);
        }
    }
}

/// Places, and what is done there: a byte put in, taken out or changed, or the rest taken from another input.
fn mutations() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..8)
}

fn mutate(input: &[u8], other: &[u8], mutations: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for (place, kind, byte) in mutations {
        let at = place.index(bytes.len() + 1);
        match kind {
            0 => bytes.insert(at, *byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] = *byte,
            _ => {
                bytes.truncate(at);
                bytes.extend_from_slice(other.get(place.index(other.len() + 1)..).unwrap_or_default());
            }
        }
    }
    bytes
}

#[test]
fn mutations_of_the_corpus_hold() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        let pick = || prop::sample::select(corpus.clone());
        // Nothing is kept beside the corpus: a failure prints its input, which belongs there.
        let config = Config { cases: 1_000, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&(pick(), pick(), mutations()), |(input, other, mutations)| {
            target(&mutate(&input, &other, &mutations));
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{name}: {error}");
        }
    }
}
