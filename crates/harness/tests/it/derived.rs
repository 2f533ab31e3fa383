//! Tests the computation of quantities from measurements.

use harness::record::{Amount, Measurement, Record, Run};

const MIB: f64 = 1024.0 * 1024.0;
const GIB: f64 = 1024.0 * MIB;

fn run() -> Run {
    let values = [
        ("64KiB/tokio/fetches", 1024.0),
        ("64KiB/tokio/file_bytes", MIB),
        ("64KiB/tokio/wall_s", 0.5),
        ("64KiB/tokio/cpu_s", 0.25),
        ("64KiB/tokio/switches_voluntary", 1536.0),
        ("64KiB/tokio/switches_involuntary", 512.0),
        ("64KiB/tokio/peak_memory_bytes", 2.0 * MIB),
        ("64KiB/tokio/calls/preadv2", 16.0),
        ("64KiB/tokio/calls/sendto", 20.0),
        ("64KiB/tokio/errors/sendto", 3.0),
    ];
    let mut measurements: Vec<Measurement> =
        values.map(|(id, value)| Measurement::single(id, value)).into();
    measurements.push(Measurement {
        amount: Some(Amount::Bytes(16_384)),
        ..Measurement::single("chunk_size/tokio/1B", 2e6)
    });
    Run { program: "footprint".to_owned(), measurements, ..Run::default() }
}

#[test]
fn quantities_are_computed_from_measurements() {
    let is = |quantity: &str, value: f64| {
        assert_eq!(run().value(&format!("64KiB/tokio/{quantity}")), Some(value), "{quantity}");
    };
    is("calls/sendto", 20.0);
    is("calls", 36.0);
    is("errors", 3.0);
    is("calls_per_mib", 36.0);
    is("switches_per_fetch", 2.0);
    is("switches_per_mib", 2.0);
    is("cpu_s_per_gib", 0.25);
    is("peak_memory_mib", 2.0);
    is("bytes_per_s", 2.0 * GIB);
    let record = Record::new([run()]);
    assert_eq!(record.value("footprint/chunk_size/tokio/1B/per_s"), Some(8_192_000.0));
}

#[test]
fn unknown_quantities_have_no_value() {
    for id in ["64KiB/tokio/x", "64KiB/tokio/x_mib", "64KiB/std/calls", "x_per_mib", "", "calls"] {
        assert_eq!(run().value(id), None, "{id}");
    }
}
