//! An order-statistic tree with cheap clones: rank, place and neighbours in O(log n) at any size.
//!
//! A treap whose nodes are shared between clones and copied only where they differ. Priorities are keyed at random in each
//! process, so nobody can choose keys that make it deep; its shape shows in nothing but time.

use std::{
    cmp::Reverse,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock},
};

use imbl::HashMap;

use crate::effects::Score;

static PRIORITIES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Score from high to low, then time from early to late, then key.
type Place<'a> = (Reverse<i64>, i64, &'a str);

type Link = Option<Arc<Node>>;

#[derive(Clone)]
struct Node {
    key: Arc<str>,
    score: Score,
    priority: u64,
    size: usize,
    left: Link,
    right: Link,
}

#[derive(Clone, Default)]
pub(crate) struct Board {
    root: Link,
    scores: HashMap<Arc<str>, Score>,
}

impl Board {
    pub(crate) fn len(&self) -> usize {
        size(&self.root)
    }

    pub(crate) fn put(&mut self, key: Arc<str>, score: Score) {
        self.remove(&key);
        self.scores.insert(key.clone(), score);
        let priority = PRIORITIES.hash_one(&key);
        insert(&mut self.root, Node { key, score, priority, size: 1, left: None, right: None });
    }

    /// The score removed, if there was one.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Score> {
        let score = self.scores.remove(key)?;
        remove(&mut self.root, place(score, key));
        Some(score)
    }

    /// How many stand before this key, and its score.
    pub(crate) fn rank(&self, key: &str) -> Option<(usize, Score)> {
        let score = *self.scores.get(key)?;
        Some((self.count_before(place(score, key)), score))
    }

    /// How many have a strictly greater score.
    pub(crate) fn count_above(&self, score: i64) -> usize {
        self.count_before((Reverse(score), i64::MIN, ""))
    }

    /// The entry with `index` entries before it.
    pub(crate) fn at(&self, mut index: usize) -> Option<(Arc<str>, Score)> {
        let mut node = self.root.as_deref()?;
        loop {
            let before = size(&node.left);
            node = match index.cmp(&before) {
                std::cmp::Ordering::Less => node.left.as_deref()?,
                std::cmp::Ordering::Equal => return Some((node.key.clone(), node.score)),
                std::cmp::Ordering::Greater => {
                    index -= before + 1;
                    node.right.as_deref()?
                }
            };
        }
    }

    fn count_before(&self, wanted: Place<'_>) -> usize {
        let mut count = 0;
        let mut link = self.root.as_deref();
        while let Some(node) = link {
            if node.place() < wanted {
                count += size(&node.left) + 1;
                link = node.right.as_deref();
            } else {
                link = node.left.as_deref();
            }
        }
        count
    }
}

impl Node {
    fn place(&self) -> Place<'_> {
        place(self.score, &self.key)
    }

    fn count(&mut self) {
        self.size = size(&self.left) + 1 + size(&self.right);
    }
}

fn place(score: Score, key: &str) -> Place<'_> {
    (Reverse(score.score), score.at, key)
}

fn size(link: &Link) -> usize {
    link.as_ref().map_or(0, |node| node.size)
}

fn insert(link: &mut Link, mut new: Node) {
    match link {
        Some(node) if node.priority >= new.priority => {
            let node = Arc::make_mut(node);
            let side = if new.place() < node.place() { &mut node.left } else { &mut node.right };
            insert(side, new);
            node.count();
        }
        _ => {
            let (left, right) = split(link.take(), new.place());
            new.left = left;
            new.right = right;
            new.count();
            *link = Some(Arc::new(new));
        }
    }
}

fn remove(link: &mut Link, wanted: Place<'_>) {
    let Some(node) = link else { return };
    if node.place() == wanted {
        let node = Arc::make_mut(node);
        *link = join(node.left.take(), node.right.take());
        return;
    }
    let node = Arc::make_mut(node);
    let side = if wanted < node.place() { &mut node.left } else { &mut node.right };
    remove(side, wanted);
    node.count();
}

/// Parts a tree into what stands before the place, and the rest.
fn split(link: Link, at: Place<'_>) -> (Link, Link) {
    let Some(mut shared) = link else { return (None, None) };
    let node = Arc::make_mut(&mut shared);
    if node.place() < at {
        let (left, right) = split(node.right.take(), at);
        node.right = left;
        node.count();
        (Some(shared), right)
    } else {
        let (left, right) = split(node.left.take(), at);
        node.left = right;
        node.count();
        (left, Some(shared))
    }
}

/// Joins two trees of which the first stands before the second.
fn join(left: Link, right: Link) -> Link {
    match (left, right) {
        (None, one) | (one, None) => one,
        (Some(mut left), Some(mut right)) => {
            if left.priority >= right.priority {
                let node = Arc::make_mut(&mut left);
                node.right = join(node.right.take(), Some(right));
                node.count();
                Some(left)
            } else {
                let node = Arc::make_mut(&mut right);
                node.left = join(Some(left), node.left.take());
                node.count();
                Some(right)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn sorted(model: &BTreeMap<String, Score>) -> Vec<(&str, Score)> {
        let mut rows: Vec<_> = model.iter().map(|(key, score)| (key.as_str(), *score)).collect();
        rows.sort_by_key(|(key, score)| (Reverse(score.score), score.at, *key));
        rows
    }

    proptest! {
        #[test]
        fn a_board_is_a_sorted_list(changes in prop::collection::vec((0u8..40, prop::option::of((-5i64..5, 0i64..3))), 0..200)) {
            let mut board = Board::default();
            let mut model = BTreeMap::new();
            for (key, score) in changes {
                let key = format!("k{key}");
                match score {
                    Some((score, at)) => {
                        board.put(key.as_str().into(), Score { score, at });
                        model.insert(key, Score { score, at });
                    }
                    None => prop_assert_eq!(board.remove(&key), model.remove(&key)),
                }
            }
            let rows = sorted(&model);
            prop_assert_eq!(board.len(), rows.len());
            for (index, (key, score)) in rows.iter().enumerate() {
                prop_assert_eq!(board.rank(key), Some((index, *score)));
                prop_assert_eq!(board.at(index), Some(((*key).into(), *score)));
                let above = rows.iter().filter(|(_, other)| other.score > score.score).count();
                prop_assert_eq!(board.count_above(score.score), above);
            }
            prop_assert_eq!(board.at(rows.len()), None);
        }

        #[test]
        fn a_clone_keeps_its_past(keys in prop::collection::vec(0u8..40, 1..60)) {
            let mut board = Board::default();
            for key in &keys {
                board.put(format!("k{key}").into(), Score { score: i64::from(*key), at: 0 });
            }
            let before = board.clone();
            let places: Vec<_> = (0..before.len()).map(|index| before.at(index)).collect();
            for key in 0..40 {
                board.put(format!("k{key}").into(), Score { score: -key, at: 1 });
                board.remove(&format!("k{}", key / 2));
            }
            prop_assert_eq!(places, (0..before.len()).map(|index| before.at(index)).collect::<Vec<_>>());
        }
    }
}
