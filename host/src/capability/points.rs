//! `wit/points.wit`.

use crate::{domain::id::Id, effects::PointAccount};

use super::{
    RunningCall,
    wit::points::{GiveBackError, Host, SpendError},
};

/// What the activity has taken of an account, beyond what it has given back.
fn taken_key(account: &str) -> String {
    format!("\0taken\0{account}")
}

impl RunningCall {
    fn account(&mut self, member: &str, account: String) -> wasmtime::Result<Option<PointAccount>> {
        self.key(&account)?;
        Ok(Id::new(member).ok().map(|member| PointAccount { member, account }))
    }

    fn taken(&mut self, account: &str) -> wasmtime::Result<u64> {
        let row = self.written(&taken_key(account))?.value;
        Ok(row.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0))
    }

    fn set_taken(&mut self, account: &str, points: u64) -> wasmtime::Result<()> {
        self.set(&taken_key(account), Some(points.to_string().into_bytes()))?;
        Ok(())
    }

    pub(super) fn balance_of(&mut self, account: &PointAccount) -> wasmtime::Result<i64> {
        let call = self.reading_again()?;
        let source = call.source.clone();
        let balance = call.shared.balance(&source, account, call.now);
        self.host(balance)
    }
}

impl Host for RunningCall {
    fn balance(&mut self, member: String, account: String) -> wasmtime::Result<u64> {
        self.reading()?;
        let Some(place) = self.account(&member, account.clone())? else { return Ok(0) };
        let balance = self.balance_of(&place)?.max(0).unsigned_abs();
        self.reading_again()?.note("points.balance", (member, account), balance);
        Ok(balance)
    }

    fn spend(
        &mut self,
        key: String,
        member: String,
        account: String,
        points: u64,
        reason: String,
    ) -> wasmtime::Result<Result<u64, SpendError>> {
        self.writing()?;
        self.key(&key)?;
        let Some(place) = self.account(&member, account.clone())? else { return Ok(Err(SpendError::Insufficient(0))) };
        let spent = format!("\0spent\0{key}");
        let arguments = format!("{member}\n{account}\n{points}").into_bytes();
        let before = self.written(&spent)?.value;
        let balance = self.balance_of(&place)?.max(0).unsigned_abs();
        let answer = match before {
            Some(earlier) if *earlier == *arguments => Ok(balance),
            Some(_) => Err(SpendError::Mismatch),
            None if points > balance => Err(SpendError::Insufficient(balance)),
            None => {
                self.set(&spent, Some(arguments))?;
                let taken = self.taken(&account)?;
                self.set_taken(&account, taken.saturating_add(points))?;
                self.reading_again()?.spend(place, i64::try_from(points).unwrap_or(i64::MAX), &key);
                Ok(balance - points)
            }
        };
        self.reading_again()?.note("points.spend", (key, member, account, points, reason), answer);
        Ok(answer)
    }

    fn give_back(
        &mut self,
        key: String,
        member: String,
        account: String,
        points: u64,
        reason: String,
    ) -> wasmtime::Result<Result<u64, GiveBackError>> {
        self.writing()?;
        self.key(&key)?;
        let place = match self.account(&member, account.clone())? {
            Some(place) if self.member(&member)?.is_some() => place,
            _ => return Ok(Err(GiveBackError::UnknownMember)),
        };
        let given = format!("\0given\0{key}");
        let arguments = format!("{member}\n{account}\n{points}").into_bytes();
        let before = self.written(&given)?.value;
        let balance = self.balance_of(&place)?.max(0).unsigned_abs();
        let taken = self.taken(&account)?;
        let answer = match (before, i64::try_from(points)) {
            (Some(earlier), _) if *earlier == *arguments => Ok(balance),
            (Some(_), _) => Err(GiveBackError::Mismatch),
            (None, Ok(minor)) if points <= taken => {
                self.set(&given, Some(arguments))?;
                self.set_taken(&account, taken - points)?;
                self.reading_again()?.give_back(place, minor, &key);
                Ok(balance.saturating_add(points))
            }
            (None, _) => Err(GiveBackError::Insufficient(taken)),
        };
        self.reading_again()?.note("points.give-back", (key, member, account, points, reason), answer);
        Ok(answer)
    }
}
