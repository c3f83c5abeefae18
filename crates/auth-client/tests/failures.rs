//! What the client makes of an auth service that is away, busy, slow, or something else altogether.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth_client::{CallError, Client, Introspection, Refusal, VerifyError};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use tokio::net::TcpListener;

const SECRET: &str = "portcullis_cs_of-billing";
/// RFC 8037, appendix A.2.
const KEY_SET: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPJHURo"}]}"#;

/// Something that listens where the auth service should.
struct StandIn {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl StandIn {
    /// `answer` is given the number of the request, from 0.
    async fn start(answer: impl Fn(usize) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let (listener, requests) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::<AtomicUsize>::default());
        let (address, counted) = (listener.local_addr().unwrap(), Arc::clone(&requests));
        let router = Router::new().fallback(move |request: Request| {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            // Read to the end, as a server would.
            let answer = answer(number);
            async move {
                axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
                answer
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, requests }
    }

    fn client(&self) -> Client {
        client(self.address)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn client(address: SocketAddr) -> Client {
    let builder = Client::builder(format!("http://{address}"), "billing", SECRET);
    builder.timeout(Duration::from_secs(2)).build().unwrap()
}

fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<Body> {
    let response = headers
        .iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
    response.body(Body::from(body)).unwrap()
}

const TOKEN: &str = r#"{"access_token":"t","token_type":"Bearer","expires_in":900}"#;

#[tokio::test]
async fn a_service_that_says_when_to_come_back_is_asked_again() {
    let busy_once = StandIn::start(|number| match number {
        0 => answer(503, &[("retry-after", "0")], ""),
        _ => answer(200, &[], TOKEN),
    });
    let busy_once = busy_once.await;
    assert_eq!(busy_once.client().token().await.unwrap().expose(), "t");
    assert_eq!(busy_once.requests(), 2);

    let busy = StandIn::start(|_| answer(503, &[("retry-after", "0")], "")).await;
    busy.client().token().await.unwrap_err();
    assert_eq!(busy.requests(), 3, "two retries");
}

#[tokio::test]
async fn what_will_not_help_is_not_repeated() {
    for (status, headers, body, check) in [
        (503, &[("retry-after", "60")][..], "", "unavailable 60"),
        (503, &[], "", "unavailable"),
        (429, &[("retry-after", "1")], r#"{"error":"temporarily_unavailable"}"#, "unavailable 1"),
        (401, &[], r#"{"error":"invalid_client","error_description":"no"}"#, "refused invalid_client"),
        (500, &[], r#"{"error":"server_error"}"#, "refused server_error"),
        (502, &[], "<html>", "unexpected 502"),
        (504, &[], r#"{"error":"timeout"}"#, "refused timeout"),
        (307, &[("location", "http://127.0.0.1:1/")], "", "unexpected 307"),
        (200, &[], "<html>", "unexpected 200"),
        (200, &[], "{}", "unexpected 200"),
    ] {
        let stand_in = StandIn::start(move |_| answer(status, headers, body)).await;
        let client = stand_in.client();
        let error = client.token().await.unwrap_err();
        let told = match &error {
            CallError::Unavailable { retry_after: Some(wait), .. } => {
                format!("unavailable {}", wait.as_secs())
            }
            CallError::Unavailable { .. } => "unavailable".to_owned(),
            CallError::Refused { error, .. } => format!("refused {error}"),
            CallError::Unexpected { status } => format!("unexpected {status}"),
            other => format!("{other:?}"),
        };
        assert_eq!(told, check, "{status} {body}");
        assert_eq!(error.is_temporary(), matches!(status, 429 | 502..=504), "{status}");
        // Nor does everybody who asks right after make a request.
        client.token().await.unwrap_err();
        assert_eq!(stand_in.requests(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_temporary_and_show_no_secret() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let builder = Client::builder(format!("http://{address}"), "billing", SECRET);
        let client = builder.timeout(Duration::from_millis(200)).build().unwrap();
        let error = client.token().await.unwrap_err();
        assert!(error.is_temporary() && matches!(error, CallError::Unreachable(_)), "{error:?}");
        let introspected = client.introspect("a.secret.token").await.unwrap_err();
        let shown = format!("{error:?} {error} {introspected:?} {client:?}");
        assert!(!shown.contains("portcullis_cs") && !shown.contains("a.secret.token"), "{shown}");
    }
}

#[tokio::test]
async fn a_hundred_callers_make_one_request() {
    let stand_in = StandIn::start(|_| answer(200, &[], TOKEN)).await;
    let client = stand_in.client();
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.token().await.unwrap() })
        })
        .collect();
    for token in asked {
        assert_eq!(token.await.unwrap().expose(), "t");
    }
    assert_eq!(stand_in.requests(), 1);
}

#[tokio::test]
async fn keys_are_fetched_once_and_once_more_for_a_key_that_is_not_there() {
    let stand_in = StandIn::start(|_| answer(200, &[("cache-control", "max-age=300")], KEY_SET)).await;
    let verifier = stand_in.client().verifier("https://issuer", "portcullis");
    // {"alg":"EdDSA","typ":"at+jwt","kid":"a"} and then "b".
    let known = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImEifQ.e30.AAAA";
    let unknown = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImIifQ.e30.AAAA";
    for _ in 0..3 {
        let refused = verifier.verify(known).await.unwrap_err();
        assert!(matches!(refused, VerifyError::Refused(Refusal::WrongSignature)), "{refused:?}");
    }
    assert_eq!(stand_in.requests(), 1);
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(unknown).await.unwrap_err() })
        })
        .collect();
    for refused in asked {
        let refused = refused.await.unwrap();
        assert!(matches!(refused, VerifyError::Refused(Refusal::UnknownKey { .. })), "{refused:?}");
    }
    let requests = stand_in.requests();
    assert!((1..=2).contains(&requests), "{requests}");
}

#[tokio::test]
async fn while_there_are_no_keys_callers_do_not_queue_for_a_fetch_each() {
    let stand_in = StandIn::start(|_| answer(200, &[], r#"{"keys":[]}"#)).await;
    let verifier = stand_in.client().verifier("https://issuer", "portcullis");
    let token = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImEifQ.e30.AAAA";
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(token).await.unwrap_err() })
        })
        .collect();
    for refused in asked {
        assert!(matches!(refused.await.unwrap(), VerifyError::NoKeys(CallError::Keys(_))));
    }
    let requests = stand_in.requests();
    assert!((1..=2).contains(&requests), "{requests}");
}

