//! Several servers, some of which fail: who is asked, who is passed over, and how they return.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use test_support::eventually;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::support::{Client, Gateway, GatewayProcess, Setup, Upstream, full};

/// Whether the metrics have this line.
async fn shows(gateway: &Gateway, line: &str) -> bool {
    gateway.metrics().await.lines().any(|found| found == line)
}

async fn until(gateway: &Gateway, line: &str) {
    eventually(line, async || shows(gateway, line).await.then_some(())).await;
}

/// The labels of a server of `orders` in the metrics.
fn labels(server: SocketAddr) -> String {
    format!("{{upstream=\"orders\",server=\"http://{server}\",address=\"\"}}")
}

fn up(server: SocketAddr) -> String {
    format!("gateway_upstream_server_up{}", labels(server))
}

#[tokio::test]
async fn a_server_that_fails_its_checks_gets_no_requests_until_it_passes_them() {
    let ill = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&ill);
    let answer = move |is_check: bool| {
        let mut answer = Response::new(full("seen"));
        if is_check && state.load(Ordering::SeqCst) {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        answer
    };
    let sick = Upstream::answering(move |seen| {
        let answer = answer(seen.uri == "/readyz?deep=1");
        async move { answer }
    })
    .await;
    let well = Upstream::telling().await;
    let requests = |server: &Upstream| server.seen().iter().filter(|seen| seen.uri == "/public").count();
    let health = "[upstreams.orders.health]\npath = \"/readyz?deep=1\"\ninterval = \"1s\"\nhealthy = 1\nunhealthy = 1\n";
    let servers = vec![sick.address, well.address];
    let gateway = Setup { servers, tables: health, ..Setup::default() }.start().await;

    ill.store(true, Ordering::SeqCst);
    until(&gateway, &format!("{} 0", up(sick.address))).await;
    let before = requests(&sick);
    for _ in 0..10 {
        assert_eq!(gateway.ask("GET /public", &[]).await.status, 200);
    }
    assert_eq!((requests(&sick), requests(&well)), (before, 10));
    let check = well.seen().into_iter().find(|seen| seen.uri != "/public").expect("a check");
    assert_eq!(check.values("host"), [well.address.to_string()]);
    assert!(
        check.values("signature").is_empty() && check.values("x-user-id").is_empty(),
        "it speaks for nobody"
    );

    ill.store(false, Ordering::SeqCst);
    until(&gateway, &format!("{} 1", up(sick.address))).await;
    eventually("it is asked again", async || {
        gateway.ask("GET /public", &[]).await;
        (requests(&sick) > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_known_of_servers_survives_a_reload_and_the_checks_go_on() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let well = Upstream::telling().await;
    let health =
        "[upstreams.orders.health]\npath = \"/readyz\"\ninterval = \"1s\"\nhealthy = 1\nunhealthy = 3\n";
    let more = format!("{health}[[routes]]\npath = \"/new\"\nupstream = \"orders\"\naccess = \"public\"\n");
    let servers = vec![dead, well.address];
    let gateway =
        GatewayProcess::start(&Setup { servers: servers.clone(), tables: health, ..Setup::default() }).await;
    let dead_is_up = async || gateway.metric(&up(dead)).await;
    eventually("its checks fail", async || (dead_is_up().await == 0).then_some(())).await;
    gateway.reload(&Setup { servers, tables: &more, ..Setup::default() }).await;
    assert_eq!(dead_is_up().await, 0, "a verdict that were lost would take three checks");
    let mut client = gateway.client().await;
    assert_eq!(client.ask("GET /new", &[]).await.status, 200);
    let returned = Mortal::born(dead).await;
    eventually("its checks pass", async || (dead_is_up().await == 1).then_some(())).await;
    returned.dies();
}

#[tokio::test]
async fn checks_may_go_to_another_port_and_without_a_healthy_server_nothing_is_sent() {
    let (orders, private) = (
        Upstream::telling().await,
        Upstream::answering(|_| async {
            let mut answer = Response::new(full("draining"));
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer
        })
        .await,
    );
    let health = format!(
        "[upstreams.orders.health]\npath = \"/readyz\"\nport = {}\ninterval = \"1s\"\nunhealthy = 2\n",
        private.address.port()
    );
    let gateway = Setup { tables: &health, ..Setup::of(&orders) }.start().await;
    until(&gateway, &format!("{} 0", up(orders.address))).await;
    let answer = gateway.ask("GET /public", &[]).await;
    answer.expect(503, "unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(orders.seen().is_empty() && private.seen().len() >= 2);
}

#[tokio::test]
async fn a_server_whose_answers_are_bad_is_passed_over_and_returns() {
    let bad = Upstream::answering(|_| async {
        let mut answer = Response::new(full("nobody there"));
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    })
    .await;
    let good = Upstream::telling().await;
    let gateway = Setup { servers: vec![bad.address, good.address], ..Setup::default() }.start().await;
    let mut client = gateway.client().await;
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(client.ask("GET /public", &[]).await.status);
    }
    assert_eq!(
        statuses.iter().filter(|&&status| status == 502).count(),
        5,
        "what a server says is passed on"
    );
    assert_eq!(bad.seen().len(), 5);
    assert!(shows(&gateway, &format!("gateway_upstream_server_ejected{} 1", labels(bad.address))).await);
    assert!(shows(&gateway, &format!("gateway_upstream_ejections_total{} 1", labels(bad.address))).await);
    until(&gateway, &format!("{} 1", up(bad.address))).await;
}

#[tokio::test]
async fn a_server_that_defends_itself_is_not_passed_over() {
    let busy = Upstream::answering(|_| async {
        let mut answer = Response::new(full("later"));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer
    })
    .await;
    let other = Upstream::telling().await;
    let gateway = Setup { servers: vec![busy.address, other.address], ..Setup::default() }.start().await;
    let mut client = gateway.client().await;
    for _ in 0..40 {
        client.ask("GET /public", &[]).await;
    }
    assert_eq!((busy.seen().len(), other.seen().len()), (20, 20));
}

#[tokio::test]
async fn what_is_sent_again_is_bounded() {
    // They read a request and close. Half of them is passed over in the end, and two are left to lose requests.
    let mut four = Vec::new();
    for _ in 0..4 {
        let reads = |mut stream: tokio::net::TcpStream| async move {
            let _ = stream.read(&mut [0; 4096]).await;
        };
        four.push(Upstream::raw(reads).await);
    }
    let servers = four.iter().map(|server| server.address).collect();
    let gateway = Setup { servers, ..Setup::default() }.start().await;
    // One connection is one core, and one core one budget.
    let mut client = gateway.client().await;
    for _ in 0..100 {
        client.ask("GET /public", &[]).await.expect(503, "answer_lost");
    }
    let metrics = gateway.metrics().await;
    let count = |result: &str| {
        let start = format!("gateway_upstream_retries_total{{upstream=\"orders\",result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse::<usize>().unwrap()
    };
    assert!((30..=40).contains(&count("made")), "{metrics}");
    assert!(count("refused") >= 50, "{metrics}");
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let orders = Upstream::telling().await;
    let port = orders.address.port();
    let server = format!("http://localhost:{port}");
    let tables = format!(
        "[upstreams.named]\nservers = [\"{server}\"]\n[[routes]]\npath = \"/named\"\nupstream = \"named\"\naccess = \"public\"\n"
    );
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    assert_eq!(gateway.ask("GET /named", &[]).await.status, 200);
    // The name may mean ::1 as well, where nobody listens: a server like any other, and passed over.
    let found = format!(
        "gateway_upstream_server_up{{upstream=\"named\",server=\"{server}\",address=\"127.0.0.1:{port}\"}} 1"
    );
    until(&gateway, &found).await;
    for _ in 0..10 {
        assert_eq!(gateway.ask("GET /named", &[]).await.status, 200);
    }
    assert_eq!(orders.last().values("host"), [format!("localhost:{port}")]);
}

#[tokio::test]
async fn a_server_may_listen_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(|request: Request<Incoming>| async move {
                let host = request.headers()["host"].to_str().unwrap().to_owned();
                Ok::<_, Infallible>(Response::new(full(host)))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let server = format!("unix:{}", path.display());
    let tables = format!(
        "[upstreams.named]\nservers = [\"{server}\"]\nhealth = {{ path = \"/\", interval = \"1s\" }}\n[[routes]]\npath = \"/named\"\nupstream = \"named\"\naccess = \"public\"\n"
    );
    let orders = Upstream::telling().await;
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        assert_eq!(client.ask("GET /named", &[]).await.body, b"localhost");
    }
    let up = format!("gateway_upstream_server_up{{upstream=\"named\",server=\"{server}\",address=\"\"}} 1");
    assert!(shows(&gateway, &up).await);
}

/// A server that can die like a process: all of its sockets at once.
struct Mortal {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    runtime: Runtime,
}

impl Mortal {
    async fn born(at: SocketAddr) -> Self {
        let birth = move || {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let listener = runtime.block_on(TcpListener::bind(at)).unwrap();
            let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
            runtime.spawn(serve(listener, Arc::clone(&asked)));
            Self { address, asked, runtime }
        };
        tokio::task::spawn_blocking(birth).await.unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn dies(self) {
        self.runtime.shutdown_background();
    }
}

async fn serve(listener: TcpListener, asked: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let asked = Arc::clone(&asked);
        let service = service_fn(move |_: Request<Incoming>| {
            asked.fetch_add(1, Ordering::SeqCst);
            async {
                // So that there is always something in flight.
                tokio::time::sleep(Duration::from_millis(3)).await;
                Ok::<_, Infallible>(Response::new(full("seen")))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

#[derive(Default)]
struct Load {
    over: AtomicBool,
    good: AtomicUsize,
    lost: AtomicUsize,
}

impl Load {
    async fn client(self: Arc<Self>, gateway: SocketAddr, line: &'static str) {
        let mut client = Client::connect(gateway).await;
        while !self.over.load(Ordering::SeqCst) {
            let answer = client.ask(line, &["Content-Length: 0"]).await;
            if answer.status == 200 {
                self.good.fetch_add(1, Ordering::SeqCst);
            } else {
                answer.expect(503, "answer_lost");
                self.lost.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    async fn until_good(&self, more: usize) {
        let wanted = self.good.load(Ordering::SeqCst) + more;
        eventually("requests succeed", async || (self.good.load(Ordering::SeqCst) >= wanted).then_some(()))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_dies_and_returns_under_load() {
    const CLIENTS: usize = 8;
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let (one, two) = (Mortal::born(anywhere).await, Mortal::born(anywhere).await);
    let address = two.address;
    let gateway = Setup { servers: vec![one.address, address], ..Setup::default() }.start().await;
    let (gets, posts) = (Arc::new(Load::default()), Arc::new(Load::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .flat_map(|_| [(&gets, "GET /public"), (&posts, "POST /public")])
        .map(|(load, line)| tokio::spawn(Arc::clone(load).client(gateway.address, line)))
        .collect();
    eventually("both are asked", async || (one.asked() > 200 && two.asked() > 200).then_some(())).await;

    two.dies();
    until(&gateway, &format!("{} 0", up(address))).await;
    gets.until_good(200).await;
    posts.until_good(200).await;

    let two = Mortal::born(address).await;
    eventually("it is asked again", async || (two.asked() > 50).then_some(())).await;
    for load in [&gets, &posts] {
        load.over.store(true, Ordering::SeqCst);
    }
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(gets.lost.load(Ordering::SeqCst), 0, "what asks for nothing to be done is asked elsewhere");
    // Those in flight at the kill; a client that repeats at once may meet another socket that is about to die.
    let lost = posts.lost.load(Ordering::SeqCst);
    assert!(lost <= 2 * CLIENTS, "{lost}");
    one.dies();
    two.dies();
}
