//! Where passwords are hashed: a few threads of their own, at low priority, behind a queue that refuses what it could not
//! serve in time.
//!
//! A hash takes a quarter of a second of a whole core. On the runtime, or on its blocking pool, a burst of logins would
//! hold up every refresh; here it holds up only other passwords.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

use super::hash_shares::{Purpose, Shares};
use super::password_hash::{Cost, PasswordHash};

/// How the threads are set up.
#[derive(Debug, Clone, Copy)]
pub struct HashThreadsOptions {
    /// How many threads hash.
    pub threads: usize,
    /// What one hash will cost, for the first estimate.
    pub cost: Cost,
    /// The longest wait that is accepted.
    pub deadline: Duration,
}

/// The threads and their queue. Cloning shares them; they end with the last clone.
#[derive(Clone)]
pub struct HashThreads {
    queue: Arc<Queue>,
    // Dropped last of all clones; tells the threads to end.
    _guard: Arc<CloseOnDrop>,
}

/// The queue is longer than anybody wants to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("passwords are hashed as fast as this server can")]
pub struct Overloaded {
    /// When trying again is worth it.
    pub retry_after: Duration,
}

/// What happens in the queue, counted.
#[derive(Clone, Default)]
struct Metrics {
    waiting: Gauge,
    running: Gauge,
    done: Counter,
    refused: Counter,
    abandoned: Counter,
}

struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    threads: u32,
    deadline: Duration,
    metrics: Metrics,
}

struct State {
    jobs: Shares<Job>,
    running: u32,
    /// How long one job takes, smoothed.
    estimate: Duration,
    closed: bool,
}

/// Hashes, unless nobody waits for the answer any more.
struct Job {
    work: Box<dyn FnOnce() + Send>,
    is_abandoned: Box<dyn Fn() -> bool + Send>,
}

impl HashThreads {
    /// Starts the threads.
    pub fn start(options: HashThreadsOptions) -> io::Result<Self> {
        let threads = options.threads.max(1);
        let queue = Arc::new(Queue {
            state: Mutex::new(State {
                jobs: Shares::new(),
                running: 0,
                estimate: first_estimate(options.cost),
                closed: false,
            }),
            arrived: Condvar::new(),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            deadline: options.deadline,
            metrics: Metrics::default(),
        });
        let guard = Arc::new(CloseOnDrop(Arc::clone(&queue)));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || {
                lower_priority();
                queue.work_until_closed();
            })?;
        }
        Ok(Self { queue, _guard: guard })
    }

    /// Refuses at once what [`HashThreads::run`] would refuse: asked before anything else is done for a password.
    pub fn check(&self, purpose: Purpose) -> Result<(), Overloaded> {
        let mut state = lock(&self.queue.state);
        self.queue.refuse_long_wait(&mut state, purpose)
    }

    /// Runs `work` on one of the threads, or refuses at once when its turn would come too late.
    ///
    /// Dropping the future takes the job out of the queue. A panic of `work` comes out here and costs no thread.
    pub async fn run<T: Send + 'static>(
        &self,
        purpose: Purpose,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (sender, receiver) = oneshot::channel();
        let sender = Arc::new(Mutex::new(Some(sender)));
        let watched = Arc::clone(&sender);
        let job = Job {
            work: Box::new(move || {
                let answer = catch_unwind(AssertUnwindSafe(work));
                if let Some(sender) = lock(&sender).take() {
                    // Nobody waits any more: the answer is of no use, and that is no error.
                    drop(sender.send(answer));
                }
            }),
            is_abandoned: Box::new(move || lock(&watched).as_ref().is_none_or(oneshot::Sender::is_closed)),
        };
        self.queue.admit(purpose, job)?;
        // The sender goes unanswered only when the threads end, which a request in flight outlives at shutdown alone.
        let answer = receiver.await.map_err(|_ended| Overloaded { retry_after: self.queue.deadline })?;
        Ok(answer.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Makes the queue visible to `registry`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let metrics = &self.queue.metrics;
        registry.register("hash_queue_waiting", "Passwords waiting to be hashed", metrics.waiting.clone());
        registry.register("hashes_running", "Passwords being hashed now", metrics.running.clone());
        registry.register("hashes", "Passwords hashed or compared", metrics.done.clone());
        registry.register(
            "hashes_refused",
            "Passwords not hashed because the wait was too long",
            metrics.refused.clone(),
        );
        registry.register(
            "hashes_abandoned",
            "Passwords not hashed because their client had gone",
            metrics.abandoned.clone(),
        );
    }
}

impl Queue {
    fn admit(&self, purpose: Purpose, job: Job) -> Result<(), Overloaded> {
        let mut state = lock(&self.state);
        self.refuse_long_wait(&mut state, purpose)?;
        state.jobs.push(purpose, job);
        self.show_length(&state);
        self.arrived.notify_one();
        Ok(())
    }

    fn refuse_long_wait(&self, state: &mut State, purpose: Purpose) -> Result<(), Overloaded> {
        self.forget_abandoned(state);
        let wait = state.estimated_wait(purpose, self.threads);
        if wait > self.deadline {
            self.metrics.refused.inc();
            return Err(Overloaded { retry_after: wait });
        }
        Ok(())
    }

    fn work_until_closed(&self) {
        while let Some(job) = self.next() {
            let begun = Instant::now();
            (job.work)();
            self.finished(begun.elapsed());
        }
    }

