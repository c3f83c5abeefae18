//! The stage for the stories: the service, a stand-in for the gateway, and the people who use both.

mod actor;
mod app;
mod authenticator;
mod gateway;
mod postgres_proxy;
mod reply;
mod service;
mod subscriber;
mod transfer;

pub(crate) use actor::Actor;
pub(crate) use app::{JWT_SECRET, PASSWORD, Replica, TestApp, email_of, migrated_database};
pub(crate) use authenticator::Authenticator;
pub(crate) use gateway::{Gateway, IDENTITY_KEY, Identity, sign};
pub(crate) use postgres_proxy::PostgresProxy;
pub(crate) use reply::Reply;
pub(crate) use service::{Environment, Service, command, complaint, environment, run, stdout};
pub(crate) use subscriber::{Events, FEED, Job, Subscriber};
pub(crate) use transfer::{count_users, import, line, lines};
