//! Detects that the light has changed: that most of the latest parts are exposed unlike any good part in training. Their
//! frames are evened out, so the verdicts alone would not show it until it is too late.

use aecsad_inspect::inspector::Verdict;
use aecsad_inspect::optics::OtherLight;

use super::Message;
use super::alarm::Alarm;

/// Parts that are looked back on.
const LATEST: usize = 20;
/// So many of them in other light raise the alarm; so few end it.
const MOST: usize = 16;
const FEW: usize = 4;

#[derive(Debug, Default)]
pub struct OtherLightRun {
    latest: heapless::Deque<Option<OtherLight>, LATEST>,
    alarmed: bool,
}

impl OtherLightRun {
    /// Counts one verdict. Returns the alarm once when the light has changed, and a notice when it is as before.
    pub fn note(&mut self, verdict: &Verdict) -> Option<Message> {
        if self.latest.is_full() {
            self.latest.pop_front();
        }
        // There is room now.
        let _ = self.latest.push_back(verdict.other_light);
        let other = || self.latest.iter().flatten();
        let (count, full) = (other().count(), self.latest.is_full());
        if !self.alarmed && full && count >= MOST {
            self.alarmed = true;
            let share = |how: &OtherLight| other().filter(|other| *other == how).count();
            let how = *other().max_by_key(|how| share(how))?;
            let parts = LATEST;
            return Some(Message::Alarm(
                Alarm::OtherLight { count, parts, how }.to_string(),
            ));
        }
        if self.alarmed && count <= FEW {
            self.alarmed = false;
            let notice = "the light is again as in training";
            return Some(Message::Notice(notice.to_owned()));
        }
        None
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn verdict(other_light: Option<OtherLight>) -> Verdict {
        Verdict {
            other_light,
            ..Verdict::passing(0.0, 0.0)
        }
    }

    fn note(run: &mut OtherLightRun, parts: usize, light: Option<OtherLight>) -> Vec<Message> {
        let verdict = verdict(light);
        (0..parts).filter_map(|_| run.note(&verdict)).collect()
    }

    #[test]
    fn other_light_alarms_once_and_says_when_it_is_over() {
        let mut run = OtherLightRun::default();
        let brighter = Some(OtherLight::Brighter);
        assert_eq!(note(&mut run, 19, brighter), []);
        let alarms = note(&mut run, 500, brighter);
        let [Message::Alarm(sentence)] = &alarms[..] else {
            panic!("{alarms:?}");
        };
        let expected = "the light has changed: 20 of the latest 20 parts are brighter than any";
        assert!(sentence.starts_with(expected), "{sentence}");
        assert_eq!(note(&mut run, 15, None), []);
        let over = Message::Notice("the light is again as in training".into());
        assert_eq!(note(&mut run, 500, None), [over]);
        assert_eq!(note(&mut run, 20, brighter).len(), 1);
    }

    #[test]
    fn the_commonest_change_is_named() {
        let mut run = OtherLightRun::default();
        note(&mut run, 8, Some(OtherLight::Steeper));
        let alarms = note(&mut run, 12, Some(OtherLight::Darker));
        assert!(alarms[0].to_string().contains("20 parts are darker than"));
    }

    #[test]
    fn a_few_parts_in_other_light_do_not_alarm() {
        let mut run = OtherLightRun::default();
        for _ in 0..100 {
            let odd = note(&mut run, 3, Some(OtherLight::Darker)).len();
            assert_eq!(odd + note(&mut run, 1, None).len(), 0);
        }
    }
}
