//! Parses and formats times.

use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[error(
    "it is no time: give one like 2026-11-24, 2026-11-24T15:04, or how long ago, like 90m, 8h or 7d"
)]
pub struct NoTime;

/// Parses a date, a date with a time of day (UTC), or a duration before `now_ms`. Returns milliseconds since 1970.
pub fn parse_time(text: &str, now_ms: i64) -> Result<i64, NoTime> {
    if let Some(unit) = text.chars().last()
        && let Some(ms) = match unit {
            's' => Some(1_000.0),
            'm' => Some(60_000.0),
            'h' => Some(3_600_000.0),
            'd' => Some(86_400_000.0),
            _ => None,
        }
    {
        let number: f64 = text[..text.len() - 1].parse().map_err(|_| NoTime)?;
        if !(0.0..1e6).contains(&number) {
            return Err(NoTime);
        }
        return Ok(now_ms - (number * ms) as i64);
    }
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let numbers = |text: &str, separator| -> Option<Vec<i64>> {
        text.split(separator).map(|n| n.parse().ok()).collect()
    };
    let date = numbers(date, '-').ok_or(NoTime)?;
    let clock = numbers(clock, ':').ok_or(NoTime)?;
    let ([year, month, day], [hour, minute, rest @ ..]) = (&date[..], &clock[..]) else {
        return Err(NoTime);
    };
    let second = rest.first().copied().unwrap_or(0);
    let sane = (1970..10_000).contains(year)
        && (1..=12).contains(month)
        && (1..=31).contains(day)
        && (0..24).contains(hour)
        && (0..60).contains(minute)
        && (0..61).contains(&second)
        && rest.len() < 2;
    if !sane {
        return Err(NoTime);
    }
    let seconds = (days_before(*year, *month, *day) * 24 + hour) * 3_600 + minute * 60 + second;
    Ok(seconds * 1_000)
}

/// Days from 1970-01-01 to this date (Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil).
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Formats a time, in milliseconds since 1970, as `2026-11-24T15:04:05.123Z`.
pub fn show_time(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // civil_from_days, from the same paper.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let clock = Duration::from_millis(of_day as u64);
    let seconds = clock.as_secs();
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        clock.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown_alike() {
        let ms = parse_time("2026-11-24T15:04:05", 0).unwrap();
        assert_eq!(ms, 1_795_532_645_000);
        assert_eq!(show_time(ms + 7), "2026-11-24T15:04:05.007Z");
        assert_eq!(
            show_time(parse_time("2024-02-29", 0).unwrap()),
            "2024-02-29T00:00:00.000Z"
        );
        assert_eq!(show_time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            parse_time("90m", 10_000_000).unwrap(),
            10_000_000 - 5_400_000
        );
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11",
            "2026-11-24T25:00",
            "-3h",
            "é",
            "1e9d",
        ] {
            assert!(parse_time(text, 0).is_err(), "{text}");
        }
    }
}
