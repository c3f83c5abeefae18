//! Requests that arrive together, at two replicas on one database.

use std::collections::HashSet;

use crate::app::{Answer, App, Caller, router, two_items};
use tokio::task::JoinSet;

/// The same caller at another replica.
fn elsewhere(app: &App, caller: &Caller) -> Caller {
    Caller::at(router(app.database.url()), caller.who.clone())
}

async fn all<F: Future<Output = Answer> + Send + 'static>(
    requests: impl IntoIterator<Item = F>,
) -> Vec<Answer> {
    requests.into_iter().collect::<JoinSet<_>>().join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_places_one_order() {
    let app = App::start().await;
    let ann = app.user("ann");
    let other = elsewhere(&app, &ann);
    let requests = (0..20).map(|at| {
        let caller = if at % 2 == 0 { ann.clone() } else { other.clone() };
        async move { caller.place_with_key("k1", &two_items()).await }
    });
    let answers = all(requests).await;
    let bodies: HashSet<String> =
        answers.into_iter().map(|answer| answer.expect(201).body.to_string()).collect();
    assert_eq!(bodies.len(), 1);
    assert_eq!(ann.get("/api/orders").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cancellation_wins() {
    let app = App::start().await;
    let ann = app.user("ann");
    let other = elsewhere(&app, &ann);
    let id = ann.place().await;
    let requests = (0..10).map(|at| {
        let (caller, id) = (if at % 2 == 0 { ann.clone() } else { other.clone() }, id.clone());
        async move { caller.cancel(&id).await }
    });
    let mut statuses: Vec<u16> = all(requests).await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|&status| status == 409), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_and_shipping_have_one_winner() {
    let app = App::start().await;
    let (ann, admin) = (app.user("ann"), app.admin());
    let admin = elsewhere(&app, &admin);
    for _ in 0..10 {
        let id = ann.place().await;
        admin.set_status(&id, "paid").await.expect(200);
        let (cancelled, shipped) = tokio::join!(ann.cancel(&id), admin.set_status(&id, "shipped"));
        let outcome = (cancelled.status.as_u16(), shipped.status.as_u16());
        let status = ann.get(&format!("/api/orders/{id}")).await.body["status"].clone();
        match outcome {
            (200, 409) => assert_eq!(status, "cancelled"),
            (409, 200) => assert_eq!(status, "shipped"),
            _ => panic!("{outcome:?}"),
        }
    }
}
