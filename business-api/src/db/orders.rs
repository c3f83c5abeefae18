//! Reading and writing orders.

use database::{Database, Error};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::schema::{order_items, orders};
use crate::orders::{Currency, CustomerId, IdempotencyKey, Item, Order, OrderId, Status};

/// The orders of one database.
#[derive(Debug, Clone)]
pub struct Orders(Database);

#[derive(Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
struct OrderRow {
    id: Uuid,
    customer_id: String,
    status: String,
    currency: String,
    total_minor: i64,
    idempotency_key: Option<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

#[derive(Queryable, Selectable, Insertable, Identifiable, Associations)]
#[diesel(table_name = order_items, primary_key(order_id, position), belongs_to(OrderRow, foreign_key = order_id))]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct ItemRow {
    order_id: Uuid,
    position: i32,
    sku: String,
    quantity: i32,
    unit_price_minor: i64,
}

impl Orders {
    /// The orders behind this pool.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    /// Writes a new order; `Some` is the one that this customer's key has already.
    ///
    /// The unique constraint decides, so of requests that arrive together one inserts and the others wait for it.
    pub async fn insert(&self, order: &Order, key: Option<&IdempotencyKey>) -> Result<Option<Order>, Error> {
        let row = OrderRow::new(order, key);
        let items = ItemRow::of(order);
        self.0
            .run(async |connection| {
                connection
                    .transaction(async |connection| {
                        let inserted = diesel::insert_into(orders::table)
                            .values(&row)
                            .on_conflict((orders::customer_id, orders::idempotency_key))
                            .do_nothing()
                            .execute(connection)
                            .await?;
                        if inserted == 0 {
                            return with_key(connection, &row).await.map(Some);
                        }
                        diesel::insert_into(order_items::table).values(&items).execute(connection).await?;
                        Ok(None)
                    })
                    .await
            })
            .await
    }

    /// One order, whoever placed it.
    pub async fn find(&self, id: OrderId) -> Result<Option<Order>, Error> {
        self.0
            .run(async |connection| {
                let row = orders::table
                    .find(id.0)
                    .select(OrderRow::as_select())
                    .first(connection)
                    .await
                    .optional()?;
                Ok(with_items(connection, row.into_iter().collect()).await?.pop())
            })
            .await
    }

    /// A customer's orders, newest first, from `after` on.
    pub async fn page_of(
        &self,
        customer: &CustomerId,
        after: Option<OrderId>,
        limit: i64,
    ) -> Result<Vec<Order>, Error> {
        let query = orders::table.filter(orders::customer_id.eq(customer.0.clone())).into_boxed();
        self.page(query, after, limit).await
    }

    /// Everybody's orders, newest first, from `after` on.
    pub async fn page_of_all(&self, after: Option<OrderId>, limit: i64) -> Result<Vec<Order>, Error> {
        self.page(orders::table.into_boxed(), after, limit).await
    }

    async fn page(
        &self,
        query: orders::BoxedQuery<'static, diesel::pg::Pg>,
        after: Option<OrderId>,
        limit: i64,
    ) -> Result<Vec<Order>, Error> {
        let query = match after {
            Some(OrderId(after)) => query.filter(orders::id.lt(after)),
            None => query,
        };
        let query = query.order(orders::id.desc()).limit(limit).select(OrderRow::as_select());
        self.0
            .run(async move |connection| {
                let rows = query.load(connection).await?;
                with_items(connection, rows).await
            })
            .await
    }

    /// Writes the order's status, unless it is no longer `before`. Of two that decided on the same status one wins;
    /// `false` tells the other.
    pub async fn save_status(&self, order: &Order, before: Status) -> Result<bool, Error> {
        let unchanged = orders::table.find(order.id.0).filter(orders::status.eq(before.as_str()));
        let changes = (orders::status.eq(order.status.as_str()), orders::updated_at.eq(order.updated_at));
        let written = self
            .0
            .run(async move |connection| diesel::update(unchanged).set(changes).execute(connection).await);
        Ok(written.await? == 1)
    }

    /// Whether orders can be read now.
    pub async fn check(&self) -> Result<(), Error> {
        let query = orders::table.select(orders::id).limit(1);
        self.0.run(async move |connection| query.load::<Uuid>(connection).await.map(drop)).await
    }
}

async fn with_key(connection: &mut AsyncPgConnection, wanted: &OrderRow) -> QueryResult<Order> {
    let row = orders::table
        .filter(orders::customer_id.eq(&wanted.customer_id))
        .filter(orders::idempotency_key.eq(&wanted.idempotency_key))
        .select(OrderRow::as_select())
        .first(connection)
        .await?;
    with_items(connection, vec![row]).await?.pop().ok_or(DieselError::NotFound)
}

async fn with_items(connection: &mut AsyncPgConnection, rows: Vec<OrderRow>) -> QueryResult<Vec<Order>> {
    let items: Vec<ItemRow> = ItemRow::belonging_to(&rows)
        .order(order_items::position)
        .select(ItemRow::as_select())
        .load(connection)
        .await?;
    let items = items.grouped_by(&rows);
    rows.into_iter().zip(items).map(|(row, items)| row.into_order(items)).collect()
}

impl OrderRow {
    fn new(order: &Order, key: Option<&IdempotencyKey>) -> Self {
        Self {
            id: order.id.0,
            customer_id: order.customer.0.clone(),
            status: order.status.as_str().to_owned(),
            currency: order.currency.as_str().to_owned(),
            total_minor: order.total_minor,
            idempotency_key: key.map(|key| key.as_str().to_owned()),
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }

    fn into_order(self, items: Vec<ItemRow>) -> QueryResult<Order> {
        let unknown = |what: &str| DieselError::DeserializationError(format!("unknown {what}").into());
        Ok(Order {
            id: OrderId(self.id),
            customer: CustomerId(self.customer_id),
            status: Status::parse(&self.status).ok_or_else(|| unknown("status"))?,
            currency: Currency::parse(&self.currency).ok_or_else(|| unknown("currency"))?,
            items: items.into_iter().map(ItemRow::into_item).collect(),
            total_minor: self.total_minor,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

impl ItemRow {
    fn of(order: &Order) -> Vec<Self> {
        let rows = (0..).zip(&order.items).map(|(position, item)| Self {
            order_id: order.id.0,
            position,
            sku: item.sku.clone(),
            quantity: item.quantity,
            unit_price_minor: item.unit_price_minor,
        });
        rows.collect()
    }

    fn into_item(self) -> Item {
        Item { sku: self.sku, quantity: self.quantity, unit_price_minor: self.unit_price_minor }
    }
}
