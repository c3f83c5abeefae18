//! The orders in PostgreSQL. diesel lives here and nowhere else; rows never leave this folder.

mod orders;
pub mod schema;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub use orders::Orders;

/// The migrations that this binary was built for.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/orders");
