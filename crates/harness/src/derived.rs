//! Computes quantities from the measurements of a run.

use crate::record::{Amount, Measurement, Record, Run};

const MIB: f64 = 1024.0 * 1024.0;
const GIB: f64 = 1024.0 * MIB;
const NS_PER_S: f64 = 1e9;

/// The computed quantities that pages use most. Error messages list these quantities.
pub const EXAMPLES: [&str; 5] =
    ["calls", "calls_per_mib", "memory_mib", "peak_memory_mib", "switches_per_mib"];

impl Measurement {
    /// Returns the number of bytes or clients per second in a benchmark. Returns `None` if the
    /// measurement has no amount of work or no values.
    #[must_use]
    pub fn per_s(&self) -> Option<f64> {
        let (Amount::Bytes(amount) | Amount::Clients(amount)) = self.amount?;
        Some(amount as f64 / self.spread()?.median * NS_PER_S)
    }
}

impl Record {
    /// Returns a value by its path. The path consists of the name of the program, a `/`, and the id
    /// of the value. [`Run::value`] describes the ids.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<f64> {
        let (program, id) = path.split_once('/')?;
        self.run(program)?.value(id)
    }
}

impl Run {
    /// Returns the median of a measurement. If no measurement has this id, the last part of the id
    /// must be the name of a computed quantity. The following quantities are computed from
    /// measurements:
    ///
    /// | quantity | value |
    /// | --- | --- |
    /// | `calls`, `errors` | the number of system calls per request, and the number of failed system calls per request |
    /// | `switches` | the number of voluntary and involuntary context switches |
    /// | `NAME_mib` | `NAME_bytes` in MiB |
    /// | `NAME_per_fetch` | `NAME` per request |
    /// | `NAME_per_mib`, `NAME_per_gib` | `NAME` per MiB or GiB of the file |
    /// | `bytes_per_s` | the number of bytes per second that the footprint's client received |
    /// | `per_s` | the number of bytes or clients per second in a benchmark |
    #[must_use]
    pub fn value(&self, id: &str) -> Option<f64> {
        if let Some(measurement) = self.get(id) {
            return Some(measurement.spread()?.median);
        }
        let (case, quantity) = id.rsplit_once('/')?;
        let value = |quantity: &str| self.value(&format!("{case}/{quantity}"));
        match quantity {
            "calls" | "errors" => self.sum(&format!("{id}/")),
            "switches" => Some(value("switches_voluntary")? + value("switches_involuntary")?),
            "bytes_per_s" => Some(value("fetches")? * value("file_bytes")? / value("wall_s")?),
            "per_s" => self.get(case)?.per_s(),
            _ => match quantity.rsplit_once("_per_") {
                Some((name, unit)) => {
                    // The recorded numbers of system calls apply to one request.
                    let is_per_request = matches!(name, "calls" | "errors");
                    let fetches = if is_per_request { 1.0 } else { value("fetches")? };
                    let amount = match unit {
                        "fetch" => fetches,
                        "mib" => fetches * value("file_bytes")? / MIB,
                        "gib" => fetches * value("file_bytes")? / GIB,
                        _ => return None,
                    };
                    Some(value(name)? / amount)
                }
                None => {
                    let name = quantity.strip_suffix("_mib")?;
                    Some(value(&format!("{name}_bytes"))? / MIB)
                }
            },
        }
    }

    /// Returns the sum of the medians of all measurements whose ids begin with a prefix. Returns
    /// `None` if no id begins with the prefix.
    fn sum(&self, prefix: &str) -> Option<f64> {
        let is_part = |measurement: &&Measurement| measurement.id.starts_with(prefix);
        let parts = self.measurements.iter().filter(is_part);
        let values: Vec<f64> = parts.filter_map(|part| Some(part.spread()?.median)).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}
