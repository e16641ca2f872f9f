//! Which connection a request belongs to. tiny_http tells the client's address, but neither when a
//! connection begins nor when it ends, so this is known by the port.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Peer;
use super::exchange::End;

/// Requests that were already read from a connection which we closed come within this time.
const CLOSED_LASTS: Duration = Duration::from_secs(1);

/// A place for each port that a client can have: outside the heap, so that it does not grow with the
/// number of clients seen. Two hosts with the same port at the same time take turns in one place, and
/// get new numbers; a port used again within the timeout, by a client that said nothing when it left, keeps its
/// number. Both are labels only.
static PLACES: Mutex<[Place; 1 << 16]> = Mutex::new([Place::EMPTY; 1 << 16]);

#[derive(Clone, Copy)]
struct Place {
    address_hash: u64,
    number: u32,
    /// Milliseconds since the program's start; the top bit: we closed the connection then.
    seen_ms: u32,
}

const CLOSED: u32 = 1 << 31;

impl Place {
    const EMPTY: Self = Self { address_hash: 0, number: 0, seen_ms: 0 };
}

/// Gives connections their numbers.
pub struct Numbers {
    start: Instant,
    timeout: Option<Duration>,
    last: Mutex<u32>,
}

/// What is known of the connection of a request that just came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its first request.
    New(u64),
    /// It had requests before.
    Before(u64),
    /// We closed it, so the request is to be forgotten.
    Closed,
}

impl Numbers {
    /// `timeout`: after which an idle connection is gone for certain.
    pub fn new(timeout: Option<Duration>) -> Self {
        Self { start: Instant::now(), timeout, last: Mutex::new(0) }
    }

    /// The number of the connection to `peer`.
    pub fn of(&self, peer: Peer) -> Known {
        let now_ms = self.now_ms();
        let address_hash = hash(peer);
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut places[usize::from(peer.port())];
        let age = Duration::from_millis(now_ms.wrapping_sub(place.seen_ms & !CLOSED).into());
        let same = place.address_hash == address_hash;
        if same && place.seen_ms & CLOSED != 0 && age < CLOSED_LASTS {
            return Known::Closed;
        }
        let alive = place.seen_ms & CLOSED == 0 && self.timeout.is_none_or(|most| age < 2 * most);
        if same && alive {
            place.seen_ms = now_ms;
            return Known::Before(place.number.into());
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        *place = Place { address_hash, number: *last, seen_ms: now_ms };
        Known::New((*last).into())
    }

    /// Notes the end of an answer.
    pub fn answered(&self, peer: Peer, end: End) {
        let now_ms = self.now_ms();
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut places[usize::from(peer.port())];
        if place.address_hash != hash(peer) {
            return;
        }
        match end {
            End::Open => place.seen_ms = now_ms,
            End::Gone => *place = Place::EMPTY,
            End::Closed | End::BrokenOff => place.seen_ms = now_ms | CLOSED,
        }
    }

    fn now_ms(&self) -> u32 {
        self.start.elapsed().as_millis() as u32 & !CLOSED
    }
}

fn hash(peer: Peer) -> u64 {
    let mut hasher = DefaultHasher::new();
    peer.ip().hash(&mut hasher);
    hasher.finish() | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_keeps_its_number_until_it_is_known_to_be_gone() {
        let numbers = Numbers::new(Some(Duration::from_secs(30)));
        let [a, b, other_host]: [Peer; 3] =
            ["127.0.0.1:60001", "127.0.0.1:60002", "127.0.0.2:60001"].map(|peer| peer.parse().unwrap());
        assert_eq!(numbers.of(a), Known::New(1));
        assert_eq!(numbers.of(b), Known::New(2));
        numbers.answered(a, End::Open);
        assert_eq!(numbers.of(a), Known::Before(1));
        numbers.answered(a, End::Gone);
        assert_eq!(numbers.of(a), Known::New(3));
        assert_eq!(numbers.of(other_host), Known::New(4));
        numbers.answered(b, End::Closed);
        assert_eq!(numbers.of(b), Known::Closed);
    }
}
