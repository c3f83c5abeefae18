//! The servers of one upstream, as all cores and the main thread share them: which there are, and which are asked.
//!
//! Cores look at one number on every request and take the lock only when it has changed, or when something failed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::HeaderValue;
use tokio::sync::Notify;

use super::connect::Target;
use super::member::Member;
use super::standing::{Place, Standing, Thresholds};

/// So many unusable answers in a row eject a server. A refused connection does at once.
const MOST_FAULTS: u32 = 5;

/// A server as the configuration names it. Its name may stand for several addresses, each a server of its own.
#[derive(Debug)]
pub struct Origin {
    /// As written.
    pub name: String,
    /// Where connections go.
    pub target: Target,
    /// What goes into `Host`.
    pub host: HeaderValue,
}

/// What a server did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It takes no connections.
    Connect,
    /// The exchange broke, or it answered 502 or 504.
    Answer,
}

/// One server and what follows for requests.
#[derive(Debug, Clone)]
pub struct View {
    /// The server.
    pub member: Arc<Member>,
    /// Whether it is asked.
    pub place: Place,
    /// When it came back, if it did.
    pub(super) returned: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    origins: Vec<Origin>,
    generation: AtomicU64,
    entries: Mutex<Vec<Entry>>,
    retries: AtomicU64,
    exhausted: AtomicU64,
    unreachable: Notify,
}

#[derive(Debug)]
struct Entry {
    origin: usize,
    address: Option<SocketAddr>,
    member: Arc<Member>,
    standing: Standing,
}

impl Cluster {
    /// The servers of the upstream of that name. Names are not looked up here: until [`Cluster::resolved`] they are
    /// left to the system at every connection.
    pub fn new(name: &str, origins: Vec<Origin>) -> Self {
        let entry = |(index, origin): (usize, &Origin)| Entry::new(index, origin, None, Standing::default());
        let entries = origins.iter().enumerate().map(entry).collect();
        Self {
            name: name.to_owned(),
            origins,
            generation: AtomicU64::new(0),
            entries: Mutex::new(entries),
            retries: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
            unreachable: Notify::new(),
        }
    }

    /// The upstream's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As the configuration names them.
    pub(super) fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Changes whenever [`Cluster::view`] does.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// All servers.
    pub fn view(&self) -> Vec<View> {
        let view = |entry: &Entry| View {
            member: Arc::clone(&entry.member),
            place: entry.standing.place(),
            returned: entry.standing.returned(),
        };
        self.entries().iter().map(view).collect()
    }

    /// Requests that were sent a second time, and those that would have been, had the budget allowed it.
    pub fn retries(&self) -> (u64, u64) {
        (self.retries.load(Ordering::Relaxed), self.exhausted.load(Ordering::Relaxed))
    }

