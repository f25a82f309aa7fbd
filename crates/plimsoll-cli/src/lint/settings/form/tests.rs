//! Each form compared with the chassis itself.

use plimsoll::config::{Environment, load};
use plimsoll_contract::Surface;
use proptest::prelude::*;

use super::*;

/// Settings that need others, so that their value alone decides.
const TOGETHER: [(&str, &[(&str, &str)]); 4] = [
    ("ADMIN_ADDR", &[("HOST", "127.9.9.9"), ("PORT", "9")]),
    ("INFRA_ENDPOINTS", &[("ADMIN_ADDR", "127.0.0.1:9")]),
    ("PROXY_PROTOCOL", &[("TRUSTED_PROXIES", "10.0.0.1")]),
    (
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        &[("OTEL_BSP_MAX_QUEUE_SIZE", "1000000")],
    ),
];

/// Returns the settings whose values the chassis rejects.
fn rejected(pairs: &[(&str, &str)]) -> Vec<String> {
    let environment = Environment::from_pairs(pairs.iter().copied());
    match load::<()>(&harness::build_info(), &environment) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            let problems = errors.problems().iter();
            problems.map(|it| it.variable().to_owned()).collect()
        }
    }
}

/// Returns the settings that accept a text otherwise than in the chassis.
fn differences(text: &str) -> Vec<String> {
    let settings = Surface::get().settings.iter();
    let forms = settings.map(|it| (it.name.as_str(), Form::of(it).unwrap()));
    // A file must exist, and a token has further conditions.
    let forms = forms.filter(|(_, form)| *form != Form::Any);
    let together = |name: &str| TOGETHER.iter().find(|(other, _)| *other == name);
    let (alone, others): (Vec<_>, Vec<_>) = forms.partition(|(name, _)| together(name).is_some());
    let pairs: Vec<_> = others.iter().map(|(name, _)| (*name, text)).collect();
    let mut found = rejected(&pairs);
    for (name, _) in &alone {
        let mut pairs = together(name).unwrap().1.to_vec();
        pairs.push((name, text));
        found.extend(rejected(&pairs).into_iter().filter(|it| it == name));
    }
    let forms = alone.into_iter().chain(others);
    let differences = forms.filter_map(|(name, form)| {
        let is_accepted = !found.iter().any(|it| it == name);
        let difference = format!("{name}={text:?} is accepted: {is_accepted}");
        (form.accepts(text) != is_accepted).then_some(difference)
    });
    differences.collect()
}

/// A setting of a new form must be added to [`Form::of`].
#[test]
fn form_of_each_setting_is_known_and_accepts_its_default() {
    for setting in &Surface::get().settings {
        let form = Form::of(setting).unwrap_or_else(|| panic!("{}", setting.expected));
        if let Some(default) = &setting.default {
            assert!(form.accepts(default), "{}", setting.name);
        }
    }
}

#[test]
fn value_is_accepted_as_in_the_chassis() {
    let texts = "abc 4 0 +1 1.5 007 1024 1025 65536 18446744073709551616 5s 5 1m30s 1d 0s 0.0 .5 5. 1.5h \
        8760h 8760.1h 0.0000000001 0.0000001ms 0.0001h 0.00001m 0.308000001m 0.3h 2MiB 0MiB 2MB 2mib 17179869184GiB true \
        TRUE Yes t main BOTH json text INFO WARN,a=DEBUG INFO,INFO a=INFO,a=INFO =INFO , a, a,b a=b a&b \
        10.0.0.0/8 10.0.0.0/33 10.0.0.0/08 10.0.0.1/+8 ::/0 ::1/129 unix unix:/a unix:a UNIX localhost \
        [::1] [::1]:80 ::1 127.0.0.1:80 127.0.0.1:0 127.0.0.1: http://a http://a@b https:// ftp://a \
        HTTP://A collector:4317 a=%41 a=%4 a=%zz a=%ff é=b a=%0a otlp none otlp,console otlp, x \
        always_on parentbased_always_on PARENTBASED_traceidratio parentbased_ 0.5 1.0 1.1 1e-1 off";
    let mut texts: Vec<String> = texts.split_whitespace().map(str::to_owned).collect();
    let blanks = [
        " 4",
        "4 ",
        "a b",
        "INFO, a = DEBUG",
        "10.0.0.1, ::1",
        "a = b",
        "\u{7f}",
    ];
    texts.extend(blanks.map(str::to_owned));
    texts.extend([128, 129].map(|length| "a".repeat(length)));
    texts.extend([106, 107].map(|length| format!("unix:/{}", "a".repeat(length))));
    texts.extend([38, 39].map(|length| format!("1.{}", "0".repeat(length))));
    let differences: Vec<String> = texts.iter().flat_map(|it| differences(it)).collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_value_is_accepted_as_in_the_chassis(
        text in "\\PC{1,12}",
        number in "[0-9]{0,9}([.][0-9]{0,12})?(ms|s|m|h|d|KiB|GiB)?",
        address in "(unix:)?\\[?([0-9]{1,3}[.:]){1,4}[0-9]{0,3}\\]?(:[0-9]{1,5})?(/[0-9]{1,3})?",
        url in "(http|https|ftp)://[a-z@:/%?#.]{0,10}",
        list in "(INFO|a|[a-c]=(DEBUG|%[0-9a-f]{1,2}|b)| |,|=|unix|otlp){1,6}",
    ) {
        for text in [text, number, address, url, list] {
            if !text.is_empty() {
                prop_assert_eq!(differences(&text), [""; 0]);
            }
        }
    }
}
