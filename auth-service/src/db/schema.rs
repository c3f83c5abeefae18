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
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        created_at -> Timestamptz,
        signs_from -> Timestamptz,
        secret_id -> Bytea,
        sealed -> Bytea,
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
