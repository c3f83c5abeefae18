//! `users`: accounts, for whoever runs the service. The rules and the statements are those of
//! `/api/admin/users`, but for the two resets, and for import and export, which have their own.

mod change;
mod create;
mod export;
mod import;
mod list;
mod new_file;
mod printed;
mod reset_link;
mod reset_second_factor;
mod show;

use std::io::{Write as _, stderr};
use std::process::ExitCode;
use std::time::Duration;

use database::Database;
use process::Settings;

use crate::accounts::search::Handle;
use crate::cli::{AccountCommand, UsersCommand};
use crate::config::{CommandConfig, ResetLinkConfig};
use crate::db::administration::{self, By, Mandate, NotDone};
use crate::db::notifications::{self, Replica};
use crate::db::users::User;
use crate::sessions::{Device, SessionPolicy};

/// No client waits for a command.
const DEADLINE: Duration = Duration::from_secs(30);

/// There is no such account.
const NO_SUCH_USER: u8 = 3;
/// It may not be: the address is taken, or nobody would be left to administer anything.
const REFUSED: u8 = 4;

/// Does what was asked. 3: there is no such account; 4: a rule is against it, or against a line of what is imported.
///
/// # Errors
/// Anything else: what was given is not acceptable, or the database is away.
pub async fn run(settings: Settings, command: UsersCommand) -> anyhow::Result<ExitCode> {
    let error = match dispatch(settings, command).await {
        Ok(code) => return Ok(code),
        Err(error) => error,
    };
    let code = match error.downcast_ref() {
        Some(NotDone::NoSuchUser) => NO_SUCH_USER,
        Some(NotDone::LastAdmin(_) | NotDone::EmailTaken) => REFUSED,
        Some(NotDone::NotAsked | NotDone::Database(_)) | None => return Err(error),
    };
    writeln!(stderr(), "Error: {error}")?;
    Ok(ExitCode::from(code))
}

async fn dispatch(settings: Settings, command: UsersCommand) -> anyhow::Result<ExitCode> {
    // The only one that needs to know where the frontend is.
    let command = match command {
        UsersCommand::ResetLink { email } => {
            reset_link::reset_link(&ResetLinkConfig::read(settings)?, &email).await?;
            return Ok(ExitCode::SUCCESS);
        }
        UsersCommand::Account(command) => command,
    };
    let config = CommandConfig::read(settings)?;
    let operator = Operator::new(&config)?;
    match command {
        AccountCommand::Import(accounts) => return Box::pin(import::import(&config, &accounts)).await,
        AccountCommand::Export(accounts) => export::export(&config, &accounts).await,
        AccountCommand::Create(account) => create::create(&operator, config.cost, &account).await,
        AccountCommand::List(accounts) => list::list(&operator, accounts).await,
        AccountCommand::Show(account) => show::show(&operator, &account).await,
        AccountCommand::SetRole { account, role } => change::set_role(&operator, &account, role).await,
        AccountCommand::Disable(account) => change::disable(&operator, &account).await,
        AccountCommand::Enable(account) => change::enable(&operator, &account).await,
        AccountCommand::Delete(account) => change::delete(&operator, &account).await,
        AccountCommand::ResetSecondFactor(account) => {
            reset_second_factor::reset_second_factor(&operator, &account).await
        }
        AccountCommand::EndSessions(account) => change::end_sessions(&operator, &account).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever runs the service, at the database.
struct Operator {
    database: Database,
    device: Device,
    policy: SessionPolicy,
}

impl Operator {
    fn new(config: &CommandConfig) -> anyhow::Result<Self> {
        let database = Database::new(&config.database.url, 1)?.with_deadline(DEADLINE);
        Ok(Self { database, device: Device::default(), policy: config.sessions })
    }

    const fn mandate(&self) -> Mandate<'_> {
        Mandate { by: By::Operator, device: &self.device, policy: &self.policy }
    }

    async fn find(&self, handle: &Handle) -> Result<User, NotDone> {
        administration::find_account(&self.database, handle).await?.ok_or(NotDone::NoSuchUser)
    }

    /// Lost, it costs a second: every replica also looks by itself.
    async fn tell_replicas(&self) {
        let _told = notifications::notify(&self.database, Replica::new()).await;
    }
}
