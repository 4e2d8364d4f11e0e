//! An activity's state as of one journal number: a persistent value, cheap to clone, read through to the store.
//!
//! A batch runs on a clone and becomes the committed state only after the commit; a query runs on a clone and is thrown away.

pub(crate) mod board;
mod entries;
mod records;
mod source;

use std::{
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use imbl::{HashMap, OrdMap, OrdSet};

use crate::{
    domain::activity::Head,
    effects::{Entry, Score, Timer, Written},
    state::board::Board,
};

use entries::Entries;
use records::{Before, Records};
pub(crate) use source::{Source, waited};

/// An activity with no more keys than this is kept in memory whole, so that nothing it asks for needs the database. It is a
/// few megabytes; larger ones are read key by key. Of records so many keys are known; each is read when it is asked for.
pub(crate) const WHOLE_ENTRIES_MAX: usize = 20_000;

/// Beyond this many keys in memory, a state that is read key by key starts over. About 100 MB.
const CACHED_ENTRIES_MAX: usize = 500_000;

/// Rows of one page that a scan reads.
const PAGE_ROWS_MAX: usize = 256;

/// How often a state is loaded again because the activity moved on meanwhile.
const LOAD_ATTEMPTS_MAX: u32 = 20;

/// The store moved on while this state was being read; the call is run again on a newer state.
#[derive(Debug, thiserror::Error)]
#[error("the activity was changed by another host")]
pub(crate) struct Stale;

#[derive(Clone)]
pub(crate) struct State {
    pub head: Head,
    /// How to take back what was written since [`State::mark`], the last first.
    undo: Vec<Undo>,
    timers: OrdMap<Arc<str>, Timer>,
    /// How many of them are the plugin's: the host's own keys begin with NUL.
    plugin_timers: usize,
    /// The timers' keys by when they are due.
    due: OrdSet<(i64, Arc<str>)>,
    entries: Entries,
    /// True when a key that is not known does not exist.
    whole: bool,
    boards: OrdMap<Arc<str>, Board>,
    read: Arc<Read>,
    records: Records,
    source: Arc<Source>,
}

/// What was read, for every state that came of the same load.
struct Read {
    /// The journal number of the load.
    seq: i64,
    boards: Mutex<HashMap<Arc<str>, Board>>,
}

/// What a place held before it was written. None: nothing was known of it.
#[derive(Clone)]
enum Undo {
    Head(Head),
    Entry(Arc<str>, Option<Written>),
    Timer(Arc<str>, Option<Timer>),
    Record(Arc<str>, Before),
    Score { board: Arc<str>, key: Arc<str>, before: Option<Score> },
}

const ABSENT: Written = Written { value: None, version: 0 };

impl State {
    /// Loads the state as it is now.
    pub(crate) async fn load(source: Arc<Source>) -> anyhow::Result<Self> {
        for _ in 1..LOAD_ATTEMPTS_MAX {
            match Self::load_once(source.clone()).await {
                Err(error) if error.is::<Stale>() => {}
                loaded => return loaded,
            }
        }
        Self::load_once(source).await
    }

    /// Loads the head, the timers, and the entries if they are few.
    async fn load_once(source: Arc<Source>) -> anyhow::Result<Self> {
        let head = source.store.head(&source.id).await?;
        let Source { store, id, .. } = &*source;
        let timers = store.timers(id).await?;
        let rows = store.all_entries(id, WHOLE_ENTRIES_MAX + 1).await?;
        let whole = rows.len() <= WHOLE_ENTRIES_MAX;
        let mut entries = Entries::default();
        if whole {
            for row in rows {
                check(row.seq, head)?;
                entries.set(row.key, Some(row.written));
            }
        }
        let keys = store.record_keys(id, WHOLE_ENTRIES_MAX + 1).await?;
        for key in &keys {
            check(key.seq, head)?;
        }
        let records = if keys.len() <= WHOLE_ENTRIES_MAX { Records::all(keys) } else { Records::default() };
        let due = timers.iter().map(|(key, timer)| (timer.due, key.clone())).collect();
        let plugin_timers = timers.iter().filter(|(key, _)| is_plugins(key)).count();
        let timers = timers.into_iter().collect();
        Ok(Self {
            head,
            undo: Vec::new(),
            timers,
            plugin_timers,
            due,
            entries,
            whole,
            boards: OrdMap::new(),
            read: Arc::new(Read { seq: head.seq, boards: Mutex::default() }),
            records,
            source,
        })
    }

    /// A call begins.
    pub(crate) fn mark(&mut self) {
        self.undo.clear();
        self.undo.push(Undo::Head(self.head));
    }

    /// A call is done: what it wrote stays.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// A call failed: everything is as it was at its mark. What was merely learnt of the store stays.
    pub(crate) fn take_back(&mut self) {
        for undo in std::mem::take(&mut self.undo).into_iter().rev() {
            match undo {
                Undo::Head(head) => self.head = head,
                Undo::Entry(key, before) => drop(self.entries.set(key, before)),
                Undo::Timer(key, before) => drop(self.replace_timer(key, before)),
                Undo::Record(key, before) => self.records.put_back(key, before),
                Undo::Score { board, key, before } => {
                    if let Some(board) = self.boards.get_mut(&board) {
                        match before {
                            Some(score) => board.put(key, score),
                            None => drop(board.remove(&key)),
                        }
                    }
                }
            }
        }
    }

    /// The key's last write, also where that was a deletion.
    pub(crate) fn written(&mut self, key: &str) -> anyhow::Result<Written> {
        if let Some(known) = self.entries.get(key) {
            return Ok(known.clone());
        }
        if self.whole {
            return Ok(ABSENT);
        }
        let Source { store, id, .. } = &*self.source;
        let written = match self.source.wait(store.entry(id, key))? {
            Some(row) => {
                check(row.seq, self.head)?;
                row.written
            }
            None => ABSENT,
        };
        if self.is_full() {
            return Ok(written);
        }
        self.entries.set(key.into(), Some(written.clone()));
        Ok(written)
    }

    pub(crate) fn write(&mut self, key: Arc<str>, written: Written) {
        let before = self.entries.set(key.clone(), Some(written));
        self.undo.push(Undo::Entry(key, before));
    }

    /// Entries whose key starts with `prefix`, after `after`, in the order of the keys' bytes.
    pub(crate) fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(Arc<str>, Entry)>> {
        let mut found = Vec::new();
        let mut after: Option<Arc<str>> = after.map(Into::into);
        let mut page = limit;
        while found.len() < limit {
            // The store's page may hold keys that this batch deleted, so pages are read until the wish is met: ever larger ones, or each
            // deleted key would be a reading.
            let end = if self.whole { None } else { self.learn_page(prefix, after.as_deref(), page)? };
            page = (page * 4).min(PAGE_ROWS_MAX);
            let from = after.as_deref().filter(|after| *after >= prefix).unwrap_or(prefix);
            for (key, written) in self.entries.live().range::<_, str>((Bound::Included(from), Bound::Unbounded)) {
                let past_page = end.as_ref().is_some_and(|end| key > end);
                if found.len() == limit || past_page || !key.starts_with(prefix) {
                    break;
                }
                if after.as_deref() == Some(key) {
                    continue;
                }
                if let Some(value) = &written.value {
                    found.push((key.clone(), Entry { value: value.clone(), version: written.version }));
                }
            }
            match end {
                Some(end) => after = Some(end),
                None => break,
            }
        }
        Ok(found)
    }

    /// Reads one page of keys that are not known yet; answers its last key when there may be more behind it.
    fn learn_page(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> anyhow::Result<Option<Arc<str>>> {
        let Source { store, id, .. } = &*self.source;
        let rows = self.source.wait(store.entry_page(id, prefix, after, limit))?;
        let end = if rows.len() == limit { rows.last().map(|row| row.key.clone()) } else { None };
        for row in rows {
            check(row.seq, self.head)?;
            if self.entries.get(&row.key).is_none() {
                self.entries.set(row.key, Some(row.written));
            }
        }
        Ok(end)
    }

    /// The board, read when it is first used.
    pub(crate) fn board(&mut self, name: &str) -> anyhow::Result<&Board> {
        if !self.boards.contains_key(name) {
            let board = self.read_board(name)?;
            self.boards.insert(name.into(), board);
        }
        Ok(self.boards.get(name).expect("it was put in above"))
    }

    /// The board as it was when the state was loaded: no state that came of it has written this board, or it would know it.
    fn read_board(&self, name: &str) -> anyhow::Result<Board> {
        // A new activity has no boards, so there is nothing to read.
        if self.whole && self.head.seq == 0 {
            return Ok(Board::default());
        }
        // Whoever else wants it waits here instead of reading it as well.
        source::waiting(|| {
            let mut boards = self.read.boards.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(board) = boards.get(name) {
                return Ok(board.clone());
            }
            let Source { store, runtime, id } = &*self.source;
            let mut board = Board::default();
            for row in runtime.block_on(store.board(id, name))? {
                if row.seq > self.read.seq {
                    return Err(Stale.into());
                }
                if let Some(score) = row.score {
                    board.put(row.key, score);
                }
            }
            boards.insert(name.into(), board.clone());
            Ok(board)
        })
    }

    /// Sets an entry of a board, or removes it; answers what it was.
    pub(crate) fn set_score(
        &mut self,
        board: &Arc<str>,
        key: &Arc<str>,
        score: Option<Score>,
    ) -> anyhow::Result<Option<Score>> {
        self.board(board)?;
        let entries = self.boards.get_mut(board).expect("it was loaded above");
        let before = entries.remove(key);
        if let Some(score) = score {
            entries.put(key.clone(), score);
        }
        self.undo.push(Undo::Score { board: board.clone(), key: key.clone(), before });
        Ok(before)
    }

    pub(crate) fn has_timer(&self, key: &str) -> bool {
        self.timers.contains_key(key)
    }

    pub(crate) fn plugin_timers(&self) -> usize {
        self.plugin_timers
    }

    pub(crate) fn set_timer(&mut self, key: Arc<str>, timer: Option<Timer>) {
        let before = self.replace_timer(key.clone(), timer);
        self.undo.push(Undo::Timer(key, before));
    }

    fn replace_timer(&mut self, key: Arc<str>, timer: Option<Timer>) -> Option<Timer> {
        let before = self.timers.remove(&key);
        if is_plugins(&key) {
            self.plugin_timers = self.plugin_timers + usize::from(timer.is_some()) - usize::from(before.is_some());
        }
        if let Some(before) = &before {
            self.due.remove(&(before.due, key.clone()));
        }
        if let Some(timer) = timer {
            self.due.insert((timer.due, key.clone()));
            self.timers.insert(key, timer);
        }
        before
    }

    /// The timers due at `now` or before, the oldest first.
    pub(crate) fn due_timers(&self, now: i64) -> impl Iterator<Item = (&Arc<str>, &Timer)> {
        let due = self.due.iter().take_while(move |(due, _)| *due <= now);
        due.map(|(_, key)| (key, &self.timers[key]))
    }

    pub(crate) fn timer_keys(&self) -> Vec<Arc<str>> {
        self.timers.keys().cloned().collect()
    }

    /// Whether so much is known that some should be forgotten.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() + self.records.len() >= CACHED_ENTRIES_MAX
    }

    /// Forgets what can be read again, once there is much of it. Only for a state that is committed.
    pub(crate) fn trim(&mut self) {
        if self.is_full() {
            self.entries = Entries::default();
            self.records = Records::default();
            self.whole = false;
        }
    }
}

fn is_plugins(key: &str) -> bool {
    !key.starts_with('\0')
}

fn put_back<V: Clone>(map: &mut OrdMap<Arc<str>, V>, key: Arc<str>, before: Option<V>) {
    match before {
        Some(before) => drop(map.insert(key, before)),
        None => drop(map.remove(&key)),
    }
}

fn check(seq: i64, head: Head) -> Result<(), Stale> {
    if seq > head.seq { Err(Stale) } else { Ok(()) }
}

impl Board {
    /// Entries around a place, first to last.
    pub(crate) fn page(&self, start: usize, limit: usize) -> Vec<(usize, Arc<str>, Score)> {
        (start..self.len().min(start.saturating_add(limit)))
            .filter_map(|index| self.at(index).map(|(key, score)| (index, key, score)))
            .collect()
    }
}
