//! HAProxy as reverse proxy. It probes `/ready`, retries nothing, and reuses connections.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use harness::{Connection, eventually};

use crate::client::Client;
use crate::proxied::{Instance, check_interval, lie_about_addresses, restart_under_load};
use crate::setup::{Peer, Reserved, plain, scratch_folder};
use crate::support::require_or_skip;
use crate::unread_uploads::upload_to_nowhere;

/// The path of HAProxy's statistics.
const STATISTICS: &str = "/haproxy-statistics";

pub(crate) struct Front {
    reserved: Reserved,
    _haproxy: Peer,
}

// === impl Front ===

impl Front {
    pub(crate) fn before(instances: &[Instance], folder: &Path) -> Self {
        let reserved = Reserved::port();
        let configuration = folder.join("haproxy.cfg");
        let text = configuration_of(reserved.addr(), instances);
        std::fs::write(&configuration, text).unwrap();
        let haproxy = Peer::start(
            Command::new("haproxy")
                .args(["-q", "-db"])
                .arg("-f")
                .arg(&configuration),
        );
        let front = Self {
            reserved,
            _haproxy: haproxy,
        };
        eventually("HAProxy passes requests on", || {
            let answer = Client::new(front.addr()).get("/hello", "Connection: close\r\n");
            answer.is_ok_and(|reply| reply.status == 200).then_some(())
        });
        front
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.reserved.addr()
    }

    /// Returns a column of HAProxy's statistics of an instance, such as its status.
    #[track_caller]
    pub(crate) fn statistic(&self, instance: usize, column: &str) -> String {
        let mut connection = Connection::tcp(self.addr()).unwrap();
        let response = connection.get(&format!("{STATISTICS};csv"));
        let mut lines = response.text().lines();
        let mut names = lines.next().unwrap().split(',');
        let column = names.position(|name| name == column).unwrap();
        let server = format!("instances,s{instance},");
        let mut of_server = lines.filter(|line| line.starts_with(&server));
        let line = of_server.next().unwrap();
        line.split(',').nth(column).unwrap().to_owned()
    }
}

fn configuration_of(front: SocketAddr, instances: &[Instance]) -> String {
    let interval = check_interval().as_millis();
    let servers: String = instances
        .iter()
        .enumerate()
        .map(|(number, instance)| {
            let addr = instance.addr();
            format!("  server s{number} {addr} check inter {interval}ms fall 1 rise 1\n")
        })
        .collect();
    format!(
        "global
  nbthread 1
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  retries 0
  http-reuse always
frontend front
  bind {front}
  stats uri {STATISTICS}
  default_backend instances
backend instances
  balance roundrobin
  option forwardfor
  option httpchk GET /ready
{servers}"
    )
}

/// LIFE-5
#[test]
fn rolling_restart_behind_haproxy_loses_no_request() {
    if !require_or_skip("haproxy") {
        return;
    }
    let mut instances = [Instance::start(), Instance::start()];
    let folder = scratch_folder("haproxy-restart");
    let front = Front::before(&instances, &folder);
    restart_under_load("rolling restart, HAProxy", front.addr(), &mut instances);
    std::fs::remove_dir_all(folder).unwrap();
}

/// IP-2
#[test]
fn address_cannot_be_forged_behind_haproxy() {
    if plain() || !require_or_skip("haproxy") {
        return;
    }
    let mut instances = [Instance::start()];
    let folder = scratch_folder("haproxy-lies");
    let front = Front::before(&instances, &folder);
    lie_about_addresses("forged addresses, HAProxy", front.addr(), &mut instances);
    std::fs::remove_dir_all(folder).unwrap();
}

/// SRV-3
#[test]
fn unread_uploads_behind_haproxy_fail_no_request() {
    if !require_or_skip("haproxy") {
        return;
    }
    let mut instances = [Instance::start()];
    let folder = scratch_folder("haproxy-unread");
    let front = Front::before(&instances, &folder);
    upload_to_nowhere("unread uploads, HAProxy", front.addr());
    for instance in &mut instances {
        instance.stop();
    }
    std::fs::remove_dir_all(folder).unwrap();
}
