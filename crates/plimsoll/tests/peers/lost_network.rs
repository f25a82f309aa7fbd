//! Clients that vanish: no packet arrives any more, not even a reset.

use std::io::{PipeWriter, Write as _};
use std::time::Duration;

use harness::{Connection, Process, Scrape, eventually, eventually_within, timed};

use crate::setup::{Figures, plain, scaled, scratch_folder};
use crate::support::{END, fixture, namespaces_or_skip, require_or_skip};

/// Arguments of `unshare` for a network and PID namespace that ends with its first process.
const NAMESPACE: [&str; 6] = [
    "--map-root-user",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// A script that starts the service, its clients, and ends their network, one step per input line.
const SCRIPT: &str = r#"
ip link set lo up || exit 9
"$0" </dev/null & service=$!
read -r _
for ((n = 0; n < CLIENTS; n++)); do
  exec {c}<>"/dev/tcp/127.0.0.1/$PORT"
  printf 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n' >&"$c"
  exec {c}<>"/dev/tcp/127.0.0.1/$PORT"
  printf 'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n' >&"$c"
done
read -r _
ip link set lo down
echo 'the network is gone' >&2
read -r _
kill -TERM "$service"
wait "$service"
"#;

fn goes_on(go: &mut PipeWriter) {
    go.write_all(b"\n").unwrap();
}

#[test]
fn clients_of_a_lost_network_are_closed() {
    if plain() || !require_or_skip("ip") || !require_or_skip("bash") {
        return;
    }
    if !namespaces_or_skip(&NAMESPACE) {
        return;
    }
    let clients: u16 = scaled(10, 250);
    let limit = scaled(Duration::from_secs(2), Duration::from_secs(30));
    let folder = scratch_folder("dead");
    // A unix socket with a file is reachable from outside the namespace.
    let admin = folder.join("admin.sock");
    let limit_text = format!("{}s", limit.as_secs());
    let (clients_text, admin_text) = (clients.to_string(), format!("unix:{}", admin.display()));
    let env = [
        ("ADMIN_ADDR", admin_text.as_str()),
        ("CLIENTS", &clients_text),
        ("IDLE_TIMEOUT", &limit_text),
        ("WRITE_TIMEOUT", &limit_text),
    ];
    let program = fixture();
    let mut args = NAMESPACE.to_vec();
    args.extend(["bash", "-c", SCRIPT, program.to_str().unwrap()]);
    let (input, mut go) = std::io::pipe().unwrap();
    let service = Process::spawn_with_input("unshare", &args, &env, input);
    service.wait_until_ready();

    let mut probe = Connection::unix(&admin).unwrap();
    let mut open = || {
        let metrics = Scrape::parse(probe.get("/metrics").text()).unwrap();
        // The connection of the probe is one of them.
        metrics.value("http_connections_open", &[]).unwrap() - 1.0
    };
    let mut figures = Figures::of("dead peers");
    goes_on(&mut go);
    let all = f64::from(2 * clients);
    eventually("all have connected", || (open() == all).then_some(()));
    eventually("all have asked", || {
        let asked = service.records_with("http_request").len();
        (asked == usize::from(2 * clients)).then_some(())
    });
    goes_on(&mut go);
    let (gone, took) = timed(|| eventually_within(2 * limit, || (open() == 0.0).then_some(())));
    let recorded = service.stderr().contains("the network is gone");
    figures.exact("the network is gone", true, recorded);
    figures.exact("all are closed", true, gone.is_some());
    figures.info("time until they are", format!("{took:?}"));
    goes_on(&mut go);
    let ended = service.wait(END);
    figures.exact("exit status", 0, ended.code.unwrap_or(-1));
    std::fs::remove_dir_all(folder).unwrap();
    figures.judge();
}
