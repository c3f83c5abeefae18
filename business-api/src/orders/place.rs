//! Placing an order. The client names the prices, because there is no catalogue here.

use time::OffsetDateTime;

use crate::orders::{Currency, CustomerId, Item, Order, OrderId, Status};

const MAX_ITEMS: usize = 100;
const MAX_SKU_CHARACTERS: usize = 64;
const MAX_QUANTITY: i32 = 10_000;
const MAX_UNIT_PRICE_MINOR: i64 = 1_000_000_000;

// The greatest total is 10^15: it fits, and JSON numbers keep it exact (2^53), so sums below need no checks.
const _: () = assert!(MAX_ITEMS as i64 * MAX_QUANTITY as i64 * MAX_UNIT_PRICE_MINOR < 1 << 53);

/// What a client asks for, before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// A currency code.
    pub currency: String,
    /// What to order.
    pub items: Vec<DraftItem>,
}

/// A line of a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftItem {
    /// The article.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// What one costs, in the currency's minor unit.
    pub unit_price_minor: i64,
}

/// What may be ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// What the amounts are in.
    pub currency: Currency,
    /// What to order; never empty.
    pub items: Vec<Item>,
}

/// A field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// Its path in the body, such as `items[0].quantity`.
    pub field: String,
    /// The rule.
    pub rule: Rule,
}

/// What a new order must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The currency.
    #[error("must be an ISO 4217 code in capitals, such as EUR")]
    Currency,
    /// The number of items.
    #[error("must have 1 to {MAX_ITEMS} items")]
    ItemCount,
    /// The article.
    #[error("must have 1 to {MAX_SKU_CHARACTERS} visible characters and no spaces")]
    Sku,
    /// How many.
    #[error("must be from 1 to {MAX_QUANTITY}")]
    Quantity,
    /// The price.
    #[error("must be from 0 to {MAX_UNIT_PRICE_MINOR}")]
    UnitPrice,
}

/// Checks a draft.
///
/// # Errors
/// Every field that breaks a rule.
pub fn check(draft: Draft) -> Result<Placement, Vec<InvalidField>> {
    let mut invalid = Vec::new();
    let mut refuse = |field: String, rule| invalid.push(InvalidField { field, rule });
    let currency = Currency::parse(&draft.currency);
    if currency.is_none() {
        refuse("currency".to_owned(), Rule::Currency);
    }
    if !(1..=MAX_ITEMS).contains(&draft.items.len()) {
        refuse("items".to_owned(), Rule::ItemCount);
    }
    let mut items = Vec::with_capacity(draft.items.len());
    for (at, item) in draft.items.into_iter().enumerate() {
        items.extend(check_item(item, |name, rule| refuse(format!("items[{at}].{name}"), rule)));
    }
    match currency {
        Some(currency) if invalid.is_empty() => Ok(Placement { currency, items }),
        _ => Err(invalid),
    }
}

fn check_item(item: DraftItem, mut refuse: impl FnMut(&str, Rule)) -> Option<Item> {
    if !is_sku(&item.sku) {
        refuse("sku", Rule::Sku);
    }
    let quantity = i32::try_from(item.quantity).ok().filter(|quantity| (1..=MAX_QUANTITY).contains(quantity));
    if quantity.is_none() {
        refuse("quantity", Rule::Quantity);
    }
    if !(0..=MAX_UNIT_PRICE_MINOR).contains(&item.unit_price_minor) {
        refuse("unitPriceMinor", Rule::UnitPrice);
    }
    Some(Item { sku: item.sku, quantity: quantity?, unit_price_minor: item.unit_price_minor })
}

fn is_sku(sku: &str) -> bool {
    (1..=MAX_SKU_CHARACTERS).contains(&sku.chars().count()) && sku.chars().all(is_visible)
}

/// Neither control nor space, nor one of the format characters that make different texts look alike.
fn is_visible(character: char) -> bool {
    let formats = matches!(
        character,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    );
    !(character.is_control() || character.is_whitespace() || formats)
}

