//! An import: each batch of lines is one transaction, which is there whole or not at all.

use std::collections::HashSet;

use database::{Database, Error};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use super::insert::{Insert, Newcomer};
use super::known::{Known, KnownRow};
use super::{PATIENCE, Table};
use crate::accounts::Role;
use crate::accounts::transfer::{Arrival, Outcome};
use crate::db::audit::{self, Event, Kind};
use crate::db::schema::demo_accounts;
use crate::sessions::Device;

/// The first and the last line of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineNumbers {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// An import that has begun.
pub struct Import<'a> {
    database: &'a Database,
    device: Device,
    /// Ties together what the audit trail says of its batches.
    id: Uuid,
    is_rehearsal: bool,
}

const REHEARSAL: [&str; 3] = [
    "CREATE TEMPORARY TABLE rehearsed_users (LIKE users INCLUDING DEFAULTS)",
    "ALTER TABLE pg_temp.rehearsed_users ADD PRIMARY KEY (id)",
    "ALTER TABLE pg_temp.rehearsed_users ADD UNIQUE (email)",
];

impl<'a> Import<'a> {
    /// Begins one, or a rehearsal, of which nothing stays. `database` has one connection and leads past any pooler: what is
    /// rehearsed is remembered by the session, and by no process.
    ///
    /// # Errors
    /// [`Error`] when the database is away or fails.
    pub async fn begin(database: &'a Database, is_rehearsal: bool) -> Result<Self, Error> {
        if is_rehearsal {
            database
                .run(async |connection| {
                    for statement in REHEARSAL {
                        diesel::sql_query(statement).execute(connection).await?;
                    }
                    Ok(())
                })
                .await?;
        }
        Ok(Self { database, device: Device::default(), id: Uuid::now_v7(), is_rehearsal })
    }

    /// What becomes of each of these lines, as if they came one after the other.
    ///
    /// # Errors
    /// [`Error`] when the database is away or fails: then nothing became of any of them.
    pub async fn batch(&self, lines: LineNumbers, arrivals: &[Arrival]) -> Result<Vec<Outcome>, Error> {
        let newcomers: Vec<_> = arrivals.iter().map(Newcomer::new).collect();
        self.database
            .run(async |connection| {
                connection
                    .build_transaction()
                    .read_committed()
                    .run(async |connection| {
                        diesel::sql_query(PATIENCE).execute(connection).await?;
                        let outcomes = self.settle(connection, &newcomers).await?;
                        if !self.is_rehearsal {
                            self.mark(connection, lines, &newcomers, &outcomes).await?;
                        }
                        QueryResult::Ok(outcomes)
                    })
                    .await
            })
            .await
    }

    async fn settle(
        &self,
        connection: &mut AsyncPgConnection,
        newcomers: &[Newcomer<'_>],
    ) -> QueryResult<Vec<Outcome>> {
        let mut settling = Settling::new(newcomers);
        if self.is_rehearsal {
            settling.compare(connection, Table::Users).await?;
        }
        let table = if self.is_rehearsal { Table::Rehearsal } else { Table::Users };
        // An account that stood in the way may be deleted before it is looked at; then the line has another turn.
        while settling.is_open() {
            settling.insert(connection, table).await?;
            settling.compare(connection, table).await?;
        }
        Ok(settling.outcomes.into_iter().flatten().collect())
    }

    /// Writes what goes with the accounts that were made.
    async fn mark(
        &self,
        connection: &mut AsyncPgConnection,
        lines: LineNumbers,
        newcomers: &[Newcomer<'_>],
        outcomes: &[Outcome],
    ) -> QueryResult<()> {
        let pairs = newcomers.iter().zip(outcomes);
        let made =
            pairs.filter_map(|(newcomer, outcome)| (*outcome == Outcome::Imported).then_some(newcomer));
        let made: Vec<_> = made.collect();
        if made.is_empty() {
            return Ok(());
        }
        mark_demo(connection, &made).await?;
        for admin in made.iter().filter(|newcomer| newcomer.role() == Role::Admin) {
            let detail = json!({"by": "operator", "import": self.id, "role": Role::Admin});
            let event = Event { user: Some(admin.id), ..self.event(Kind::AccountCreated, detail) };
            audit::insert(connection, &event).await?;
        }
        let lines = json!({"from": lines.from, "to": lines.to});
        let detail = json!({"by": "operator", "import": self.id, "lines": lines, "accounts": made.len()});
        audit::insert(connection, &self.event(Kind::AccountsImported, detail)).await
    }

    fn event(&self, kind: Kind, detail: Value) -> Event<'_> {
        Event { kind, user: None, session: None, actor: None, device: &self.device, detail }
    }
}

async fn mark_demo(connection: &mut AsyncPgConnection, made: &[&Newcomer<'_>]) -> QueryResult<()> {
    let demo = made.iter().filter(|newcomer| newcomer.arrival.demo);
    let demo: Vec<_> = demo.map(|newcomer| demo_accounts::user_id.eq(newcomer.id.0)).collect();
    if !demo.is_empty() {
        diesel::insert_into(demo_accounts::table).values(demo).execute(connection).await?;
    }
    Ok(())
}

/// A batch of which some lines are settled.
struct Settling<'a> {
    newcomers: &'a [Newcomer<'a>],
    outcomes: Vec<Option<Outcome>>,
}

impl<'a> Settling<'a> {
    fn new(newcomers: &'a [Newcomer<'a>]) -> Self {
        Self { newcomers, outcomes: vec![None; newcomers.len()] }
    }

    fn is_open(&self) -> bool {
        self.outcomes.iter().any(Option::is_none)
    }

    fn open(&self) -> impl Iterator<Item = (usize, &'a Newcomer<'a>)> {
        let lines = self.newcomers.iter().enumerate().zip(&self.outcomes);
        lines.filter_map(|(line, outcome)| outcome.is_none().then_some(line))
    }

    /// Makes accounts of what is open, the first of each address and id.
    async fn insert(&mut self, connection: &mut AsyncPgConnection, table: Table) -> QueryResult<()> {
        let (mut emails, mut ids) = (HashSet::new(), HashSet::new());
        let first: Vec<_> = self
            .open()
            // Both are taken, also when one of them was there: the line may still become an account, in a later turn.
            .filter(|(_, newcomer)| emails.insert(newcomer.arrival.email.as_str()) & ids.insert(newcomer.id))
            .collect();
        let rows: Vec<_> = first.iter().map(|(_, newcomer)| *newcomer).collect();
        let made: Vec<(Uuid,)> = Insert::new(table, &rows).load(connection).await?;
        let made: HashSet<_> = made.into_iter().map(|(id,)| id).collect();
        for (place, newcomer) in first {
            if made.contains(&newcomer.id.0) {
                self.outcomes[place] = Some(Outcome::Imported);
            }
        }
        Ok(())
    }

    /// Compares what is open with the accounts of the same addresses and ids.
    async fn compare(&mut self, connection: &mut AsyncPgConnection, table: Table) -> QueryResult<()> {
        let places = self
            .open()
            .filter_map(|(place, newcomer)| i32::try_from(place).ok().map(|place| (place, newcomer.arrival)));
        let known = Known::new(table, places);
        for row in known.load::<KnownRow>(connection).await? {
            let Ok(place) = usize::try_from(row.place) else { continue };
            let outcome = Outcome::beside(self.newcomers[place].arrival, &row.existing());
            // An account of the same address says more than one of the same id, and both may be there.
            if outcome != Outcome::IdTaken || self.outcomes[place].is_none() {
                self.outcomes[place] = Some(outcome);
            }
        }
        Ok(())
    }
}
