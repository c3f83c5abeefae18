use super::*;

const LIMITS: Limits = Limits {
    head: Duration::from_secs(10),
    first_byte: Duration::from_secs(30),
    idle: Duration::from_secs(60),
    min_rate: 240,
};

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn a_head_that_does_not_come_closes_the_connection() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    assert_eq!(watch.check(after(start, 9)), Verdict::Fine(after(start, 10)));
    assert_eq!(watch.check(after(start, 10)), Verdict::Close);
}

#[test]
fn between_requests_the_idle_limit_holds() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.request_finished(start);
    assert_eq!(watch.check(after(start, 59)), Verdict::Fine(after(start, 60)));
    assert_eq!(watch.check(after(start, 60)), Verdict::Close);
}

#[test]
fn a_request_waits_as_long_as_its_upstream_may() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.answer_awaited(start);
    assert_eq!(watch.check(after(start, 25)), Verdict::Fine(after(start, 30)));
    assert!(matches!(watch.check(after(start, 30)), Verdict::Expired(_)));
    assert_eq!(watch.expired(), Some(Expired::FirstByte));
    assert!(matches!(watch.check(after(start, 31)), Verdict::Fine(_)), "an expiry is told once");
}

#[test]
fn the_answer_is_due_only_after_the_body() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.answer_awaited(start);
    watch.upload_started(after(start, 40));
    assert!(matches!(watch.check(after(start, 45)), Verdict::Fine(_)));
    watch.upload_finished();
    assert!(watch.exchange_deadlines()[1].is_some());
}

#[test]
fn a_body_below_the_rate_expires_after_its_window() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.upload_started(start);
    watch.upload.set(Upload::Receiving(start));
    assert_eq!(watch.check(after(start, 9)), Verdict::Fine(after(start, 10)));
    watch.check(after(start, 10));
    assert_eq!(watch.expired(), Some(Expired::Upload));
}

#[test]
fn a_body_above_the_rate_lives_on_and_is_judged_again() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.upload_started(start);
    watch.upload_rate.set(Rate { waited: Duration::from_secs(9), bytes: 2400, ..Rate::default() });
    watch.upload.set(Upload::Receiving(start));
    assert!(matches!(watch.check(after(start, 5)), Verdict::Fine(_)));
    assert_eq!(watch.upload_rate.get().bytes, 0, "a new window began");
    assert_eq!(watch.expired(), None);
}

#[test]
fn a_pause_after_a_good_window_has_a_window_of_its_own() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.upload_started(start);
    watch.upload_rate.set(Rate { bytes: 2400, ..Rate::default() });
    watch.upload.set(Upload::Receiving(start));
    assert!(matches!(watch.check(after(start, 10)), Verdict::Fine(_)));
    assert_eq!(watch.check(after(start, 19)), Verdict::Fine(after(start, 20)));
    assert_eq!(watch.expired(), None);
    watch.check(after(start, 20));
    assert_eq!(watch.expired(), Some(Expired::Upload));
}

#[test]
fn an_answer_ends_with_its_token_and_a_question_does_not() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.token_ends(after(start, 5));
    watch.answer_awaited(start);
    assert!(matches!(watch.check(after(start, 6)), Verdict::Fine(_)));
    watch.answer_started();
    assert!(matches!(watch.check(after(start, 6)), Verdict::Expired(_)));
    assert_eq!(watch.expired(), Some(Expired::Token));
}

#[test]
fn an_answer_that_still_flows_ends_with_its_revocation() {
    let watch = Watch::new(LIMITS, Instant::now());
    let token = || Arc::new(crate::tokens::verified_for_tests());
    watch.request_started();
    watch.answers(token());
    assert!(!watch.end_if(|_| false));
    assert!(!watch.end_if(|_| true), "it may be the answer to what revoked the token");
    assert!(watch.end_if(|_| true));
    assert_eq!(watch.expired(), Some(Expired::Revoked));
    watch.request_started();
    assert!(!watch.end_if(|_| true), "nothing flows");
    watch.answers(token());
    assert!(!watch.end_if(|_| true), "another answer");
    watch.request_finished(Instant::now());
    assert!(!watch.end_if(|_| true));
}