/// The new order.
#[must_use]
pub fn place(id: OrderId, customer: CustomerId, placement: Placement, now: OffsetDateTime) -> Order {
    let Placement { currency, items } = placement;
    let total_minor = items.iter().map(|item| i64::from(item.quantity) * item.unit_price_minor).sum();
    Order {
        id,
        customer,
        status: Status::Pending,
        currency,
        items,
        total_minor,
        created_at: now,
        updated_at: now,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{Draft, DraftItem, InvalidField, Rule, check, place};
    use crate::orders::{CustomerId, Order, OrderId, Status};

    fn item(sku: &str, quantity: i64, unit_price_minor: i64) -> DraftItem {
        DraftItem { sku: sku.to_owned(), quantity, unit_price_minor }
    }

    fn draft(currency: &str, items: Vec<DraftItem>) -> Draft {
        Draft { currency: currency.to_owned(), items }
    }

    fn placed(draft: Draft) -> Order {
        let now = OffsetDateTime::UNIX_EPOCH;
        place(OrderId(Uuid::nil()), CustomerId("ann".to_owned()), check(draft).unwrap(), now)
    }

    fn refused(draft: Draft, expected: &[(&str, Rule)]) {
        let expected = expected.iter().map(|&(field, rule)| InvalidField { field: field.to_owned(), rule });
        assert_eq!(check(draft), Err(expected.collect()));
    }

    #[test]
    fn each_rule_has_its_bounds() {
        let one = |item| draft("EUR", vec![item]);
        for good in
            [item("a", 1, 0), item(&"é".repeat(64), 10_000, 1_000_000_000), item("A-1/b#\u{1F375}", 1, 1)]
        {
            assert!(check(one(good.clone())).is_ok(), "{good:?}");
        }
        for wrong in [0, -1, 10_001, i64::from(u32::MAX) + 2, i64::MIN, i64::MAX] {
            refused(one(item("a", wrong, 1)), &[("items[0].quantity", Rule::Quantity)]);
        }
        for wrong in [-1, 1_000_000_001, i64::MIN, i64::MAX] {
            refused(one(item("a", 1, wrong)), &[("items[0].unitPriceMinor", Rule::UnitPrice)]);
        }
        for wrong in [
            "",
            " ",
            "a b",
            "a\n",
            "\0",
            "\u{a0}",
            "\u{85}",
            "a\u{200b}",
            "\u{202e}a",
            "\u{feff}",
            &"a".repeat(65),
        ] {
            refused(one(item(wrong, 1, 1)), &[("items[0].sku", Rule::Sku)]);
        }
        for wrong in ["", "eur", "EURO", "XXX"] {
            refused(draft(wrong, vec![item("a", 1, 1)]), &[("currency", Rule::Currency)]);
        }
        refused(draft("EUR", vec![]), &[("items", Rule::ItemCount)]);
        refused(draft("EUR", vec![item("a", 1, 1); 101]), &[("items", Rule::ItemCount)]);
        assert!(check(draft("EUR", vec![item("a", 1, 1); 100])).is_ok());
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = draft("?", vec![item("a", 1, 1), item("", 0, -1)]);
        let expected = [
            ("currency", Rule::Currency),
            ("items[1].sku", Rule::Sku),
            ("items[1].quantity", Rule::Quantity),
            ("items[1].unitPriceMinor", Rule::UnitPrice),
        ];
        refused(wrong, &expected);
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_over_the_items(lines in prop::collection::vec((1..=10_000_i64, 0..=1_000_000_000_i64), 1..=100)) {
            let items = lines.iter().map(|&(quantity, price)| item("a", quantity, price)).collect();
            let order = placed(draft("EUR", items));
            let exact: i128 = lines.iter().map(|&(quantity, price)| i128::from(quantity) * i128::from(price)).sum();
            prop_assert_eq!(i128::from(order.total_minor), exact);
            prop_assert_eq!(order.status, Status::Pending);
            prop_assert_eq!(order.items.len(), lines.len());
        }

        #[test]
        fn no_draft_panics(currency in "\\PC{0,4}", sku in "\\PC{0,70}", quantity in any::<i64>(), price in any::<i64>()) {
            let _ = check(draft(&currency, vec![item(&sku, quantity, price)]));
        }
    }
}
