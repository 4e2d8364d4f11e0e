//! What a trade holds: deposits and top-ups, in points, taken and paid out once.

use fairground_sdk::{conflict, prelude::*, split};

use crate::{
    config::{Config, Points},
    trade::Trade,
};

impl Trade {
    pub(crate) fn take_deposit(&mut self, call: &mut Call<Config>, side: usize) -> Answer<()> {
        let Some(Points { account, points }) = call.config.deposit.clone() else { return Ok(()) };
        let key = self.deposit_key(side);
        if !call.spend_points(&key, &self.legs[side].from, &account, points, "the deposit of a trade") {
            let few = conflict("swap.deposit-required", "There are too few points for the deposit.");
            return Err(few.with("member", &self.legs[side].from).with("points", points));
        }
        self.legs[side].is_deposited = true;
        Ok(())
    }

    fn deposit_key(&self, side: usize) -> String {
        format!("deposit:{}:{side}", self.id)
    }

    pub(crate) fn take_top_up(&mut self, call: &mut Call<Config>) -> Answer<()> {
        let (payer, points) = (usize::from(self.top_up < 0), self.top_up.unsigned_abs());
        let Some(Points { account, .. }) = call.config.top_up.clone().filter(|_| points > 0) else { return Ok(()) };
        let key = format!("top-up:{}", self.id);
        if !call.spend_points(&key, &self.legs[payer].from, &account, points, "the top-up of a trade") {
            return Err(
                conflict("swap.top-up-limit", "There are too few points for the top-up.").with("points", points)
            );
        }
        self.is_topped_up = true;
        Ok(())
    }

    /// The top-up goes to the other side, or back.
    pub(crate) fn pay_top_up(&mut self, call: &mut Call<Config>, is_back: bool) {
        let Some(Points { account, .. }) = call.config.top_up.clone().filter(|_| self.is_topped_up) else { return };
        let payer = usize::from(self.top_up < 0);
        let to = if is_back { payer } else { 1 - payer };
        let member = self.legs[to].from.clone();
        self.is_topped_up = false;
        give(call, &format!("top-up:{}", self.id), &member, &account, self.top_up.unsigned_abs());
    }

    /// A side has its deposit back.
    pub(crate) fn return_deposit(&mut self, call: &mut Call<Config>, side: usize) {
        let Some(Points { account, points }) = call.config.deposit.clone().filter(|_| self.legs[side].is_deposited)
        else {
            return;
        };
        self.legs[side].is_deposited = false;
        let member = self.legs[side].from.clone();
        give(call, &self.deposit_key(side), &member, &account, points);
    }

    /// Deposits of some sides are divided among others; where there are none, each has their own back.
    pub(crate) fn forfeit(&mut self, call: &mut Call<Config>, sides: &[usize], among: &[usize]) {
        let Some(Points { account, points }) = call.config.deposit.clone() else { return };
        for side in sides.iter().copied().filter(|side| self.legs[*side].is_deposited).collect::<Vec<_>>() {
            if among.is_empty() {
                self.return_deposit(call, side);
                continue;
            }
            self.legs[side].is_deposited = false;
            let shares = split(i64::try_from(points).expect("bounded by the schema"), &vec![1; among.len()]);
            for (to, share) in among.iter().zip(shares) {
                let member = self.legs[*to].from.clone();
                give(call, &format!("forfeit:{}:{side}:{to}", self.id), &member, &account, share.unsigned_abs());
            }
        }
    }
}

fn give(call: &mut Call<Config>, key: &str, member: &str, account: &str, points: u64) {
    if points > 0 && !call.give_points(key, member, account, points, "a trade") {
        call.log(&format!("{points} of {account} do not go to {member}: {key}"));
    }
}