#[test]
fn an_upload_that_is_stuck_for_good_closes_the_connection() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.upload_started(start);
    assert!(matches!(watch.check(after(start, 60)), Verdict::Expired(_)));
    watch.request_finished(after(start, 60));
    assert_eq!(watch.check(after(start, 70)), Verdict::Close, "the client has its answer");
}

#[test]
fn a_client_that_does_not_read_is_closed() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.write.set(Some(start));
    assert_eq!(watch.check(after(start, 60)), Verdict::Close);
}

/// Whoever reads nothing cannot be told the end either.
#[test]
fn a_client_that_does_not_read_is_let_go_with_its_token() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.request_started();
    watch.token_ends(after(start, 5));
    watch.answer_started();
    watch.write_blocked();
    assert!(matches!(watch.check(after(start, 5)), Verdict::Expired(_)), "once more it may read");
    assert_eq!(watch.check(after(start, 6)), Verdict::Close);
    watch.write_moved();
    assert!(matches!(watch.check(after(start, 6)), Verdict::Fine(_)));
}

#[test]
fn a_routes_own_limits_hold_for_its_request_only() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.first_check(start);
    watch.request_started();
    watch.limit(Duration::from_secs(2), Duration::from_secs(300), start);
    assert_eq!(watch.sooner(), Some(after(start, 2)));
    watch.answer_awaited(start);
    assert!(matches!(watch.check(after(start, 2)), Verdict::Expired(_)));
    watch.answer_started();
    watch.download.set(Some(start));
    assert!(matches!(watch.check(after(start, 299)), Verdict::Fine(_)));
    watch.request_finished(after(start, 299));
    assert_eq!(watch.check(after(start, 359)), Verdict::Close, "between requests");
}

#[test]
fn the_timer_is_armed_for_a_token_that_ends_before() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    watch.first_check(start);
    watch.request_started();
    watch.token_ends(after(start, 5));
    assert_eq!(watch.sooner(), None, "no answer flows");
    watch.answer_started();
    assert_eq!(watch.sooner(), Some(after(start, 5)));
    watch.request_started();
    watch.token_ends(start);
    watch.answer_started();
    assert!(matches!(watch.check(Instant::now()), Verdict::Fine(_)), "an answer may begin, and be whole");
    assert!(matches!(watch.check(after(start, 2)), Verdict::Expired(_)));
}

#[test]
fn only_a_connection_without_a_request_gives_way() {
    let start = Instant::now();
    let watch = Watch::new(LIMITS, start);
    assert_eq!(watch.idle_since(), None, "its first request is awaited");
    watch.request_started();
    watch.give_way(start);
    assert!(matches!(watch.check(start), Verdict::Fine(_)));
    watch.request_finished(start);
    assert_eq!(watch.idle_since(), Some(start));
    watch.give_way(start);
    watch.request_started();
    watch.request_finished(start);
    assert!(matches!(watch.check(after(start, 1)), Verdict::Fine(_)), "it was used again in time");
    watch.give_way(after(start, 1));
    assert_eq!(watch.check(after(start, 1)), Verdict::Close);
}

#[test]
fn a_conversation_is_overdue_only_when_both_are_silent() {
    let start = Instant::now();
    for (stream, expected) in [(true, None), (false, Some(Expired::Upload))] {
        let watch = if stream { Watch::of_stream(LIMITS, start) } else { Watch::new(LIMITS, start) };
        watch.request_started();
        watch.answer_awaited(start);
        watch.upload_started(start);
        watch.upload_waits();
        watch.answer_started();
        watch.flows_both_ways();
        assert_eq!(matches!(watch.check(after(start, 70)), Verdict::Fine(_)), stream);
        assert_eq!(watch.expired(), expected, "the answer flows");
    }
    let watch = Watch::of_stream(LIMITS, start);
    watch.request_started();
    watch.upload_started(start);
    watch.answer_started();
    watch.flows_both_ways();
    watch.download_waits();
    watch.upload.set(Upload::Receiving(after(start, 30)));
    assert!(matches!(watch.check(after(start, 89)), Verdict::Fine(_)), "the request moved after the answer");
    assert!(matches!(watch.check(after(start, 91)), Verdict::Expired(_)));
    watch.request_finished(after(start, 92));
    assert!(watch.exchange_deadlines()[0].is_some(), "what still comes in has its limits again");
}
