//! Tests of [`super`]: table and sample have every setting, fit their width, and read back.

use plimsoll::config::{
    Definitions, DurationOrOff, Environment, Invalid, Loaded, Reader, Secret, Settings,
    definitions, load,
};

use super::*;

const BUILD: BuildInfo = BuildInfo::new("demo", "1.2.3", "today");

/// One setting of each kind.
#[derive(Debug)]
struct Own;

impl Settings for Own {
    fn read(from: &mut Reader<'_>) -> Result<Self, Invalid> {
        let url = from
            .setting("DATABASE_URL", "Where the data is | and stays.")
            .example("postgres://db/app")
            .read::<String>();
        let token = from
            .setting("API_TOKEN", "Token.")
            .read_optional::<Secret>();
        let greeting = from
            .setting("GREETING", "The greeting.")
            .default(" a # b")
            .read::<String>();
        let pause = from
            .setting("PAUSE", "A pause.")
            .alias("OLD_PAUSE")
            .default("2m")
            .read::<DurationOrOff>();
        url?;
        token?;
        greeting?;
        pause?;
        Ok(Self)
    }
}

fn own() -> Definitions {
    definitions::<Own>(&BUILD)
}

/// Loads a text as a profile.
fn load_profile(name: &str, text: &str) -> Loaded<()> {
    let file = std::env::temp_dir().join(format!("xtask-{}-{name}.env", std::process::id()));
    fs::write(&file, text).expect("a temporary file can be written");
    let environment = Environment::from_pairs([("ENV_FILE", &file)]);
    let loaded = load::<()>(&BUILD, &environment);
    fs::remove_file(&file).expect("a temporary file can be removed");
    loaded.unwrap_or_else(|errors| panic!("{errors}"))
}

/// Returns the notes of the start, which are visible only in `Debug`.
fn notes(loaded: &Loaded<()>) -> String {
    let text = format!("{loaded:?}");
    let rest = text.split_once("notes: Notes").map(|(_, rest)| rest);
    let notes = rest.and_then(|rest| rest.split_once("report: "));
    notes.expect("`Debug` shows the notes").0.to_owned()
}

#[test]
fn outputs_have_every_setting_and_alias() {
    let definitions = own();
    let outputs = [
        settings::table(&definitions),
        env_sample::text(&definitions),
    ];
    for setting in definitions.settings() {
        for name in [setting.name].iter().chain(&setting.aliases) {
            for output in &outputs {
                assert!(output.contains(name), "{name} is missing in:\n{output}");
            }
        }
    }
    for ignored in definitions.ignored() {
        assert!(outputs[0].contains(ignored.name));
    }
}

#[test]
fn sample_is_at_most_100_columns_wide() {
    for line in env_sample::text(&own()).lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn table_has_four_cells_in_each_row() {
    let table = settings::table(&own());
    for line in table.lines() {
        let bars = line.replace(r"\|", "").matches('|').count();
        assert_eq!(bars, 5, "{line}");
    }
    for row in [
        "| variable | default | accepted | meaning |\n|---|---|---|---|\n",
        "| `PAUSE` [`OLD_PAUSE`] | `2m` | a duration of at most 365 days, or 0 for off | A pause. |\n",
        r"| `DATABASE_URL` | required | text | Where the data is \| and stays. |",
        "| `API_TOKEN` | unset | a secret text, or its file in API_TOKEN_FILE | Token. |\n",
        "| [`GUNICORN_THREADS`] | – | anything | No effect: a worker is one thread here. |\n",
    ] {
        assert!(table.contains(row), "{row:?} is missing in:\n{table}");
    }
}

#[test]
fn sample_changes_nothing() {
    let loaded = load_profile("whole", &env_sample::text(&definitions::<()>(&BUILD)));
    let defaults = load::<()>(&BUILD, &Environment::default()).expect("defaults are valid");
    assert_eq!(
        format!("{:?}", loaded.config),
        format!("{:?}", defaults.config)
    );
    assert_eq!(notes(&loaded), notes(&defaults));
}

#[test]
fn uncommented_lines_of_the_sample_are_accepted() {
    let sample = env_sample::text(&definitions::<()>(&BUILD));
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    };
    let lines = sample.lines().filter_map(|line| line.strip_prefix("# "));
    let lines = lines.filter(|line| line.split_once('=').is_some_and(|(name, _)| is_name(name)));
    // The files that are named there do not exist here.
    let lines: Vec<_> = lines.filter(|line| !line.contains("_FILE=")).collect();
    assert!(lines.len() > 5, "{lines:?}");
    drop(load_profile("uncommented", &lines.join("\n")));
}

#[test]
fn sample_shows_each_kind_of_setting() {
    let sample = env_sample::text(&own());
    for part in [
        "\nDATABASE_URL=\n",
        "\n# API_TOKEN=\n# API_TOKEN_FILE=/run/secrets/api_token\n",
        "\nGREETING=\" a # b\"\n",
        "\n# Accepted: a duration of at most 365 days, or 0 for off. Also read from OLD_PAUSE.\nPAUSE=2m\n",
        "\n# DRAIN_DELAY=5s\n",
        "Default: 0s; 5s in Kubernetes.",
    ] {
        assert!(sample.contains(part), "{part:?} is missing in:\n{sample}");
    }
}

#[test]
fn table_of_metrics_has_name_type_labels_and_meaning() {
    let table = metrics::table();
    for row in [
        "| `http_requests_total` | counter | `service`, `method`, `path`, `status` | ",
        "| `http_connections_open` | gauge |  | ",
    ] {
        assert!(table.contains(row), "{row:?} is missing in:\n{table}");
    }
}
