//! A plan as a file: a few lines of text, then TensorRT's own bytes, all of it under a checksum.

use aecsad_program::sha256::hex_sha256;

use crate::network::Precision;

const HEADER: &str = "aecsad plan 1";

/// A compiled network. TensorRT knows tensors by name only, so the graph's order is kept beside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub precision: Precision,
    pub bytes: Vec<u8>,
}

impl Plan {
    /// As [`Plan::from_file`] reads it. Names with control characters were refused with the network.
    pub fn to_file(&self) -> Vec<u8> {
        let mut text = format!("precision {}\n", self.precision);
        for (kind, names) in [("input", &self.inputs), ("output", &self.outputs)] {
            for name in names {
                text += &format!("{kind} {name}\n");
            }
        }
        let mut content = text.into_bytes();
        content.push(b'\n');
        content.extend(&self.bytes);
        let mut file = format!("{HEADER}\n{}\n", hex_sha256(&content)).into_bytes();
        file.extend(content);
        file
    }

    pub fn from_file(file: &[u8]) -> Result<Self, String> {
        let damaged = || "its file is damaged".to_owned();
        let rest = file.strip_prefix(HEADER.as_bytes()).ok_or_else(damaged)?;
        let rest = rest.strip_prefix(b"\n").ok_or_else(damaged)?;
        let (checksum, content) = rest.split_at_checked(64).ok_or_else(damaged)?;
        let content = content.strip_prefix(b"\n").ok_or_else(damaged)?;
        if hex_sha256(content).as_bytes() != checksum {
            return Err(damaged());
        }
        let end = content.windows(2).position(|pair| pair == b"\n\n");
        let (text, bytes) = content.split_at(end.ok_or_else(damaged)?);
        let text = std::str::from_utf8(text).map_err(|_| damaged())?;
        let mut plan = Plan {
            inputs: Vec::new(),
            outputs: Vec::new(),
            precision: Precision::F32,
            bytes: bytes[2..].to_vec(),
        };
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("input", name)) => plan.inputs.push(name.to_owned()),
                Some(("output", name)) => plan.outputs.push(name.to_owned()),
                Some(("precision", "f32")) => plan.precision = Precision::F32,
                Some(("precision", "f16")) => plan.precision = Precision::F16,
                Some(("precision", "int8")) => plan.precision = Precision::Int8,
                _ => return Err(damaged()),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            inputs: vec!["image".into(), "stride 8".into()],
            outputs: vec!["logits".into()],
            precision: Precision::Int8,
            bytes: b"\n\nof TensorRT\n\n".to_vec(),
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        assert_eq!(Plan::from_file(&plan().to_file()), Ok(plan()));
    }

    #[test]
    fn a_changed_or_shortened_file_is_refused() {
        let file = plan().to_file();
        for index in 0..file.len() {
            let mut changed = file.clone();
            changed[index] ^= 1;
            assert!(Plan::from_file(&changed).is_err(), "byte {index}");
            assert!(Plan::from_file(&file[..index]).is_err(), "{index} bytes");
        }
    }
}
