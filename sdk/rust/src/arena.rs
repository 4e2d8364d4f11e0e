//! The guest's allocator. A guest lives for one call, so what fits the first megabyte is never freed: no `memory.grow`, no
//! bookkeeping. What does not fit goes to the allocator that Rust's own standard library uses on wasm32.

#![allow(unsafe_code, reason = "an allocator is unsafe by its trait; a guest has one thread")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
};

use dlmalloc::GlobalDlmalloc;

/// Lies in `.bss`, so that it costs nothing until it is touched.
const ARENA_BYTES: usize = 1 << 20;

#[repr(align(16))]
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    used: UnsafeCell<usize>,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; ARENA_BYTES]), used: UnsafeCell::new(0) };

impl Arena {
    fn holds(&self, block: *mut u8) -> bool {
        let begin = self.bytes.get() as usize;
        (begin..begin + ARENA_BYTES).contains(&(block as usize))
    }
}

// SAFETY: blocks of the arena never overlap, because `used` only falls to the start of the last block when that is freed.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference to `used` is kept.
        unsafe {
            let begin = (*self.used.get()).next_multiple_of(layout.align());
            match begin.checked_add(layout.size()) {
                Some(end) if end <= ARENA_BYTES => {
                    *self.used.get() = end;
                    self.bytes.get().cast::<u8>().add(begin)
                }
                _ => GlobalDlmalloc.alloc(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; a block that is not the arena's is dlmalloc's.
        unsafe {
            if !self.holds(block) {
                GlobalDlmalloc.dealloc(block, layout);
                return;
            }
            let begin = block as usize - self.bytes.get() as usize;
            if begin + layout.size() == *self.used.get() {
                *self.used.get() = begin;
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above. The last block grows where it is: that is a string or a list that is being built.
        unsafe {
            if self.holds(block) {
                let begin = block as usize - self.bytes.get() as usize;
                let is_last = begin + layout.size() == *self.used.get();
                if is_last && begin.checked_add(size).is_some_and(|end| end <= ARENA_BYTES) {
                    *self.used.get() = begin + size;
                    return block;
                }
                let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !new.is_null() {
                    block.copy_to_nonoverlapping(new, layout.size().min(size));
                }
                return new;
            }
            GlobalDlmalloc.realloc(block, layout, size)
        }
    }
}
