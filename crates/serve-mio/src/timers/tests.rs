use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn each_connection_expires_once_in_the_order_of_the_deadlines() {
    let now = Instant::now();
    let mut timers = Timers::default();
    assert_eq!(timers.wait(), None);
    for (token, deadline) in [(1, now + 2 * SECOND), (2, now + SECOND), (3, now + 9 * SECOND)] {
        timers.set(Token(token), deadline, deadline);
    }
    assert_eq!(timers.pop_expired(now), None);
    let later = now + 2 * SECOND;
    assert_eq!(timers.pop_expired(later), Some(Token(2)));
    assert_eq!(timers.pop_expired(later), Some(Token(1)));
    assert_eq!(timers.pop_expired(later), None);
}

#[test]
fn a_replaced_or_removed_deadline_does_not_expire() {
    let now = Instant::now();
    let mut timers = Timers::default();
    for token in [Token(1), Token(2)] {
        timers.set(token, now, now);
    }
    timers.set(Token(1), now, now + SECOND);
    timers.remove(Token(2), now);
    assert_eq!(timers.pop_expired(now), None);
    assert_eq!(timers.pop_expired(now + SECOND), Some(Token(1)));
}

#[test]
fn a_loop_does_not_wake_up_for_each_of_many_deadlines() {
    let now = Instant::now();
    let mut timers = Timers::default();
    timers.set(Token(1), now, now);
    assert_eq!(timers.wait(), Some(WAIT_MIN));
}

#[test]
fn the_longest_time_is_a_valid_wait() {
    assert!(deadline_after(Duration::MAX) > Instant::now());
}

#[test]
fn after_a_pause_only_one_loop_may_accept() {
    let pause = AcceptPause::default();
    assert_eq!(pause.remaining(), None);
    pause.set(Some(SECOND));
    assert!(pause.remaining().is_some_and(|remaining| remaining > SECOND / 2));
    // The pause is over.
    pause.set(Some(Duration::ZERO));
    assert_eq!(pause.remaining(), None);
    assert!(pause.remaining().is_some());
    // The call of the first loop did not fail.
    pause.set(None);
    assert_eq!(pause.remaining(), None);
}
