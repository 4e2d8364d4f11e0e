//! Things that become due, however many: they stand in the order of time, with one timer for the first.

use crate::{Call, bounded};

/// A timer lies within 400 days; what is due later is planned again then.
const HORIZON_MS: i64 = 399 * 86_400_000;

/// Longest name of what stands in a queue: with an instant and the queue's name it is a key.
const NAME_BYTES_MAX: usize = 200;

/// One queue of an activity, by a short name. Its keys, and its timer, begin with `fg/due/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue<'a>(pub &'a str);

impl Queue<'_> {
    /// The key of its timer, which `on_timer` hears.
    pub fn timer(self) -> String {
        format!("fg/due/{}", self.0)
    }

    /// Whether a timer is this queue's: then [`Queue::take`] what is due.
    pub fn rings(self, timer: &str) -> bool {
        timer.strip_prefix("fg/due/") == Some(self.0)
    }

    /// Puts something in, to be due at an instant.
    ///
    /// # Panics
    /// Where the name has more than 200 bytes.
    pub fn put<C>(self, call: &mut Call<C>, due: i64, name: &str) {
        assert!(name.len() <= NAME_BYTES_MAX, "a name in a queue has at most {NAME_BYTES_MAX} bytes");
        let head = call.scan::<String>(&self.prefix(), None, 1);
        call.save(&self.place(due, name), &name);
        if head.first().is_none_or(|(first, _)| due < self.instant(first)) {
            self.ring_at(call, Some(due));
        }
    }

    /// Takes something out before it is due.
    pub fn remove<C>(self, call: &mut Call<C>, due: i64, name: &str) {
        call.delete(&self.place(due, name));
    }

    /// An instant by which everything is due: for an activity that is over.
    pub const ALL: i64 = i64::MAX;

    /// Takes out what is due by an instant, the oldest first, at most so many, and sets the timer for what comes next.
    ///
    /// The instant is the timer's own `due`. What became due since then rings by itself: what else has happened meanwhile is heard in
    /// between, in the order of time. What takes must not refuse afterwards: the timer is gone then, and what was taken is back without it.
    /// The timer may also ring for something that was [removed](Self::remove); then nothing comes out.
    pub fn take<C>(self, call: &mut Call<C>, most: u32, by: i64) -> Vec<String> {
        let waiting = call.scan::<String>(&self.prefix(), None, most.saturating_add(1));
        let is_due = |place: &str| self.instant(place) <= by;
        let due = waiting.iter().take(most as usize).take_while(|(place, _)| is_due(place)).count();
        let next = waiting.get(due).map(|(place, _)| self.instant(place));
        let mut names = Vec::with_capacity(due);
        for (place, name) in waiting.into_iter().take(due) {
            call.delete(&place);
            names.push(name);
        }
        self.ring_at(call, next);
        names
    }

    /// Where no timer can be set now, because ten thousand are pending, the next head or the settlement sees to it.
    fn ring_at<C>(self, call: &mut Call<C>, next: Option<i64>) {
        if let Some(due) = next {
            let within = call.now().saturating_add(HORIZON_MS);
            let _ = call.set_timer(&self.timer(), due.min(within));
        }
    }

    fn prefix(self) -> String {
        format!("fg/due/{}/", self.0)
    }

    /// Instants of one length sort like numbers.
    fn place(self, due: i64, name: &str) -> String {
        bounded(format!("{}{:015}/{name}", self.prefix(), due.max(0)))
    }

    fn instant(self, place: &str) -> i64 {
        let digits = place.strip_prefix(&self.prefix()).and_then(|rest| rest.split('/').next());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
    }
}
