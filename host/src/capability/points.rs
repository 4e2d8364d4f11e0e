//! `wit/points.wit`.

use crate::{domain::id::Id, effects::PointAccount};

use super::{
    RunningCall,
    wit::points::{Host, SpendError},
};

impl RunningCall {
    fn account(&mut self, member: &str, account: String) -> wasmtime::Result<Option<PointAccount>> {
        self.key(&account)?;
        Ok(Id::new(member).ok().map(|member| PointAccount { member, account }))
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
                self.reading_again()?.spend(place, i64::try_from(points).unwrap_or(i64::MAX), &key);
                Ok(balance - points)
            }
        };
        self.reading_again()?.note("points.spend", (key, member, account, points, reason), answer);
        Ok(answer)
    }
}
