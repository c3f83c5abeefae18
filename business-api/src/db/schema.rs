//! The tables as the migrations leave them; a test compares.

#![expect(missing_docs, reason = "the macro's items; the migrations say what the columns mean")]

diesel::table! {
    orders (id) {
        id -> Uuid,
        customer_id -> Text,
        status -> Text,
        currency -> Text,
        total_minor -> BigInt,
        idempotency_key -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    order_items (order_id, position) {
        order_id -> Uuid,
        position -> Integer,
        sku -> Text,
        quantity -> Integer,
        unit_price_minor -> BigInt,
    }
}

diesel::joinable!(order_items -> orders (order_id));
diesel::allow_tables_to_appear_in_same_query!(orders, order_items);
