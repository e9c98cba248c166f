//! A camera's controls by the names that `v4l2-ctl --list-ctrls` shows, set and read back.

use std::io;
use std::mem;
use std::os::raw::c_void;

use v4l::control::{Control, Value};
use v4l::v4l_sys::{V4L2_CTRL_FLAG_NEXT_CTRL, v4l2_query_ext_ctrl};
use v4l::v4l2::{ioctl, vidioc};

use super::super::CameraError;
use super::V4l2Settings;

/// The most controls read, so that a driver that never ends its list does not block the start.
const MOST_CONTROLS: usize = 1_024;

/// Sets each control, in the order of the station file, and returns what was read back.
pub fn set(
    device: &v4l::Device,
    settings: &V4l2Settings,
) -> Result<Vec<(String, i64)>, CameraError> {
    if settings.controls.is_empty() {
        return Ok(Vec::new());
    }
    let there = list(device);
    let mut granted = Vec::new();
    for (name, requested) in &settings.controls {
        let Some((_, id)) = there.iter().find(|(known, _)| known == name) else {
            return Err(CameraError::NoControl {
                device: settings.name(),
                control: name.clone(),
                hint: nearest(name, &there),
            });
        };
        let refused = |answer: String| CameraError::ControlRefused {
            device: settings.name(),
            control: name.clone(),
            requested: *requested,
            answer,
        };
        let value = Value::Integer(*requested);
        device
            .set_control(Control { id: *id, value })
            .map_err(|e| refused(e.to_string()))?;
        let got = match device
            .control(*id)
            .map_err(|e| refused(e.to_string()))?
            .value
        {
            Value::Integer(got) => got,
            Value::Boolean(got) => i64::from(got),
            _ => return Err(refused("it is no number".into())),
        };
        if got != *requested {
            return Err(refused(format!("it is {got} afterwards")));
        }
        granted.push((name.clone(), got));
    }
    Ok(granted)
}

/// Names and numbers of all controls. The crate's own list panics on types and menus that it doesn't know.
fn list(device: &v4l::Device) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    // SAFETY: every bit pattern of this plain structure is valid, zero included.
    let mut query: v4l2_query_ext_ctrl = unsafe { mem::zeroed() };
    while found.len() < MOST_CONTROLS {
        query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
        // SAFETY: the request takes exactly this structure, which outlives the call.
        let answer: io::Result<()> = unsafe {
            ioctl(
                device.handle().fd(),
                vidioc::VIDIOC_QUERY_EXT_CTRL,
                (&raw mut query).cast::<c_void>(),
            )
        };
        if answer.is_err() {
            break;
        }
        let name: Vec<u8> = query
            .name
            .iter()
            .map(|c| *c as u8)
            .take_while(|c| *c != 0)
            .collect();
        found.push((spelled(&String::from_utf8_lossy(&name)), query.id));
    }
    found
}

/// "Exposure Time, Absolute" → "exposure_time_absolute", as v4l2-ctl spells it.
fn spelled(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty());
    words
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("_")
}

fn nearest(name: &str, there: &[(String, u32)]) -> String {
    let near = there
        .iter()
        .map(|(known, _)| (strsim::damerau_levenshtein(known, name), known))
        .min();
    match near {
        Some((distance, near)) if distance <= 4 => format!(": did you mean `{near}`?"),
        _ => ": `v4l2-ctl --list-ctrls` shows which there are".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_the_known_tool_does() {
        assert_eq!(spelled("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(spelled("Gain"), "gain");
        assert_eq!(
            spelled("White Balance, Auto & Preset"),
            "white_balance_auto_preset"
        );
    }

    #[test]
    fn a_mistyped_control_is_answered_with_the_nearest() {
        let there = [("exposure".to_owned(), 1), ("gain".to_owned(), 2)];
        assert_eq!(nearest("gian", &there), ": did you mean `gain`?");
        assert!(nearest("pan_absolute", &there).contains("v4l2-ctl"));
    }
}
