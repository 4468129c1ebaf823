//! The scenes, in the order in which they are played; here, the first and the last.

pub mod change;
pub mod phone;
pub mod shop;

use anyhow::Result;

use crate::bank::Bank;
use crate::claim;
use crate::page::{Page, milliseconds};

/// The key that the phone's app carries; `alice` in the configuration.
pub const PHONE: (&str, &str) = ("x-api-key", "phone-secret");
/// Another customer's; `bob`.
pub const TABLET: (&str, &str) = ("x-api-key", "tablet-secret");

pub fn opening(page: &Page, bank: &Bank) {
    page.title("A mobile bank behind Sluice");
    page.say("");
    page.line("                                            ┌─ accounts");
    page.line("phone ── GET /api/overview ─┐  keys, limit, ├─ transactions (slow)");
    page.line("                            │  aggregate    └─ rates");
    page.line("                          Sluice");
    page.line("                            │  rewrite,     ┌─ shop-1");
    page.line("anyone ─ GET /shop/hats ────┘  offer,       ├─ shop-2");
    page.line("                               balance      └─ shop-3");
    page.say("");
    page.say(&format!(
        "Seven processes, all started just now. The gateway listens on {}; its policy is six WebAssembly components in \
         a directory. The configuration is a copy of examples/bank/sluice.toml.",
        bank.public
    ));
}

/// End the gateway while a request is on its way.
pub async fn farewell(page: &mut Page, bank: &mut Bank) -> Result<()> {
    page.scene("The gateway is asked to stop while a request is on its way");
    let mut client = bank.client();
    // The slow service shows when the request has got that far.
    let slow = bank.service("transactions")?;
    let before = slow.served().await?;
    let last = tokio::task::spawn_local(async move { client.get("/api/overview", &[TABLET]).await });
    while slow.served().await? == before {
        claim(!last.is_finished(), || "the last request ended before its time".to_owned())?;
    }
    page.asked("phone", "GET /api/overview");
    page.aside("the request has reached the transactions; now SIGTERM to the gateway");
    let ended = bank.gateway.terminate().await?;
    let answer = last.await??;
    page.answered(&answer, &[]);
    claim(answer.status == 200 && ended.success(), || format!("{} and then {ended}", answer.status))?;
    page.shown(&format!("It finished the request ({}), and only then ended, with success.", milliseconds(answer.took)));
    Ok(())
}

/// What to try by hand.
pub fn stay(page: &Page, bank: &Bank) {
    let (public, admin) = (bank.public, bank.admin);
    let rates = bank.service("rates").map(|service| service.address.to_string()).unwrap_or_default();
    page.title("It stays up now, for you to try; Ctrl-C ends it");
    page.say("");
    page.line(&format!("curl -i {public}/api/overview"));
    page.line(&format!("curl -i {public}/api/overview -H 'x-api-key: phone-secret'"));
    page.line(&format!("curl -X POST {rates}/_fail          # and ask again; /_mend mends it"));
    page.line(&format!("curl -i {public}/shop/hats"));
    page.line(&format!("curl {admin}/api/v1/plugins        # also: routes, clusters; /metrics"));
    page.say("");
    page.line("# change the configuration; it is taken up when you save it");
    page.line(&format!("$EDITOR {}", bank.configuration().display()));
    page.line("# replace a plugin, and look at x-offer again");
    page.line(&format!("cd {}", bank.plugin("").display()));
    page.line("cp offer-next.wasm offer.wasm");
}