    /// The next job that somebody still waits for; `None` once the queue is closed.
    fn next(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return None;
            }
            self.forget_abandoned(&mut state);
            if let Some(job) = state.jobs.pop() {
                state.running += 1;
                self.metrics.running.inc();
                self.show_length(&state);
                return Some(job);
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finished(&self, took: Duration) {
        let mut state = lock(&self.state);
        state.running -= 1;
        self.metrics.running.dec();
        state.estimate = (state.estimate * 7 + took) / 8;
        self.metrics.done.inc();
    }

    fn forget_abandoned(&self, state: &mut State) {
        let before = state.jobs.len();
        state.jobs.retain(|job| !(job.is_abandoned)());
        self.metrics.abandoned.inc_by((before - state.jobs.len()) as u64);
        self.show_length(state);
    }

    fn show_length(&self, state: &State) {
        self.metrics.waiting.set(i64::try_from(state.jobs.len()).unwrap_or(i64::MAX));
    }
}

impl State {
    /// How long a job that arrives now would wait for a thread.
    fn estimated_wait(&self, purpose: Purpose, threads: u32) -> Duration {
        let waiting = u32::try_from(self.jobs.ahead_of(purpose)).unwrap_or(u32::MAX);
        let in_front = waiting.saturating_add(self.running).saturating_add(1).saturating_sub(threads);
        self.estimate.saturating_mul(in_front) / threads
    }
}

struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        lock(&self.0.state).closed = true;
        self.0.arrived.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures the cheapest hash, a millisecond, and scales: the queue knows its speed before its first job.
fn first_estimate(cost: Cost) -> Duration {
    let begun = Instant::now();
    drop(PasswordHash::of("as good as any other", Cost::LEAST));
    begun.elapsed().saturating_mul(1 << (cost.get() - Cost::LEAST.get()))
}

/// Nice 10: enough that a refresh runs first, not so much that logins starve under a flood of refreshes (19 did).
#[cfg(target_os = "linux")]
fn lower_priority() {
    // On Linux the niceness belongs to the thread, whatever POSIX says. Where it is not allowed hashing works all the same.
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10) {
        tracing::warn!(%error, "the hash threads run at normal priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn one_thread(deadline: Duration) -> HashThreads {
        HashThreads::start(HashThreadsOptions { threads: 1, cost: Cost::LEAST, deadline }).unwrap()
    }

    /// Occupies the only thread until the returned sender is dropped.
    async fn occupy(threads: &HashThreads) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        let (started, begun) = oneshot::channel();
        let threads = threads.clone();
        tokio::spawn(async move {
            threads
                .run(Purpose::Login, move || {
                    started.send(()).unwrap();
                    held.recv().unwrap_err();
                })
                .await
        });
        begun.await.unwrap();
        release
    }

    #[tokio::test]
    async fn work_runs_on_a_named_thread_and_its_answer_comes_back() {
        let threads = one_thread(Duration::from_secs(2));
        let name = threads.run(Purpose::Login, || thread::current().name().map(str::to_owned)).await.unwrap();
        assert_eq!(name.as_deref(), Some("hash-0"));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_gives_way_to_everything_else() {
        let threads = one_thread(Duration::from_secs(2));
        let nice = threads
            .run(Purpose::Login, || rustix::process::getpriority_process(Some(rustix::thread::gettid())))
            .await
            .unwrap();
        assert_eq!(nice, Ok(10));
    }

    #[tokio::test]
    async fn what_would_wait_too_long_is_refused_at_once() {
        let threads = one_thread(Duration::ZERO);
        let release = occupy(&threads).await;
        let refused = threads.run(Purpose::Login, || ()).await.unwrap_err();
        assert!(refused.retry_after > Duration::ZERO);
        drop(release);
    }

    #[tokio::test]
    async fn a_client_that_has_gone_costs_nothing() {
        let threads = one_thread(Duration::from_secs(60));
        let release = occupy(&threads).await;
        let (touched, untouched) = mpsc::channel::<()>();
        {
            let waiting = threads.run(Purpose::Login, move || touched.send(()));
            tokio::select! {
                biased;
                _ = waiting => panic!("the thread was occupied"),
                () = std::future::ready(()) => {}
            }
        }
        drop(release);
        threads.run(Purpose::Login, || ()).await.unwrap();
        assert!(untouched.recv().is_err(), "the abandoned job ran");
    }

    #[tokio::test]
    async fn a_panic_costs_no_thread() {
        let threads = one_thread(Duration::from_secs(2));
        let panicking = threads.clone();
        let panicked =
            tokio::spawn(async move { panicking.run(Purpose::Login, || panic!("on purpose")).await });
        assert!(panicked.await.unwrap_err().is_panic());
        threads.run(Purpose::Login, || ()).await.unwrap();
    }

    #[test]
    fn the_wait_grows_with_what_is_ahead() {
        let second = Duration::from_secs(1);
        let mut state = State { jobs: Shares::new(), running: 0, estimate: second, closed: false };
        let wait = |state: &State| state.estimated_wait(Purpose::Login, 2);
        assert_eq!(wait(&state), Duration::ZERO);
        state.running = 1;
        assert_eq!(wait(&state), Duration::ZERO);
        state.running = 2;
        assert_eq!(wait(&state), second / 2);
        state.jobs.push(Purpose::Login, Job { work: Box::new(|| ()), is_abandoned: Box::new(|| false) });
        assert_eq!(wait(&state), second);
    }
}
