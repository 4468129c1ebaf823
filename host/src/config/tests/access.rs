//! `[access_log]`

use super::*;
use crate::config::model::{AccessFormat, AccessOutput, AccessWhen, SyslogTarget};
use crate::telemetry::access::Field;

fn log(text: &str) -> std::sync::Arc<model::AccessLog> {
    let config = read_with_basics(&format!("[access_log]\n{text}")).unwrap_or_else(|problems| panic!("{problems:#?}"));
    config.access_log.unwrap()
}

#[test]
fn there_is_none_by_default_and_json_on_standard_output_when_wanted() {
    assert!(read_with_basics("").unwrap().access_log.is_none());
    let log = log("");
    assert_eq!((&log.output, log.when), (&AccessOutput::Stdout, AccessWhen::Always));
    assert!(matches!(&log.format, AccessFormat::Json(fields) if fields.len() == Field::DEFAULT.len()));
}

#[test]
fn outputs_are_read() {
    let AccessOutput::File { path, rotate, keep } =
        &log("output = { file = \"logs/a.log\", rotate = \"never\" }").output
    else {
        panic!("no file")
    };
    assert!(path.is_absolute() && path.ends_with("logs/a.log"));
    assert_eq!((*rotate, *keep), (0, 5));
    let syslog = |text: &str| match &log(&format!("output = {{ {text} }}")).output {
        AccessOutput::Syslog { target, facility } => (target.clone(), *facility),
        other => panic!("{other:?}"),
    };
    assert_eq!(syslog("syslog = \"/dev/log\""), (SyslogTarget::Unix("/dev/log".into()), 16));
    let udp = SyslogTarget::Udp("127.0.0.1:514".parse().unwrap());
    assert_eq!(syslog("syslog = \"127.0.0.1:514\", facility = \"daemon\""), (udp, 3));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    assert_problems(
        "[access_log]\nformat = \"combined\"\nfields = [\"status\"]\noutput = \"a.log\"",
        &[
            "sluice.toml:10: access_log.fields: only lines of JSON have fields that can be chosen; \
             remove it, or write format = \"json\"",
            "sluice.toml:11: access_log.output: expected \"stdout\", \"stderr\", { file = \"…\" } or { syslog = \"…\" }, \
             found \"a.log\"; write { file = \"a.log\" } for a file",
        ],
    );
    assert_problems(
        "[access_log]\noutput = { syslog = \"/dev/log\", keep = 1 }\nwhen = \"error\"",
        &[
            "sluice.toml:9: access_log.output.keep: belongs to a file; remove it",
            "sluice.toml:10: access_log.when: expected \"always\" or \"errors\", found \"error\"; did you mean \"errors\"? \
             (valid: always, errors)",
        ],
    );
    assert!(read_with_basics("[access_log]\noutput = { file = \"a\", syslog = \"/dev/log\" }").is_err());
    let unknown = read_with_basics("[access_log]\nfields = [\"statuss\"]").unwrap_err();
    assert!(unknown[0].contains("did you mean \"status\"?") && unknown[0].contains("request.NAME"), "{unknown:?}");
}
