use super::*;

const SECONDS_10: Duration = Duration::from_secs(10);
const MILLISECOND: Duration = Duration::from_millis(1);

/// One that begins so long after `start`, when nothing is short, and nothing waits in tiny_http's queues.
fn walk(start: Instant, after: Duration) -> Walk {
    Walk::new(start + after, Some(SECONDS_10))
}

fn sight(identity: u64, unread_bytes: u64, received_bytes: Option<u64>) -> Sight {
    Sight { socket: (identity, "192.0.2.2:80".parse().unwrap()), unread_bytes, received_bytes }
}

/// One whose first request came through the first `Server`.
fn in_state(state: State, since: Instant) -> Connection {
    Connection { state, generation: 1, ..Connection::new(since) }
}

#[test]
fn a_step_of_the_client_has_the_timeout_and_an_answer_has_none() {
    let short = MILLISECOND;
    // The state, the timeout, and the limits with enough descriptors and without.
    let table = [
        (State::InHead, Some(SECONDS_10), Some(SECONDS_10), Some(HEAD_WHEN_SHORT)),
        (State::InHead, Some(short), Some(short), Some(short)),
        (State::InHead, None, None, Some(HEAD_WHEN_SHORT)),
        (State::InBody, Some(SECONDS_10), Some(SECONDS_10), Some(SECONDS_10)),
        (State::InBody, None, None, None),
        (State::Answering, Some(SECONDS_10), None, None),
        (State::Refusing, Some(SECONDS_10), None, None),
        (State::Ended, None, Some(CLOSE_WITHIN), Some(Duration::ZERO)),
    ];
    for (state, timeout, enough, few) in table {
        for (are_descriptors_short, expected) in [(false, enough), (true, few)] {
            let start = Instant::now();
            let walk = Walk { timeout, are_descriptors_short, ..walk(start, MILLISECOND) };
            let limit = in_state(state, start).due(&walk).map(|due| due - start);
            assert_eq!(limit, expected, "{state:?} {timeout:?} {are_descriptors_short}");
        }
    }
}

#[test]
fn what_is_overdue_is_shut_down_in_steps() {
    use Shutdown::{Both, Read, Write};
    // What is shut down at once, when it is overdue, and in the walks after that.
    let table = [
        (State::InHead, [None, Some(Read), Some(Both), Some(Both)]),
        (State::InBody, [None, Some(Read), None, None]),
        (State::Ended, [Some(Write), Some(Both), Some(Both), Some(Both)]),
        (State::Answering, [None; 4]),
        (State::Refusing, [None; 4]),
    ];
    for (state, expected) in table {
        let start = Instant::now();
        let mut connection = in_state(state, start);
        let sides = [0, 10, 11, 12].map(|seconds| {
            let mut walk = walk(start, Duration::from_secs(seconds));
            connection.look_at(&sight(1, 0, None), &mut walk)
        });
        assert_eq!(sides, expected, "{state:?}");
    }
}

#[test]
fn a_head_that_waits_in_a_queue_is_not_lost_at_its_deadline_nor_while_the_program_is_stopped() {
    let start = Instant::now();
    let mut connection = in_state(State::InHead, start);
    for (seconds, resumed, is_caught_up, side, needs_ping) in [
        (11, Some(11), false, None, false),
        (12, Some(11), false, Some(Shutdown::Read), true),
        (13, Some(11), false, None, true),
        (14, Some(11), true, Some(Shutdown::Both), false),
    ] {
        let resumed = resumed.map(|seconds| start + Duration::from_secs(seconds));
        let mut walk = Walk { resumed, is_caught_up, ..walk(start, Duration::from_secs(seconds)) };
        assert_eq!(connection.look_at(&sight(1, 0, None), &mut walk), side, "{seconds}");
        assert_eq!(walk.needs_ping, needs_ping, "{seconds}");
    }
}

#[test]
fn a_walk_is_due_at_a_deadline_and_walks_go_on_before_the_first_request() {
    let start = Instant::now();
    let is_due =
        |one: &Connection, seconds| one.is_due(start + Duration::from_secs(seconds), &walk(start, Duration::ZERO));
    for (state, due) in
        [(State::InHead, Some(10)), (State::Ended, Some(1)), (State::Answering, None), (State::Refusing, None)]
    {
        let connection = in_state(state, start);
        assert_eq!((0..20).find(|&seconds| is_due(&connection, seconds)), due, "{state:?}");
        assert!(!connection.is_new(), "{state:?}");
    }
    let mut connection = Connection::new(start);
    assert!(connection.is_new() && is_due(&connection, 10));
    connection.must_end = true;
    connection.look_at(&sight(1, 0, None), &mut walk(start, MILLISECOND));
    assert!(!connection.is_new() && !is_due(&connection, 20), "there is nothing more to do");
}

