//! nginx as reverse proxy. It does not probe `/ready`. After a refused connection it uses the next
//! instance, for uploads only if nothing was sent.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use harness::eventually;

use crate::client::Client;
use crate::proxied::{Instance, lie_about_addresses, restart_under_load};
use crate::setup::{Peer, Reserved, plain, scratch_folder};
use crate::support::require_or_skip;
use crate::unread_uploads::upload_to_nowhere;

struct Front {
    reserved: Reserved,
    _nginx: Peer,
}

// === impl Front ===

impl Front {
    fn before(instances: &[Instance], folder: &Path) -> Self {
        let reserved = Reserved::port();
        let configuration = folder.join("nginx.conf");
        let text = configuration_of(reserved.addr(), instances, folder);
        std::fs::write(&configuration, text).unwrap();
        let nginx = Peer::start(
            Command::new("nginx")
                .arg("-p")
                .arg(folder)
                .arg("-e")
                .arg(folder.join("error.log"))
                .arg("-c")
                .arg(&configuration),
        );
        let front = Self {
            reserved,
            _nginx: nginx,
        };
        eventually("nginx passes requests on", || {
            let answer = Client::new(front.addr()).get("/hello", "Connection: close\r\n");
            answer.is_ok_and(|reply| reply.status == 200).then_some(())
        });
        front
    }

    fn addr(&self) -> SocketAddr {
        self.reserved.addr()
    }
}

fn configuration_of(front: SocketAddr, instances: &[Instance], folder: &Path) -> String {
    let folder = folder.display();
    let servers: String = instances
        .iter()
        .map(|instance| {
            format!(
                "    server {} max_fails=1 fail_timeout=1s;\n",
                instance.addr()
            )
        })
        .collect();
    format!(
        "daemon off;
master_process off;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 2000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  upstream instances {{
{servers}    keepalive 64;
  }}
  server {{
    listen {front};
    location / {{
      proxy_pass http://instances;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"
    )
}

/// LIFE-5
#[test]
fn rolling_restart_behind_nginx_loses_no_request() {
    if !require_or_skip("nginx") {
        return;
    }
    let mut instances = [Instance::start(), Instance::start()];
    let folder = scratch_folder("nginx-restart");
    let front = Front::before(&instances, &folder);
    restart_under_load("rolling restart, nginx", front.addr(), &mut instances);
    std::fs::remove_dir_all(folder).unwrap();
}

/// IP-2
#[test]
fn address_cannot_be_forged_behind_nginx() {
    if plain() || !require_or_skip("nginx") {
        return;
    }
    let mut instances = [Instance::start()];
    let folder = scratch_folder("nginx-lies");
    let front = Front::before(&instances, &folder);
    lie_about_addresses("forged addresses, nginx", front.addr(), &mut instances);
    std::fs::remove_dir_all(folder).unwrap();
}

/// SRV-3
#[test]
fn unread_uploads_behind_nginx_fail_no_request() {
    if !require_or_skip("nginx") {
        return;
    }
    let mut instances = [Instance::start()];
    let folder = scratch_folder("nginx-unread");
    let front = Front::before(&instances, &folder);
    upload_to_nowhere("unread uploads, nginx", front.addr());
    for instance in &mut instances {
        instance.stop();
    }
    std::fs::remove_dir_all(folder).unwrap();
}
