//! The tables as the migrations leave them; a test holds the two together.

diesel::table! {
    users (id) {
        id -> Uuid,
        email -> Text,
        password_hash -> Text,
        role -> Text,
        status -> Text,
        epoch -> Int4,
        created_at -> Timestamptz,
        email_verified_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        generation -> Int8,
        rotated_at -> Timestamptz,
        epoch -> Int4,
        nonce_hash -> Bytea,
        delivery -> Text,
        amr -> Array<Text>,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        ended_at -> Nullable<Timestamptz>,
        ended_reason -> Nullable<Text>,
    }
}

diesel::table! {
    clients (id) {
        id -> Text,
        secret_hash -> Bytea,
        previous_secret_hash -> Nullable<Bytea>,
        previous_until -> Nullable<Timestamptz>,
        scopes -> Array<Text>,
        epoch -> Int4,
        created_at -> Timestamptz,
        rotated_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        created_at -> Timestamptz,
        signs_from -> Timestamptz,
        secret_id -> Bytea,
        sealed -> Bytea,
        token_seconds -> Int4,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Uuid,
        at -> Timestamptz,
        kind -> Text,
        user_id -> Nullable<Uuid>,
        session_id -> Nullable<Uuid>,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        detail -> Jsonb,
        actor_id -> Nullable<Uuid>,
        request_id -> Nullable<Text>,
    }
}

diesel::table! {
    bootstrap (singleton) {
        singleton -> Bool,
        token_hash -> Nullable<Bytea>,
        expires_at -> Nullable<Timestamptz>,
        closed_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, sessions);

diesel::table! {
    demo_accounts (user_id) {
        user_id -> Uuid,
    }
}

diesel::joinable!(demo_accounts -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, demo_accounts);

diesel::table! {
    throttles (key) {
        key -> Bytea,
        failures -> Int4,
        blocked_until -> Nullable<Timestamptz>,
        expires_at -> Timestamptz,
        told -> Bool,
    }
}

diesel::table! {
    login_addresses (user_id, address) {
        user_id -> Uuid,
        address -> Bytea,
        last_used_at -> Timestamptz,
    }
}

diesel::joinable!(login_addresses -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, login_addresses);

/// SQL types that diesel has no word for.
pub(super) mod sql_types {
    /// A transaction's number that never wraps: `xid8`.
    #[derive(Debug, Clone, Copy, Default, diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
    #[diesel(postgres_type(oid = 5069, array_oid = 271))]
    pub struct Xid8;
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::Xid8;

    revocations (id) {
        id -> Int8,
        kind -> Text,
        session_id -> Nullable<Uuid>,
        user_id -> Nullable<Uuid>,
        client_id -> Nullable<Text>,
        kid -> Nullable<Text>,
        least_epoch -> Nullable<Int4>,
        expires_at -> Timestamptz,
        xid -> Xid8,
    }
}

diesel::table! {
    database_incarnation (singleton) {
        singleton -> Bool,
        id -> Uuid,
    }
}

diesel::table! {
    second_factors (user_id) {
        user_id -> Uuid,
        id -> Uuid,
        secret_id -> Bytea,
        sealed -> Bytea,
        created_at -> Timestamptz,
        confirmed_at -> Nullable<Timestamptz>,
        last_step -> Nullable<Int8>,
        codes_generation -> Int4,
    }
}

diesel::table! {
    recovery_codes (user_id, hash) {
        user_id -> Uuid,
        hash -> Bytea,
        generation -> Int4,
    }
}

diesel::joinable!(second_factors -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, second_factors);
diesel::allow_tables_to_appear_in_same_query!(sessions, second_factors);

diesel::table! {
    mail_tokens (user_id, purpose) {
        user_id -> Uuid,
        purpose -> Text,
        token_hash -> Bytea,
        email -> Text,
        epoch -> Int4,
        expires_at -> Timestamptz,
    }
}

diesel::joinable!(mail_tokens -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, mail_tokens);

diesel::table! {
    outbox (id) {
        id -> Uuid,
        kind -> Text,
        user_id -> Uuid,
        recipient -> Text,
        detail -> Jsonb,
        secret_id -> Nullable<Bytea>,
        sealed -> Nullable<Bytea>,
        token_hash -> Nullable<Bytea>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        due_at -> Timestamptz,
        claim -> Nullable<Uuid>,
        attempts -> Int4,
        settled_at -> Nullable<Timestamptz>,
        outcome -> Nullable<Text>,
    }
}