#[tokio::test]
async fn keys_that_were_fetched_outlive_a_service_that_is_away() {
    let stand_in = StandIn::start(|number| match number {
        0 => answer(200, &[("cache-control", "no-store")], KEY_SET),
        _ => answer(StatusCode::BAD_GATEWAY.as_u16(), &[], ""),
    });
    let stand_in = stand_in.await;
    let verifier = stand_in.client().verifier("https://issuer", "portcullis");
    let unknown = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImIifQ.e30.AAAA";
    for _ in 0..2 {
        let refused = verifier.verify(unknown).await.unwrap_err();
        assert!(matches!(refused, VerifyError::Refused(Refusal::UnknownKey { .. })), "{refused:?}");
    }
    let none = StandIn::start(|_| answer(200, &[], r#"{"keys":[]}"#)).await;
    let nothing = none.client().verifier("https://issuer", "portcullis").verify(unknown).await.unwrap_err();
    assert!(matches!(nothing, VerifyError::NoKeys(CallError::Keys(_))), "{nothing:?}");
}

#[tokio::test]
async fn an_active_token_is_only_what_it_says_it_is() {
    for (body, is_access, is_refresh) in [
        (
            r#"{"active":true,"token_type":"Bearer","sub":"u","client_id":"portcullis","sid":"s"}"#,
            true,
            false,
        ),
        (r#"{"active":true,"token_type":"refresh_token","sub":"u"}"#, false, true),
        (r#"{"active":true,"token_type":"n_a","sub":"u"}"#, false, false),
        (r#"{"active":true,"sub":"u"}"#, false, false),
        (r#"{"active":true,"token_type":"Bearer"}"#, false, false),
        (r#"{"active":false}"#, false, false),
        (r#"{"active":false,"token_type":"Bearer","sub":"u"}"#, false, false),
    ] {
        let stand_in = StandIn::start(move |_| answer(200, &[], body)).await;
        let told = stand_in.client().introspect("t").await.unwrap();
        assert_eq!(matches!(told, Introspection::AccessToken(_)), is_access, "{body}");
        assert_eq!(matches!(told, Introspection::RefreshToken(_)), is_refresh, "{body}");
    }
}
