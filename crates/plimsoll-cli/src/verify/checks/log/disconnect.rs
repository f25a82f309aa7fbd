//! LOG-9: the record of a client that disconnects.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::verify::{
    evidence::Evidence,
    judgement::{Finding, Judgement, require},
    routes::Route,
    subject::{Subject, request},
};

/// The time of the handler whose client disconnects, and that of its client.
const SLOW: u64 = 1000;
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) async fn disconnect(subject: &mut Subject<'_>) {
    let Some(path) = subject.route(Route::Slow, &[("ms", SLOW)]) else {
        return;
    };
    let wire = subject.wire();
    let nonce = subject.nonce();
    let id = format!("X-Request-ID: {nonce}");
    let bytes = request("GET", &path, &[&id]);
    let connection = wire.connect().await;
    let pending = wire.send("aborted", nonce.clone(), bytes, connection);
    let pending = pending.await;
    // The service has read the request by now; if it has not, its record is the same.
    sleep(PATIENCE).await;
    subject.add([pending.close()]);
    subject.wait_for_line(&nonce).await;
}

pub(super) fn aborted(evidence: &Evidence) -> Judgement {
    evidence.require_route(Route::Slow)?;
    let (exchange, record) = evidence.access_record("aborted")?;
    let status = record.get("status").and_then(Value::as_u64);
    let is_aborted = record.get("aborted") == Some(&Value::Bool(true));
    require(is_aborted && status == Some(499), || {
        let finding = Finding::record(exchange, &record, "status 499 and aborted: true");
        finding.sent_as(|sent| format!("{sent}, and the end of the connection after 200 ms"))
    })
}
