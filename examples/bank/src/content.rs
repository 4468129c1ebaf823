//! What the services have to tell: always the same.

use serde_json::{Value, json};

pub fn accounts(customer: &str) -> Value {
    json!({ "customer": customer, "accounts": [
        { "iban": "DE02 1203 0000 0000 2020 51", "balance": "1832.40", "currency": "EUR" },
        { "iban": "DE02 5001 0517 0137 0750 30", "balance": "12000.00", "currency": "EUR" },
    ]})
}

pub fn transactions(customer: &str) -> Value {
    json!({ "customer": customer, "transactions": [
        { "date": "2026-11-20", "text": "Bakery", "amount": "-4.80" },
        { "date": "2026-11-21", "text": "Salary", "amount": "2900.00" },
    ]})
}

pub fn rates() -> Value {
    json!({ "base": "EUR", "USD": 1.09, "GBP": 0.85, "CHF": 0.96 })
}

/// With something in it that is nobody's business outside.
pub fn shop(instance: &str, path: &str) -> Value {
    let category = path.strip_prefix("/products/").unwrap_or("nothing");
    json!({
        "instance": instance,
        "category": category,
        "products": ["umbrella", "thermos", "compass"],
        "purchase_price": "3.20",
    })
}
