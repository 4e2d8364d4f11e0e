//! `wit/notifications.wit`.

use serde_json::json;

use crate::{domain::json::Json, effects::OutgoingKind};

use super::{
    RunningCall,
    wit::notifications::{Audience, Channel, Disposition, Host, Notice, NoticeError, Receipt, Urgency},
};

/// Of one activity, for one audience, over one channel, in one day (UTC). Transactional notices do not count.
const NOTICES_PER_DAY: u32 = 5;

const DAY_MS: i64 = 86_400_000;
const PARAMS_MAX: usize = 16;
const TEXT_BYTES_MAX: usize = 500;
const DEDUPE_KEY_BYTES_MAX: usize = 128;

/// Where the host counts an audience's notices of a day, out of the plugin's sight.
fn count_key(audience: &str, channel: Channel, now: i64) -> String {
    format!("\0notices\0{channel:?}\0{audience}\0{}", now.div_euclid(DAY_MS))
}

/// A member and a group of the same name are told apart.
fn member_audience(id: &str) -> String {
    format!("member\0{id}")
}

fn fits(notice: &Notice) -> bool {
    let texts = notice.params.iter().flat_map(|(name, value)| [name, value]).chain([&notice.template]);
    notice.params.len() <= PARAMS_MAX
        && notice.dedupe_key.len() <= DEDUPE_KEY_BYTES_MAX
        && !notice.dedupe_key.contains('\0')
        && texts.into_iter().all(|text| text.len() <= TEXT_BYTES_MAX && !text.contains('\0'))
}

impl RunningCall {
    /// A number that the host keeps among the activity's entries; 0 where there is none.
    pub(super) fn own_number(&mut self, key: &str) -> wasmtime::Result<i64> {
        let value = self.written(key)?.value;
        Ok(value.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or_default())
    }

    pub(super) fn set_own_number(&mut self, key: &str, number: i64) -> wasmtime::Result<()> {
        self.set(key, (number != 0).then(|| number.to_string().into_bytes())).map(drop)
    }

    fn disposition(&mut self, notice: &Notice, audience: &str) -> wasmtime::Result<Disposition> {
        let now = self.reading_again()?.now;
        let seen = format!("\0notice\0{audience}\0{}", notice.dedupe_key);
        if now < self.own_number(&seen)? {
            return Ok(Disposition::SuppressedDuplicate);
        }
        let count = count_key(audience, notice.channel, now);
        let sent = self.own_number(&count)?;
        if notice.urgency != Urgency::Transactional {
            if sent >= i64::from(NOTICES_PER_DAY) {
                return Ok(Disposition::SuppressedCap);
            }
            self.set_own_number(&count, sent + 1)?;
        }
        let window = i64::try_from(notice.dedupe_window).unwrap_or(i64::MAX);
        self.set_own_number(&seen, now.saturating_add(window))?;
        Ok(Disposition::Queued)
    }
}

impl Host for RunningCall {
    fn send(&mut self, notice: Notice) -> wasmtime::Result<Result<Receipt, NoticeError>> {
        self.writing()?;
        if !fits(&notice) {
            return Ok(Err(NoticeError::TooLarge));
        }
        let (subject, audience, known) = match &notice.audience {
            Audience::Member(id) => (id.clone(), member_audience(id), self.member(id)?.is_some()),
            Audience::Group(id) => (id.clone(), format!("group\0{id}"), self.group(id)?.is_some()),
        };
        self.reading_again()?.note("notifications.known", &subject, known);
        if !known {
            return Ok(Err(NoticeError::UnknownAudience));
        }
        let disposition = self.disposition(&notice, &audience)?;
        if disposition == Disposition::Queued {
            let payload = json!({
                "audience": notice.audience, "params": notice.params, "channel": notice.channel, "urgency": notice.urgency,
                "not_before": notice.not_before, "not_after": notice.not_after,
            });
            Self::send(self, OutgoingKind::Notice, &notice.template, &subject, Json::of(&payload))?;
        }
        let call = self.reading_again()?;
        let id = format!("{}.{}.{}", call.activity.id.activity, call.seq, call.effects.outbox.len());
        Ok(Ok(Receipt { id, disposition }))
    }

    fn remaining(&mut self, member: String, channel: Channel) -> wasmtime::Result<u32> {
        let now = self.reading()?.now;
        let sent = self.own_number(&count_key(&member_audience(&member), channel, now))?;
        Ok(NOTICES_PER_DAY.saturating_sub(u32::try_from(sent).unwrap_or(u32::MAX)))
    }
}
