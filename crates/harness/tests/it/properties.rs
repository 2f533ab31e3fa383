//! Tests with random input of the code that reads records and parses arguments.

use std::fs;
use std::time::Duration;

use harness::TempFolder;
use harness::machine::Machine;
use harness::record::{Amount, Measurement, Record, Run, SUMMARY};
use harness::text::{bytes, duration, error_line, hex, printable, unescape};
use proptest::collection::{btree_map, vec};
use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

fn number() -> impl Strategy<Value = f64> {
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

fn measurement() -> impl Strategy<Value = Measurement> {
    let amount =
        prop_oneof![any::<u64>().prop_map(Amount::Bytes), any::<u64>().prop_map(Amount::Clients)];
    let interval = option::of([number(), number()]);
    (text(), vec(option::of(number()), 0..4), interval, option::of(amount))
        .prop_map(|(id, samples, interval, amount)| Measurement { id, samples, interval, amount })
}

fn run() -> impl Strategy<Value = Run> {
    let option = prop_oneof![
        any::<u64>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
        Just(json!({ "samples": [] })),
        Just(json!([{ "a": null }])),
    ];
    let machine = (any::<usize>(), text(), number()).prop_map(|(cores, cpu, memory_gib)| Machine {
        cores,
        cpu,
        memory_gib,
        ..Machine::default()
    });
    (text(), machine, btree_map(text(), option, 0..4), vec(text(), 0..3), vec(measurement(), 0..4))
        .prop_map(|(program, machine, options, problems, measurements)| Run {
            program,
            machine,
            options,
            problems,
            measurements,
            ..Run::default()
        })
}

fn config() -> ProptestConfig {
    // These tests write files.
    ProptestConfig::with_cases(64)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_record_that_was_written_can_be_read(runs in vec(run(), 0..3)) {
        let (folder, record) = (TempFolder::new().unwrap(), Record::new(runs));
        record.write(folder.path()).unwrap();
        prop_assert_eq!(Record::read(folder.path()).unwrap(), record);
    }

    #[test]
    fn a_damaged_record_is_an_error(run in run(), at: prop::sample::Index, byte: u8) {
        let folder = TempFolder::new().unwrap();
        Record::new([run]).write(folder.path()).unwrap();
        let path = folder.path().join(SUMMARY);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        // The file ends in `}` and a newline.
        fs::write(&path, &bytes[..at.min(bytes.len() - 2)]).unwrap();
        prop_assert!(Record::read(folder.path()).is_err());
        bytes[at] = byte;
        fs::write(&path, &bytes).unwrap();
        if let Err(error) = Record::read(folder.path()) {
            prop_assert!(error.to_string().contains(SUMMARY), "{error}");
        }
    }
}

proptest! {
    #[test]
    fn a_size_is_parsed_exactly(count in 0..1_u64 << 30, exponent in 0..=2_usize) {
        let text = format!("{count}{}", ["B", "KiB", "MiB"][exponent]);
        prop_assert_eq!(bytes(&text), Ok(count << (10 * exponent)));
    }

    #[test]
    fn a_duration_is_parsed_exactly(milliseconds in 0..1_u64 << 40) {
        let expected = Duration::from_millis(milliseconds);
        prop_assert_eq!(duration(&format!("{milliseconds}ms")), Ok(expected));
    }

    #[test]
    fn any_text_is_parsed_or_an_error(
        number in "[-+]?[0-9.eE]{0,30} ?[a-zA-Zµ]{0,4}",
        any in text(),
    ) {
        for text in [number, any] {
            let _ = (bytes(&text), duration(&text), unescape(&text));
        }
    }

    #[test]
    fn unescaping_restores_all_bytes(expected in vec(any::<u8>(), 0..40)) {
        let escape = |byte: &u8| match byte {
            b'\\' => "\\\\".to_owned(),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        let text: String = expected.iter().map(escape).collect();
        prop_assert_eq!(unescape(&text), Ok(expected));
    }

    #[test]
    fn text_and_bytes_are_printable(text in text(), bytes in vec(any::<u8>(), 0..100)) {
        prop_assert!(!printable(&text).contains(char::is_control));
        prop_assert!(!error_line(&text).unwrap_or_default().contains(char::is_control));
        let lines = hex(&bytes, true).replace('…', "");
        prop_assert!(lines.chars().all(|char| matches!(char, ' '..='~' | '\n')));
    }
}