#[test]
fn a_head_is_too_long_if_no_request_has_come_of_what_was_read() {
    let (large, all) = (HEAD_MOST_BYTES + 1, WAITING_MOST_BYTES as u64 + 1);
    // The state, what tiny_http holds, the bytes that it has read, whether it has caught up with its queue, whether a
    // request comes, and in which of four walks the connection is shut down.
    let table = [
        (State::InHead, 0, Some(large), true, false, Some(1)),
        (State::Answering, 0, Some(large), true, false, Some(1)),
        (State::InHead, 0, Some(large), true, true, None),
        (State::InHead, 0, Some(large), false, false, None),
        (State::InHead, 0, Some(all), false, false, Some(0)),
        (State::InHead, 0, Some(large - 1), true, false, None),
        (State::InHead, HEAP_MOST_BYTES + 1, Some(large - 1), true, false, Some(1)),
        (State::InHead, HEAP_MOST_BYTES + 1, Some(HEAD_SMALL_BYTES), true, false, None),
        (State::InBody, HEAP_MOST_BYTES + 1, Some(all), true, false, None),
        (State::InBody, 0, Some(BODY_MOST_BYTES + 1), true, false, Some(0)),
        (State::Refusing, HEAP_MOST_BYTES + 1, Some(all), true, false, None),
        // On a system that does not tell what was read.
        (State::InHead, HEAP_MOST_BYTES + 1, None, true, false, Some(1)),
        (State::InHead, 0, None, true, false, None),
        (State::Answering, HEAP_MOST_BYTES + 1, None, true, false, None),
    ];
    for (state, held_bytes, read_bytes, is_caught_up, has_stepped, expected) in table {
        let start = Instant::now();
        let mut connection = Connection { has_stepped, ..in_state(state, start) };
        let is_shut = |nth: &u32| {
            let mut walk = Walk { held_bytes, is_caught_up, ..walk(start, HEAD_YOUNG + MILLISECOND * (nth + 1)) };
            let sight = sight(1, 1, read_bytes.map(|bytes| bytes + 1));
            connection.look_at(&sight, &mut walk).is_some()
        };
        assert_eq!((0..4).find(is_shut), expected, "{state:?} {held_bytes} {read_bytes:?}");
    }
}

/// Hundreds of clients together fill the queue of tiny_http, each with little.
#[test]
fn in_a_flood_what_waits_in_the_queue_of_tiny_http_is_no_step() {
    // What tiny_http holds, whether it has caught up, the bytes that each walk finds read and those that were taken of
    // them, and in which of four walks the connection is hung up.
    let (few, many) = (HEAD_SMALL_BYTES / 4, HEAD_SMALL_BYTES / 2);
    let table = [
        (FLOOD_BYTES + 1, false, many, few, Some(3)),
        (FLOOD_BYTES + 1, false, many, many, None),
        (FLOOD_BYTES + 1, true, many, few, None),
        (FLOOD_BYTES, false, many, few, None),
    ];
    for (held_bytes, is_caught_up, read_bytes, taken_bytes, expected) in table {
        let start = Instant::now();
        let mut connection = in_state(State::Answering, start);
        let is_shut = |nth: &u32| {
            (connection.has_stepped, connection.taken_bytes) = (true, taken_bytes);
            let mut walk = Walk { held_bytes, is_caught_up, ..walk(start, HEAD_YOUNG + MILLISECOND * (nth + 1)) };
            let sight = sight(1, 0, Some(read_bytes * u64::from(nth + 1) + u64::from(*nth)));
            connection.look_at(&sight, &mut walk).is_some()
        };
        assert_eq!((0..6).find(is_shut), expected, "{held_bytes} {is_caught_up} {read_bytes} {taken_bytes}");
    }
}

#[test]
fn a_step_counts_all_that_was_read_before_it() {
    let start = Instant::now();
    let (small, large) = (HEAD_MOST_BYTES, 3 * HEAD_MOST_BYTES);
    let mut connection = in_state(State::InBody, start);
    // The end of the body comes after the sight of the first of these walks, and before its look.
    connection.enter(State::InHead);
    let is_shut = [small, large, large, large + small, large + small + 1, large + small + 1].map(|read_bytes| {
        let mut walk = walk(start, MILLISECOND);
        connection.look_at(&sight(1, 0, Some(read_bytes)), &mut walk).is_some()
    });
    assert_eq!(is_shut, [false, false, false, false, false, true]);
}

/// On a system that does not tell how many bytes have come, too.
#[test]
fn an_idle_connection_is_not_hung_up_for_the_heads_of_others() {
    let start = Instant::now();
    for received_bytes in [None, Some(100)] {
        let mut connection = in_state(State::InHead, start);
        for seconds in 1..5 {
            let mut walk = Walk { held_bytes: HEAP_MOST_BYTES + 1, ..walk(start, Duration::from_secs(seconds)) };
            assert_eq!(connection.look_at(&sight(1, 0, received_bytes), &mut walk), None);
        }
    }
}

