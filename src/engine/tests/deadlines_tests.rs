use super::*;

const SECONDS_10: Duration = Duration::from_secs(10);

#[test]
fn a_step_of_the_client_has_the_timeout_and_an_answer_has_none() {
    let short = Duration::from_millis(1);
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
        assert_eq!(limit(state, timeout, false), enough, "{state:?} {timeout:?}");
        assert_eq!(limit(state, timeout, true), few, "{state:?} {timeout:?}, few descriptors");
    }
}