    /// A request is sent a second time, or the budget forbids it.
    pub(super) fn count_retry(&self, allowed: bool) {
        let counter = if allowed { &self.retries } else { &self.exhausted };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until a server could not be reached: its name may mean another address by now.
    pub(super) async fn somebody_is_unreachable(&self) {
        self.unreachable.notified().await;
    }

    /// A server did something wrong. It is passed over if enough others are left: one for a server that takes no
    /// connections; for one whose answers are bad half of all, because many are hardly ill at the same time by
    /// themselves, and the others would have to bear it.
    pub(super) fn failed(&self, member: &Arc<Member>, fault: Fault, now: Instant) {
        match fault {
            Fault::Connect => {
                member.connect_failures.fetch_add(1, Ordering::Relaxed);
                self.unreachable.notify_one();
            }
            Fault::Answer if member.one_more_fault() < MOST_FAULTS => return,
            Fault::Answer => {}
        }
        let mut entries = self.entries();
        let spare = entries.iter().filter(|entry| entry.standing.place() == Place::Spare).count();
        let others =
            |entry: &&Entry| entry.standing.place() == Place::Open && !Arc::ptr_eq(&entry.member, member);
        let is_spared = match fault {
            Fault::Connect => false,
            Fault::Answer => spare + 1 > entries.len() / 2,
        };
        if is_spared || !entries.iter().any(|entry| others(&entry)) {
            return;
        }
        if let Some(entry) = find(&mut entries, member).filter(|entry| entry.standing.place() == Place::Open)
        {
            entry.standing.eject(now);
            member.succeeded();
            member.ejections.fetch_add(1, Ordering::Relaxed);
            self.change();
            tracing::warn!(
                upstream = self.name,
                server = member.name(),
                address = member.address(),
                ?fault,
                "passed over"
            );
        }
    }

    /// A server that was passed over has answered.
    pub(super) fn readmit(&self, member: &Arc<Member>, now: Instant) {
        let mut entries = self.entries();
        if let Some(entry) = find(&mut entries, member).filter(|entry| entry.standing.place() == Place::Spare)
        {
            entry.standing.readmit(now);
            self.change();
        }
    }

    /// A check of a server was good or bad.
    pub(super) fn checked(&self, member: &Arc<Member>, good: bool, thresholds: Thresholds, now: Instant) {
        let mut entries = self.entries();
        if find(&mut entries, member).is_some_and(|entry| entry.standing.checked(good, thresholds, now)) {
            self.change();
            let (upstream, server, address) = (&self.name, member.name(), member.address());
            tracing::warn!(
                upstream,
                server,
                address,
                healthy = good,
                "the verdict of the checks has changed"
            );
        }
    }

    /// Time passed: ejections that are over end.
    pub fn tick(&self, now: Instant) {
        let mut changed = false;
        for entry in self.entries().iter_mut() {
            changed |= entry.standing.tick(now);
        }
        if changed {
            self.change();
        }
    }

    /// The name of an origin was looked up. Servers whose address is gone finish what they have; nothing found
    /// changes nothing.
    pub(super) fn resolved(&self, origin: usize, addresses: &[SocketAddr], now: Instant) {
        let Some(named) = self.origins.get(origin).filter(|_| !addresses.is_empty()) else { return };
        let mut entries = self.entries();
        let is_old = |entry: &Entry| {
            entry.origin == origin && !entry.address.is_some_and(|at| addresses.contains(&at))
        };
        let is_new = |at: &&SocketAddr| {
            !entries.iter().any(|entry| entry.origin == origin && entry.address == Some(**at))
        };
        let added: Vec<_> = addresses.iter().filter(is_new).copied().collect();
        if added.is_empty() && !entries.iter().any(is_old) {
            return;
        }
        let first_time = entries.iter().any(|entry| entry.origin == origin && entry.address.is_none());
        entries.retain(|entry| !is_old(entry));
        for address in added {
            let standing = if first_time { Standing::default() } else { Standing::newcomer(now) };
            entries.push(Entry::new(origin, named, Some(address), standing));
        }
        self.change();
        tracing::info!(
            upstream = self.name,
            server = named.name,
            ?addresses,
            "the name's addresses have changed"
        );
    }

    /// Whoever looks at the generation waits for the lock before it looks at the rest.
    fn change(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing that holds the lock leaves a list that is half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(index: usize, origin: &Origin, address: Option<SocketAddr>, standing: Standing) -> Self {
        let target = address.map_or_else(|| origin.target.clone(), |address| origin.target.at(address));
        let found = address.map(|address| address.to_string()).unwrap_or_default();
        let member = Arc::new(Member::new(target, origin.host.clone(), &origin.name, found));
        Self { origin: index, address, member, standing }
    }
}

fn find<'e>(entries: &'e mut [Entry], member: &Arc<Member>) -> Option<&'e mut Entry> {
    entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.member, member))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cluster(count: u16) -> Cluster {
        let origin = |port| Origin {
            name: format!("http://a:{port}"),
            target: Target::plain("a", port),
            host: HeaderValue::from_static("a"),
        };
        Cluster::new("orders", (1..=count).map(origin).collect())
    }

    fn places(cluster: &Cluster) -> Vec<Place> {
        cluster.view().iter().map(|view| view.place).collect()
    }

    fn addresses(cluster: &Cluster) -> Vec<String> {
        cluster.view().iter().map(|view| view.member.address().to_owned()).collect()
    }

    fn fails(cluster: &Cluster, index: usize, fault: Fault, times: usize) {
        let member = Arc::clone(&cluster.view()[index].member);
        (0..times).for_each(|_| cluster.failed(&member, fault, Instant::now()));
    }

    #[test]
    fn bad_answers_in_a_row_eject_half_at_most() {
        let four = cluster(4);
        fails(&four, 0, Fault::Answer, 4);
        four.view()[0].member.succeeded();
        fails(&four, 0, Fault::Answer, 4);
        assert_eq!(places(&four), [Place::Open; 4], "a good one came between");
        fails(&four, 0, Fault::Answer, 1);
        (1..4).for_each(|index| fails(&four, index, Fault::Answer, 20));
        assert_eq!(places(&four), [Place::Spare, Place::Spare, Place::Open, Place::Open]);
        assert_eq!(four.view()[0].member.ejections(), 1);
    }

    #[test]
    fn a_server_without_connections_goes_at_once_but_the_last_stays() {
        let three = cluster(3);
        (0..3).for_each(|index| fails(&three, index, Fault::Connect, 2));
        assert_eq!(places(&three), [Place::Spare, Place::Spare, Place::Open]);
        let before = three.generation();
        three.tick(Instant::now() + Duration::from_secs(3));
        assert_eq!(places(&three), [Place::Open; 3]);
        assert_ne!(three.generation(), before);
        fails(&cluster(1), 0, Fault::Connect, 1);
    }

    #[test]
    fn one_server_is_never_passed_over() {
        let one = cluster(1);
        fails(&one, 0, Fault::Connect, 10);
        fails(&one, 0, Fault::Answer, 10);
        assert_eq!(places(&one), [Place::Open]);
        assert_eq!(one.view()[0].member.connect_failures(), 10);
    }

    #[test]
    fn a_name_is_as_many_servers_as_it_has_addresses() {
        let two = cluster(2);
        let [a, b, c] =
            ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map(|text| text.parse::<SocketAddr>().unwrap());
        let now = Instant::now();
        two.resolved(0, &[], now);
        assert_eq!(addresses(&two), ["", ""], "nothing found changes nothing");
        two.resolved(0, &[a, b], now);
        assert_eq!(addresses(&two), ["", "10.0.0.1:80", "10.0.0.2:80"]);
        assert!(two.view().iter().all(|view| view.returned.is_none()), "all are new, so none must wait");
        let (kept, generation) = (Arc::clone(&two.view()[2].member), two.generation());
        two.resolved(0, &[b, a], now);
        assert_eq!(two.generation(), generation);
        two.resolved(0, &[b, c], now);
        assert_eq!(addresses(&two), ["", "10.0.0.2:80", "10.0.0.3:80"]);
        assert!(Arc::ptr_eq(&two.view()[1].member, &kept), "what is known of it stays known");
        assert!(two.view()[2].returned.is_some(), "a newcomer starts slowly");
        two.resolved(0, &[], now);
        assert_eq!(addresses(&two).len(), 3, "the last known stay");
    }
}
