//! The first administrator.

use serde_json::json;
use system_tests::{PASSWORD, Stack};

pub(crate) fn token(lines: &[String]) -> Option<String> {
    let after = |line: &String| line.split_once("bootstrap token: ").map(|(_, rest)| rest.to_owned());
    let rest = lines.iter().find_map(after)?;
    Some(rest.split(|c: char| c == '"' || c.is_whitespace()).next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_printed_at_start_makes_one_administrator() {
    let stack = Stack::start().await;
    // Two replicas started: the token of the later one is the one that counts.
    let tokens: Vec<_> = stack.auth.iter().filter_map(|process| token(&process.lines())).collect();
    assert!(!tokens.is_empty(), "{:?}", stack.auth[0].lines());
    let visitor = stack.visitor();
    let ask = |token: &str, name: &str| json!({"token": token, "email": format!("{name}@shop.example"), "password": PASSWORD});
    let wrong = visitor.post("/api/auth/bootstrap", &ask("wrong", "thief")).await.expect(403);
    assert_eq!(wrong.code(), "invalid_bootstrap_token");

    let mut made = 0;
    for attempt in 0..10 {
        for token in &tokens {
            let answer = visitor.post("/api/auth/bootstrap", &ask(token, &format!("boss{attempt}"))).await;
            made += usize::from(answer.status == 201);
        }
    }
    assert_eq!(made, 1);
    visitor.post("/api/auth/bootstrap", &ask(&tokens[0], "late")).await.expect(404);
    visitor.post("/api/auth/bootstrap", &ask("wrong", "late")).await.expect(404);
}
