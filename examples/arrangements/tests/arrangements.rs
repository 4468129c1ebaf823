//! Each arrangement as processes, on free ports, under a steady load: killed, drained, started again.

use arrangements::trial::{self, Blow};
use arrangements::{Arrangement, BALANCER_FIRST, BOTH_ENDS, GATEWAY_FIRST, Site, build};

/// One after the other: they share the machine, and what is counted.
#[test]
fn arrangements_stand_kills_and_drains() {
    build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (arrangement, front) in [
        (BALANCER_FIRST, ["gateway-1", "gateway-2"]),
        (GATEWAY_FIRST, ["orders-balancer-1", "orders-balancer-2"]),
        (BOTH_ENDS, ["gateway-1", "gateway-3"]),
    ] {
        tokio::task::LocalSet::new().block_on(&runtime, stand(arrangement, front));
    }
}

async fn stand(arrangement: Arrangement, [first, second]: [&'static str; 2]) {
    println!("{}:", arrangement.name);
    let mut site = Site::open(arrangement, true).await.unwrap();
    trial::follow(&site).await.unwrap();
    let blows = [Blow::Kill(first), Blow::Kill("orders-1"), Blow::Drain(second), Blow::Drain("orders-2")];
    trial::run(&mut site, &blows, |outcome| println!("  {outcome}")).await.unwrap();
    site.close().await.unwrap();
}
