//! Checks the type of each key's value before the sections are read, so that a wrong value is reported with its key and
//! its line. Sections that have kinds are read in a second step that no longer knows the line.

use aecsad_program::text_file::{Mistake, line_of};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declaration::{self, Type};

/// Refuses the first value of a wrong type.
pub fn reject_wrong(text: &str) -> Result<(), Mistake> {
    let Ok(file) = DeTable::parse(text) else {
        // The parser reports the error.
        return Ok(());
    };
    for (section, content) in file.get_ref() {
        let mistake = |value: &Spanned<DeValue<'_>>, reason: String| {
            Mistake::new(line_of(text, value.span().start), &reason)
        };
        let section = section.get_ref();
        let Some(keys) = content.get_ref().as_table() else {
            let reason = format!("`{section}` is a section: write [{section}] above its keys");
            return Err(mistake(content, reason));
        };
        for (name, value) in keys {
            let key = format!("{section}.{}", name.get_ref());
            if let Some(reason) = wrong(&key, value.get_ref()) {
                return Err(mistake(value, reason));
            }
        }
    }
    Ok(())
}

fn wrong(key: &str, value: &DeValue<'_>) -> Option<String> {
    let shown = shown(value);
    let takes = declaration::key(key)?.takes;
    let expected = match (takes, value) {
        (Type::Text, DeValue::String(text)) => {
            return text.contains(char::is_control).then(|| {
                format!("`{key}` has a control character in it ({text}): write paths with / or in single quotes")
            });
        }
        (Type::OneOf(words), DeValue::String(text)) => {
            let known = words.contains(&text.as_ref());
            return (!known)
                .then(|| format!("`{key}` is {shown}: choose one of {}", words.join(", ")));
        }
        (Type::Number, DeValue::Integer(_) | DeValue::Float(_))
        | (Type::Switch, DeValue::Boolean(_)) => return None,
        (Type::Whole, DeValue::Integer(number)) if number.as_str().parse::<u32>().is_ok() => {
            return None;
        }
        (Type::Controls, DeValue::Table(controls)) => {
            let fits = |value: &DeValue<'_>| value.is_integer() || value.is_bool();
            let (name, value) = controls.iter().find(|(_, value)| !fits(value.get_ref()))?;
            let (name, shown) = (name.get_ref(), self::shown(value.get_ref()));
            return Some(format!(
                "`{key}.{name}` is {shown}: give a whole number, true or false"
            ));
        }
        (Type::Region, DeValue::Array(sides)) => {
            let whole = |side: &Spanned<DeValue<'_>>| match side.get_ref() {
                DeValue::Integer(side) => side.as_str().parse::<u32>().is_ok(),
                _ => false,
            };
            if sides.len() == 4 && sides.iter().all(whole) {
                return None;
            }
            "give left, top, width and height in pixels: [0, 0, 640, 480]".into()
        }
        (Type::Number | Type::Whole, DeValue::String(text)) => match digits(text) {
            Some(number) => format!("give a number, without quotes and unit: {number}"),
            None => "give a number".into(),
        },
        (Type::Number, _) => "give a number".into(),
        (Type::Whole, _) => "give a whole number".into(),
        (Type::Text, _) => "give text, in quotes".into(),
        (Type::OneOf(words), _) => format!("choose one of {}, in quotes", words.join(", ")),
        (Type::Switch, _) => "give true or false, without quotes".into(),
        (Type::Region, _) => "give left, top, width and height in pixels: [0, 0, 640, 480]".into(),
        (Type::Controls, _) => format!("write [{key}] above the controls"),
    };
    Some(format!("`{key}` is {shown}: {expected}"))
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a section".into(),
    }
}

/// The number that a text starts with.
fn digits(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
    let digits = &text[..end.unwrap_or(text.len())];
    digits.parse::<f64>().is_ok().then_some(digits)
}
