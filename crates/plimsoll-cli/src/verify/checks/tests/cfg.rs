//! CFG: starts with valid and invalid values.

use super::*;

fn judge_start(id: &str, start: Start) -> Option<bool> {
    let evidence = Evidence {
        start: Some(start),
        ..Evidence::default()
    };
    judge(id, &evidence)
}

#[test]
fn wrong_values_end_the_start() {
    let ready = || Start::Ready(Duration::ZERO);
    let listens = |ports: &[u16]| Start::Silent {
        listens_on: ports.to_vec(),
    };
    for id in ["CFG-2:duration", "CFG-2:port", "CFG-2:boolean"] {
        assert_eq!(judge_start(id, Start::Ended(ended(Some(78)))), Some(true));
        assert_eq!(judge_start(id, Start::Ended(ended(Some(0)))), Some(false));
        assert_eq!(judge_start(id, Start::Ended(ended(None))), Some(false));
        assert_eq!(judge_start(id, ready()), Some(false));
        assert_eq!(judge_start(id, listens(&[8080])), Some(false));
        assert_eq!(judge_start(id, listens(&[])), None);
    }
    assert_eq!(judge_start("CFG-2:spellings", ready()), Some(true));
    assert_eq!(judge_start("CFG-2:spellings", listens(&[])), Some(false));
}

#[test]
fn wrong_settings_are_reported_together() {
    let evidence = |code, error: &str, record: &str| Evidence {
        scenario: &Scenario {
            variables: &[("A_NAME", "1"), ("B_NAME", "2")],
            ..DEFAULTS
        },
        start: Some(Start::Ended(ended(Some(code)))),
        lines: Some(vec![
            Line {
                stream: Stream::Err,
                bytes: error.as_bytes().to_vec(),
            },
            Line {
                stream: Stream::Out,
                bytes: record.as_bytes().to_vec(),
            },
        ]),
        ..Evidence::default()
    };
    let good = evidence(
        78,
        "A_NAME=1 and B_NAME=2",
        r#"{"message":"config_invalid"}"#,
    );
    let bad = evidence(1, "A_NAME=1", "");
    for id in ["CFG-3:status", "CFG-3:together", "CFG-3:record"] {
        assert_eq!(judge(id, &good), Some(true), "{id}");
        assert_eq!(judge(id, &bad), Some(false), "{id}");
    }
}
