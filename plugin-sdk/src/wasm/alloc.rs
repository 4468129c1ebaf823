//! The guest's allocator: small blocks from lists of free ones, everything else from the standard library's.
//!
//! A plugin's call makes and frees a dozen small blocks, and with `isolation = "request"` an instance lives for
//! one exchange. The standard allocator is made for programs that run for long: it takes some hundred
//! instructions for each block, and grows the memory before it hands out the first one, which costs the gateway
//! two changes of page protection for each instance. Here the first blocks come from room that the
//! memory has from the start, one after the other, so that they touch few pages.
//!
//! Freed small blocks are kept for others of their size and never joined or given back; at its worst a guest
//! holds the sum of its highest uses of each size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// What sizes are rounded up to, and how small blocks are aligned.
const GRAIN: usize = 16;
/// The largest small block in bytes.
const MOST: usize = 1024;
const CLASSES: usize = MOST / GRAIN;
/// The room that is there from the start. It is all zeros, so it takes no room in the file.
const FIRST: usize = 32 << 10;
/// What is taken from the standard allocator when that is used up.
const MORE: usize = 16 << 10;

#[cfg_attr(target_family = "wasm", global_allocator)]
static ALLOCATOR: Small = Small {
    free: [const { Cell::new(ptr::null_mut()) }; CLASSES],
    next: Cell::new(ptr::null_mut()),
    left: Cell::new(FIRST),
};

static ROOM: Room = Room(UnsafeCell::new([const { MaybeUninit::zeroed() }; FIRST]));

#[repr(align(16))]
struct Room(UnsafeCell<[MaybeUninit<u8>; FIRST]>);

// SAFETY: without atomics there is one thread; natively there is one test.
unsafe impl Sync for Room {}

struct Small {
    /// By size, the first of the free blocks; each begins with the address of the next one.
    free: [Cell<*mut u8>; CLASSES],
    /// Where untouched room begins; null before the first block of all.
    next: Cell<*mut u8>,
    left: Cell<usize>,
}

// SAFETY: as for `Room`.
unsafe impl Sync for Small {}

/// The list that blocks of this layout belong to; none for large ones.
fn class(layout: Layout) -> Option<usize> {
    let size = layout.size();
    (size <= MOST && layout.align() <= GRAIN && size > 0).then(|| (size - 1) / GRAIN)
}

impl Small {
    /// A block from untouched room.
    #[cold]
    fn carve(&self, class: usize) -> *mut u8 {
        let size = (class + 1) * GRAIN;
        if self.next.get().is_null() {
            self.next.set(ROOM.0.get().cast());
        }
        if self.left.get() < size {
            let Ok(layout) = Layout::from_size_align(MORE, GRAIN) else { return ptr::null_mut() };
            // SAFETY: the layout isn't empty.
            let room = unsafe { System.alloc(layout) };
            if room.is_null() {
                return room;
            }
            self.next.set(room);
            self.left.set(MORE);
        }
        let block = self.next.get();
        self.next.set(block.wrapping_add(size));
        self.left.set(self.left.get() - size);
        block
    }
}

// SAFETY: each block is within room that belongs to this allocator alone, is large enough and aligned for its class,
// and is on a free list or handed out, never both. Which allocator has a block follows from its layout, which
// callers pass unchanged.
unsafe impl GlobalAlloc for Small {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc(layout) };
        };
        let Some(first) = self.free.get(class) else { return ptr::null_mut() };
        let block = first.get();
        if block.is_null() {
            return self.carve(class);
        }
        // SAFETY: a free block begins with the address of the next one.
        first.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(layout) else {
            // SAFETY: the block came from there, since its layout is the same.
            return unsafe { System.dealloc(block, layout) };
        };
        let Some(first) = self.free.get(class) else { return };
        // SAFETY: the block is the caller's to give back, has room for an address and is aligned for it.
        unsafe { block.cast::<*mut u8>().write(first.get()) };
        first.set(block);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size isn't zero and fits.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(wanted)) {
            (Some(old), Some(new)) if old == new => block,
            // SAFETY: the block came from there.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            // SAFETY: a new block, distinct from the old one; both have room for what is copied.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with the byte that it is filled with.
    struct Block(*mut u8, Layout, u8);

    impl Block {
        fn new(layout: Layout, mark: u8) -> Self {
            // SAFETY: no layout here is empty.
            let block = Self(unsafe { ALLOCATOR.alloc(layout) }, layout, mark);
            block.fill();
            block
        }

        fn fill(&self) {
            assert!(!self.0.is_null() && self.0.addr().is_multiple_of(self.1.align()), "{:?}", self.1);
            // SAFETY: the block is this long.
            unsafe { self.0.write_bytes(self.2, self.1.size()) };
        }

        /// Nobody else has written into the first `length` bytes.
        fn check(&self, length: usize) {
            // SAFETY: the block is at least this long, and has been filled.
            let bytes = unsafe { std::slice::from_raw_parts(self.0, length) };
            assert!(bytes.iter().all(|byte| *byte == self.2), "{:?}", self.1);
        }

        fn resize(&mut self, size: usize) {
            let kept = size.min(self.1.size());
            // SAFETY: the block is of this layout, and the size isn't 0.
            self.0 = unsafe { ALLOCATOR.realloc(self.0, self.1, size) };
            self.1 = Layout::from_size_align(size, self.1.align()).unwrap();
            self.check(kept);
            self.fill();
        }
    }

    impl Drop for Block {
        fn drop(&mut self) {
            self.check(self.1.size());
            // SAFETY: it is given back once, with its layout.
            unsafe { ALLOCATOR.dealloc(self.0, self.1) };
        }
    }

    /// The only test that uses the allocator: it is made for one thread.
    #[test]
    fn blocks_are_aligned_keep_what_is_in_them_and_never_overlap() {
        let mut state = 1_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut held: Vec<Block> = Vec::new();
        for step in 0..50_000_u32 {
            // Most are small; some are on either side of the boundary, and some are aligned like nothing small.
            let size = 1 + [random(64), random(MOST + 64), random(8 * MOST)][random(3)];
            let align = 1 << [random(5), random(8)][random(2)];
            match random(3) {
                0 if !held.is_empty() => drop(held.swap_remove(random(held.len()))),
                1 if !held.is_empty() => {
                    let index = random(held.len());
                    held[index].resize(size);
                }
                _ if held.len() < 200 => {
                    held.push(Block::new(Layout::from_size_align(size, align).unwrap(), step.to_le_bytes()[0]));
                }
                _ => held.clear(),
            }
        }
    }
}
