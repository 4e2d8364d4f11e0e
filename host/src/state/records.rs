//! Records of an activity that have a life of their own: holds, reservations, orders, refunds. Each is read when first asked for.

use std::sync::Arc;

use imbl::OrdMap;

use crate::{
    domain::{
        activity::ActivityId,
        hold::Hold,
        order::{Order, Refund},
        stock::Reservation,
    },
    store::{
        Store,
        records::{RecordKey, RecordKind},
    },
};

use super::{Source, State, Undo, check, put_back};

/// By key. A key that is not in it may be anywhere, unless all keys are known.
type Known<R> = OrdMap<Arc<str>, Place<R>>;

/// What is known of a key's place.
#[derive(Clone)]
pub(super) enum Place<R> {
    Absent,
    /// There is one, which was not read yet.
    Unread,
    Read(R),
}

#[derive(Clone, Default)]
pub(super) struct Records {
    /// True when a key that is not known does not exist.
    all_keys_known: bool,
    holds: Known<Hold>,
    reservations: Known<Reservation>,
    orders: Known<Order>,
    refunds: Known<Refund>,
}

/// What a record's place held before it was written. None: nothing was known of it.
#[derive(Clone)]
pub(super) enum Before {
    Hold(Option<Place<Hold>>),
    Reservation(Option<Place<Reservation>>),
    Order(Option<Place<Order>>),
    Refund(Option<Place<Refund>>),
}

/// What is kept by key in a table of its own.
pub(crate) trait Record: Clone {
    fn key(&self) -> &str;
    /// The record and the journal number of its last change.
    async fn find(store: &Store, id: &ActivityId, key: &str) -> anyhow::Result<Option<(Self, i64)>>;
    #[allow(private_interfaces, reason = "only the state looks inside")]
    fn known(records: &mut Records) -> &mut Known<Self>;
    #[allow(private_interfaces, reason = "only the state looks inside")]
    fn before(known: Option<Place<Self>>) -> Before;
}

macro_rules! record {
    ($record:ty, $find:ident, $known:ident, $before:ident) => {
        impl Record for $record {
            fn key(&self) -> &str {
                &self.key
            }
            async fn find(store: &Store, id: &ActivityId, key: &str) -> anyhow::Result<Option<(Self, i64)>> {
                store.$find(id, key).await
            }
            #[allow(private_interfaces, reason = "only the state looks inside")]
            fn known(records: &mut Records) -> &mut Known<Self> {
                &mut records.$known
            }
            #[allow(private_interfaces, reason = "only the state looks inside")]
            fn before(known: Option<Place<Self>>) -> Before {
                Before::$before(known)
            }
        }
    };
}

record!(Hold, hold, holds, Hold);
record!(Reservation, reservation, reservations, Reservation);
record!(Order, order, orders, Order);
record!(Refund, refund, refunds, Refund);

impl Records {
    /// Learns which keys there are: all of them.
    pub(super) fn all(keys: Vec<RecordKey>) -> Self {
        let mut records = Self { all_keys_known: true, ..Self::default() };
        for RecordKey { kind, key, .. } in keys {
            match kind {
                RecordKind::Hold => drop(records.holds.insert(key, Place::Unread)),
                RecordKind::Reservation => drop(records.reservations.insert(key, Place::Unread)),
                RecordKind::Order => drop(records.orders.insert(key, Place::Unread)),
                RecordKind::Refund => drop(records.refunds.insert(key, Place::Unread)),
            }
        }
        records
    }

    pub(super) fn len(&self) -> usize {
        self.holds.len() + self.reservations.len() + self.orders.len() + self.refunds.len()
    }

    pub(super) fn put_back(&mut self, key: Arc<str>, before: Before) {
        match before {
            Before::Hold(before) => put_back(&mut self.holds, key, before),
            Before::Reservation(before) => put_back(&mut self.reservations, key, before),
            Before::Order(before) => put_back(&mut self.orders, key, before),
            Before::Refund(before) => put_back(&mut self.refunds, key, before),
        }
    }
}

impl State {
    /// The record of a key, if there is one.
    pub(crate) fn record<R: Record>(&mut self, key: &str) -> anyhow::Result<Option<R>> {
        let all_keys_known = self.records.all_keys_known;
        match R::known(&mut self.records).get(key) {
            Some(Place::Read(record)) => return Ok(Some(record.clone())),
            Some(Place::Absent) => return Ok(None),
            None if all_keys_known => return Ok(None),
            Some(Place::Unread) | None => {}
        }
        let Source { store, id, .. } = &*self.source;
        let record = match self.source.wait(R::find(store, id, key))? {
            Some((record, seq)) => {
                check(seq, self.head)?;
                Some(record)
            }
            None => None,
        };
        if !self.is_full() {
            let place = record.clone().map_or(Place::Absent, Place::Read);
            R::known(&mut self.records).insert(key.into(), place);
        }
        Ok(record)
    }

    pub(crate) fn set_record<R: Record>(&mut self, record: R) {
        let key: Arc<str> = record.key().into();
        let before = R::known(&mut self.records).insert(key.clone(), Place::Read(record));
        self.undo.push(Undo::Record(key, R::before(before)));
    }
}
