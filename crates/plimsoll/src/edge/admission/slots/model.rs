//! A model of the slots: workers that take, suspend, resume and return them, in many orders.

use super::*;
use crate::sync::{Arc, atomic::AtomicUsize};

const LIMIT: usize = 2;

#[test]
fn model_takes_at_most_the_limit_and_loses_no_slot() {
    crate::sync::check(|| {
        let slots = Arc::new(Slots::new(LIMIT, 2));
        let taken = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let (slots, taken) = (Arc::clone(&slots), Arc::clone(&taken));
                shuttle::thread::spawn(move || {
                    for home in [thread % 2, (thread + 1) % 2] {
                        if !slots.take(Unit::Slot, home) {
                            continue;
                        }
                        let others = taken.fetch_add(1, Relaxed);
                        assert!(others < LIMIT, "more slots are taken than there are");
                        taken.fetch_sub(1, Relaxed);
                        slots.exchange(Unit::Slot, Unit::Place, home);
                        slots.give(Unit::Place, 1 - home);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(slots.free(Unit::Slot), LIMIT);
        assert_eq!(slots.free(Unit::Place), LIMIT * 2);
    });
}

#[test]
fn model_pays_every_debt() {
    crate::sync::check(|| {
        let slots = Arc::new(Slots::new(1, 2));
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let slots = Arc::clone(&slots);
                shuttle::thread::spawn(move || {
                    let home = thread % 2;
                    slots.overdraw(Unit::Slot, home);
                    slots.exchange(Unit::Slot, Unit::Place, home);
                    slots.exchange(Unit::Place, Unit::Slot, 1 - home);
                    slots.give(Unit::Slot, home);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(slots.has(Unit::Slot, 0) && slots.has(Unit::Place, 1));
        assert_eq!(slots.free(Unit::Slot), 1);
        assert_eq!(slots.free(Unit::Place), 2);
    });
}