#[test]
fn a_connection_is_stuck_if_nobody_receives_its_first_bytes_for_a_while() {
    let start = Instant::now();
    let stuck = |connection: &mut Connection, nth: u32, unread_bytes: u64| {
        let mut walk = walk(start, MILLISECOND * nth);
        connection.look_at(&sight(1, unread_bytes, None), &mut walk);
        (walk.is_urgent, connection.is_stuck(|_| true))
    };
    let mut connection = Connection::new(start);
    let walks = [(0, (false, false)), (9, (true, false)), (9, (true, true)), (0, (false, false)), (9, (true, false))];
    for (nth, (unread_bytes, expected)) in (0..).zip(walks) {
        assert_eq!(stuck(&mut connection, nth, unread_bytes), expected, "{nth}");
    }
    let last = (10..).find(|&nth| stuck(&mut connection, nth, 9) == (false, false));
    assert!(last.is_some_and(|nth| nth < 10 + u32::from(UNREAD_WALKS_MOST)));
    connection.generation = 1;
    connection.seen.unread_walks = 1;
    assert_eq!(stuck(&mut connection, 100, 9), (false, false), "it has had a request");
}

#[test]
fn a_later_connection_from_the_same_port_inherits_nothing() {
    let start = Instant::now();
    for (state, is_kept) in [(State::InHead, false), (State::Ended, false), (State::Answering, true)] {
        let mut connection = Connection { number: 7, ..in_state(state, start) };
        let mut first = walk(start, SECONDS_10);
        connection.look_at(&sight(1, 0, None), &mut first);
        assert!(connection.was_seen(sight(1, 0, None).socket, &first), "tiny_http's other descriptor");
        let mut second = walk(start, 2 * SECONDS_10);
        assert_eq!(connection.look_at(&sight(2, 0, None), &mut second), None, "{state:?}");
        assert_eq!(connection.number == 7, is_kept, "{state:?}");
        assert_eq!(connection.state, if is_kept { state } else { State::InHead });
        assert!(!connection.has_ended(second.start, &[]));
        assert_eq!(connection.has_ended(start + 3 * SECONDS_10, &[]), !is_kept);
    }
}

#[test]
fn what_a_later_connection_from_the_same_port_has_sent_before_a_walk_is_its_own() {
    let start = Instant::now();
    // The state, whether a request has come since the last walk, whether it was discarded, and whether the later
    // connection is hung up in one of three walks.
    for (state, has_stepped, discarded, expected) in [
        (State::InHead, true, None, false),
        (State::InHead, false, None, true),
        (State::Ended, true, Some(start), true),
    ] {
        let mut connection = in_state(state, start);
        connection.look_at(&sight(1, 0, Some(1)), &mut walk(start, MILLISECOND));
        (connection.has_stepped, connection.discarded) = (has_stepped, discarded);
        let later = sight(2, 0, Some(HEAD_MOST_BYTES + 1));
        let is_shut = |nth| connection.look_at(&later, &mut walk(start, MILLISECOND * nth)).is_some();
        assert_eq!((2..5).any(is_shut), expected, "{state:?} {has_stepped} {discarded:?}");
    }
}

#[test]
fn a_connection_after_its_last_answer_stays_for_a_while_if_tiny_http_has_its_socket() {
    let start = Instant::now();
    // The state, the identity of the socket, and whether it has ended after less than `MORE_WITHIN`, and after that.
    for (state, identity, has_ended) in [
        (State::Ended, 1, [false, true]),
        (State::Ended, 2, [true, true]),
        (State::Ended, 0, [true, true]),
        (State::InHead, 1, [true, true]),
        (State::Answering, 2, [false, false]),
    ] {
        let mut connection = in_state(state, start);
        connection.look_at(&sight(identity.min(1), 0, None), &mut walk(start, MILLISECOND));
        let later = [MORE_WITHIN / 2, MORE_WITHIN].map(|later| start + later);
        let found = later.map(|later| connection.has_ended(later, &[identity]));
        assert_eq!(found, has_ended, "{state:?} {identity}");
    }
}

#[test]
fn two_connections_from_one_port_to_two_addresses_are_both_shut_down() {
    let start = Instant::now();
    let other = || Sight { socket: (2, "192.0.2.3:80".parse().unwrap()), ..sight(2, 0, None) };
    let mut connection = in_state(State::InHead, start);
    let mut first = walk(start, MILLISECOND);
    assert_eq!(connection.look_at(&sight(1, 0, None), &mut first), None);
    assert!(!connection.was_seen(other().socket, &first));
    assert_eq!(connection.look_at(&other(), &mut first), Some(Shutdown::Both));
    let mut second = walk(start, 2 * MILLISECOND);
    assert_eq!(connection.look_at(&sight(1, 0, None), &mut second), Some(Shutdown::Both));
}

#[test]
fn a_port_that_is_used_again_during_a_walk_has_one_connection() {
    let start = Instant::now();
    let mut connection = in_state(State::InHead, start);
    let mut walk = walk(start, MILLISECOND);
    for identity in [1, 2] {
        assert_eq!(connection.look_at(&sight(identity, 0, None), &mut walk), None, "{identity}");
    }
}
