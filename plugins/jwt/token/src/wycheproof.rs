//! The JSON web signature vectors of Project Wycheproof, a selection; see `vectors/README.md`.

use sluice_plugin::serde_json::{self, Value};
use sluice_plugin::test::MockHost;

use crate::{Algorithm, KeySet, verify};

const VECTORS: &[u8] = include_bytes!("../vectors/wycheproof.json");

#[test]
fn signatures_are_judged_as_they_should_be() {
    let groups: Vec<Value> = serde_json::from_slice(VECTORS).unwrap();
    let mut judged = 0;
    for group in &groups {
        for case in group["tests"].as_array().unwrap() {
            let [number, comment, token, good] = case.as_array().unwrap().as_slice() else { panic!("{case}") };
            let verdict = MockHost::new().run(|| match KeySet::read(group["key"].clone(), |_, _| {}) {
                Ok(keys) => verify(token.as_str().unwrap(), &keys, &Algorithm::ALL).map_err(|why| format!("{why:?}")),
                Err(why) => Err(why),
            });
            assert_eq!(verdict.is_ok(), good.as_bool().unwrap(), "{number} {comment}: {verdict:?}");
            judged += 1;
        }
    }
    assert!(judged > 150, "{judged}");
}
