use super::*;
use std::net::TcpListener;
use std::thread;
use tiny_http::{Header, TestRequest};

fn connections() -> Connections {
    Connections::new(None, thread::current())
}

fn peer() -> SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

fn request(path: &str) -> Request {
    TestRequest::new().with_path(path).into()
}

/// The path of the request that comes next, and the number of those that are to be discarded.
fn end(all: &Connections, end: End) -> (Option<String>, usize) {
    match all.ended(peer(), end) {
        Ok(next) => (Some(next.url().to_owned()), 0),
        Err(discarded) => (None, discarded.len()),
    }
}

/// Takes three requests, of which two have to wait.
fn take_three(all: &Connections) {
    assert_eq!(all.take(peer(), 1, request("/1")).unwrap().1, Some(1));
    assert!(all.take(peer(), 1, request("/2")).is_none());
    assert!(all.take(peer(), 1, request("/3")).is_none());
}

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    let all = connections();
    take_three(&all);
    assert_eq!(end(&all, End::Open), (Some("/2".to_owned()), 0));
    assert_eq!(end(&all, End::Open), (Some("/3".to_owned()), 0));
    assert_eq!(end(&all, End::Open), (None, 0));
    assert_eq!(all.lock().waiting_bytes(), 0);
    // It is the same connection.
    assert_eq!(all.take(peer(), 1, request("/4")).unwrap().1, Some(1));
}

#[test]
fn the_end_decides_what_becomes_of_the_waiting_requests() {
    // What comes next, how many are discarded, whether the connection is still known, and the number of a later one.
    let next = || Some("/2".to_owned());
    let table = [
        (End::Open, next(), 0, true, None),
        (End::Replaced, next(), 0, true, None),
        (End::Gone, None, 2, false, Some(Some(2))),
        (End::Closed, None, 2, true, Some(None)),
    ];
    for (how, next, discarded, is_known, later) in table {
        let all = connections();
        take_three(&all);
        assert_eq!(end(&all, how), (next, discarded), "{how:?}");
        assert_eq!(all.lock().by_peer.contains_key(&peer()), is_known, "{how:?}");
        assert_eq!(all.take(peer(), 1, request("/4")).map(|taken| taken.1), later, "{how:?}");
    }
}

#[test]
fn what_waits_for_a_client_that_has_left_is_answered_if_there_is_a_later_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for (is_there, expected) in [(true, (Some("/2".to_owned()), 0)), (false, (None, 2))] {
        let all = connections();
        take_three(&all);
        thread::scope(|scope| {
            let ended = scope.spawn(|| end(&all, End::Left));
            let wanted = loop {
                let wanted = mem::take(&mut all.lock().wanted);
                if !wanted.is_empty() {
                    break wanted;
                }
                assert!(!ended.is_finished(), "nobody was asked for the socket");
                thread::yield_now();
            };
            if is_there {
                wanted[&peer()][0].send(TcpStream::connect(listener.local_addr().unwrap()).unwrap()).unwrap();
            }
            drop(wanted);
            assert_eq!(ended.join().unwrap(), expected, "{is_there}");
        });
    }
}

#[test]
fn nothing_more_is_answered_after_the_stop() {
    let all = connections();
    take_three(&all);
    all.lock().is_stopping = true;
    assert_eq!(end(&all, End::Open), (None, 2));
    assert!(!all.lock().by_peer[&peer()].is_busy());
}

#[test]
fn a_record_goes_when_no_walk_sees_its_socket_unless_a_thread_works_for_it() {
    let all = connections();
    all.take(peer(), 1, request("/1"));
    let later = Instant::now() + Duration::from_secs(1);
    all.lock().forget_ended(later, &[]);
    assert_eq!(all.lock().by_peer.len(), 1);
    end(&all, End::Open);
    let before = all.lock().by_peer[&peer()].since;
    all.lock().forget_ended(before, &[]);
    assert_eq!(all.lock().by_peer.len(), 1, "it is newer than the walk");
    all.lock().forget_ended(later, &[]);
    assert!(all.lock().by_peer.is_empty());
}

#[test]
fn a_server_is_needed_by_its_connections_and_by_those_without_a_request_that_it_may_have_accepted() {
    let all = connections();
    all.take(peer(), 2, request("/1"));
    let last = Instant::now();
    assert!(all.lock().has_of(2, last) && !all.lock().has_of(1, last));
    let newer = last + Duration::from_secs(1);
    let other = SocketAddr::new(peer().ip(), 1);
    all.lock().by_peer.insert(other, Connection::new(newer));
    assert!(all.lock().has_of(1, newer) && !all.lock().has_of(1, last));
}

/// A request that counts as a little more than `bytes`.
fn large(bytes: usize) -> Request {
    let line = Header::from_bytes("X", vec![b'a'; bytes]).unwrap();
    TestRequest::new().with_header(line).into()
}

#[test]
fn a_connection_with_too_many_waiting_bytes_is_marked() {
    let all = connections();
    all.take(peer(), 1, request("/1"));
    let quarter = WAITING_MOST_BYTES / 4;
    for (sent, is_flooding) in [(1, false), (2, false), (3, false), (4, true)] {
        all.take(peer(), 1, large(quarter));
        assert_eq!(all.lock().by_peer[&peer()].must_end, is_flooding, "{sent} quarters");
    }
    assert!(all.lock().has_work());
}

#[test]
fn the_one_that_has_waited_longest_goes_if_the_sum_is_too_much() {
    let all = connections();
    let peers = [1, 2, 3].map(|n| SocketAddr::new([192, 0, 2, n].into(), 40_000));
    let since = Instant::now();
    // The last one has waited longest, but for little.
    for (n, bytes) in [WAITING_SMALL_BYTES, WAITING_SMALL_BYTES, 1].into_iter().enumerate() {
        all.take(peers[n], 1, request("/1"));
        all.take(peers[n], 1, large(bytes));
        all.lock().by_peer.get_mut(&peers[n]).unwrap().since = since - Duration::from_millis(n as u64);
    }
    assert!(!all.lock().has_work());
    let mut table = all.lock();
    let mut hung_up = Connection::new(since);
    (hung_up.waiting_bytes, hung_up.must_end) = (ALL_WAITING_MOST_BYTES, true);
    table.by_peer.insert("192.0.2.4:40000".parse().unwrap(), hung_up);
    for marked in [vec![peers[1]], vec![peers[0], peers[1]], vec![peers[0], peers[1]]] {
        assert!(table.has_work());
        let is_marked = |peer: &SocketAddr| table.by_peer[peer].must_end;
        assert_eq!(peers.into_iter().filter(is_marked).collect::<Vec<_>>(), marked);
    }
}

#[test]
fn a_request_after_the_last_answer_is_noted_and_keeps_the_connection_for_the_next_walk() {
    for waits in [true, false] {
        let all = connections();
        all.take(peer(), 1, request("/1"));
        if waits {
            all.take(peer(), 1, request("/2"));
        }
        end(&all, End::Closed);
        if !waits {
            assert_eq!(all.take(peer(), 1, request("/2")).unwrap().1, None);
        }
        let mut table = all.lock();
        let discarded = table.by_peer[&peer()].discarded.unwrap();
        table.forget_ended(discarded, &[]);
        assert!(table.by_peer.contains_key(&peer()), "a walk that began before");
        table.forget_ended(discarded + Duration::from_nanos(1), &[]);
        assert!(table.by_peer.is_empty());
    }
}
