//! HTTP: one file per request of the API. A handler reads, asks a rule, lets `db/` write, and answers.
//!
//! axum lives here, in `routes` and in `error`; diesel does not.

pub mod admin_audit;
pub mod admin_second_factor;
pub mod admin_users;
pub mod bootstrap;
pub mod current_password;
pub mod current_session;
pub mod device;
pub mod document;
pub mod forgot;
pub mod jwks;
pub mod login;
pub mod login_challenge;
pub mod login_second_factor;
pub mod logout;
pub mod logout_all;
pub mod me;
pub mod no_store;
pub mod oauth;
pub mod optional_json;
pub mod origin;
pub mod password;
pub mod path_ids;
pub mod prepared;
pub mod presented_token;
pub mod refresh;
pub mod refresh_cookie;
pub mod refusal;
pub mod register;
pub mod reset;
pub mod revocations;
pub mod second_factor;
pub mod sessions;
pub mod steady;
pub mod throttling;
pub mod token_answer;
pub mod user_answer;
pub mod verify_email;
