//! What a trade holds: deposits and top-ups, in points, taken and paid out once.

use fairground_sdk::{conflict, prelude::*, split};

use crate::{
    config::{Config, Points},
    trade::Trade,
};

/// What a side has of the deposits of others.
#[derive(Debug, Serialize)]
pub(crate) struct Forfeit {
    to: String,
    points: u64,
}

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

    /// Deposits of some sides go to others: first to those of `senders` what sending back costs, and what is left to all in equal parts.
    /// Where there are no others, each has their own back.
    pub(crate) fn forfeit(
        &mut self,
        call: &mut Call<Config>,
        sides: &[usize],
        among: &[usize],
        senders: &[usize],
    ) -> Vec<Forfeit> {
        let Some(Points { account, points }) = call.config.deposit.clone() else { return Vec::new() };
        let lost: Vec<usize> = sides.iter().copied().filter(|side| self.legs[*side].is_deposited).collect();
        let Some(first) = lost.first().copied() else { return Vec::new() };
        if among.is_empty() {
            lost.iter().for_each(|side| self.return_deposit(call, *side));
            return Vec::new();
        }
        for side in &lost {
            self.legs[*side].is_deposited = false;
        }
        let mut pot = i64::try_from(points * lost.len() as u64).expect("bounded by the schema");
        let cost = i64::try_from(call.config.return_cost).expect("bounded by the schema");
        let costs: Vec<i64> = among
            .iter()
            .map(|side| {
                let paid = if senders.contains(side) { cost.min(pot) } else { 0 };
                pot -= paid;
                paid
            })
            .collect();
        let shares = split(pot, &vec![1; among.len()]);
        let mut forfeits = Vec::new();
        for ((to, share), cost) in among.iter().zip(shares).zip(costs) {
            let (member, points) = (self.legs[*to].from.clone(), (share + cost).unsigned_abs());
            // Each deposit is lost once, so the first of those names them all.
            give(call, &format!("forfeit:{}:{first}:{to}", self.id), &member, &account, points);
            forfeits.push(Forfeit { to: member, points });
        }
        forfeits
    }
}

fn give(call: &mut Call<Config>, key: &str, member: &str, account: &str, points: u64) {
    if points > 0 && !call.give_points(key, member, account, points, "a trade") {
        call.log(&format!("{points} of {account} do not go to {member}: {key}"));
    }
}
