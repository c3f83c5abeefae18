//! SIGTERM finishes what is in flight.

use serde_json::json;
use system_tests::{Options, PASSWORD, Stack};
use test_support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_finished_and_new_ones_are_not_taken() {
    // A hash of this cost takes long enough to be in flight when the signal comes.
    let mut stack =
        Stack::with(Options::default().auth("BCRYPT_COST", "11").auth("HASH_QUEUE_DEADLINE", "30s")).await;
    let ann = stack.customer("ann").await;
    let before = hashes(&stack).await;
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let (client, email) = (stack.visitor(), ann.email.clone());
            tokio::spawn(async move {
                client.post("/api/auth/login", &json!({"email": email, "password": PASSWORD})).await
            })
        })
        .collect();
    eventually("every login has reached its hash", async || {
        (hashes(&stack).await == before + 4).then_some(())
    })
    .await;
    for process in stack.auth.iter().chain(&stack.gateways).chain(&stack.orders) {
        process.terminate();
    }
    for call in calls {
        call.await.unwrap().expect(200);
    }
    for process in stack.auth.iter_mut().chain(&mut stack.gateways).chain(&mut stack.orders) {
        assert!(process.ended().await.success());
    }
}

/// Passwords hashed, being hashed and waiting to be, in both auth services.
async fn hashes(stack: &Stack) -> u32 {
    let mut sum = 0;
    for replica in 0..2 {
        let metrics = stack.auth_admin(replica).get("/metrics").await.text();
        for name in ["auth_hashes_total ", "auth_hashes_running ", "auth_hash_queue_waiting "] {
            let value = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            sum += value.parse::<u32>().unwrap();
        }
    }
    sum
}
