//! What the rules read: services and proxies, whatever kind of file describes them.

use std::{path::Path, rc::Rc, time::Duration};

use super::{environment::Environment, settings::Settings};
use crate::place::{Place, Sited};

/// A service on the chassis, as one manifest runs it.
#[derive(Debug)]
pub(crate) struct Service {
    /// Such as `Deployment shop` or `service app`.
    pub(crate) title: String,
    /// Names of the container, the image and the program, without folders and versions.
    pub(crate) names: Vec<String>,
    /// Names under which proxies reach it: of the Compose service, or of Services in Kubernetes.
    pub(crate) hosts: Vec<String>,
    /// The file that runs it: a Compose file, a kustomization or a unit.
    pub(crate) manifest: String,
    /// Ports of the machine at which it is reached.
    pub(crate) local_ports: Vec<u16>,
    pub(crate) place: Place,
    pub(crate) environment: Environment,
    pub(crate) settings: Settings,
    pub(crate) kill: Kill,
    /// The time of a hook that runs before SIGTERM.
    pub(crate) pre_stop: Option<Sited<Duration>>,
    pub(crate) probes: Vec<Probe>,
    /// The limit of memory in bytes.
    pub(crate) memory: Option<Sited<u64>>,
    /// The limit of open files.
    pub(crate) files: Option<Sited<u64>>,
    pub(crate) ports: Vec<Port>,
    /// Whether it has a loopback of its own, as in a container, which no client outside reaches.
    pub(crate) is_isolated: bool,
    pub(crate) unit: Option<Unit>,
}

/// The time from the stop signal to SIGKILL.
#[derive(Debug)]
pub(crate) struct Kill {
    /// The name of the value in this kind of file.
    pub(crate) key: &'static str,
    pub(crate) is_default: bool,
    /// `None`: no SIGKILL.
    pub(crate) time: Sited<Option<Duration>>,
}

impl Kill {
    /// Returns a time that a file sets, or the default of the platform.
    pub(crate) fn new(
        key: &'static str,
        set: Option<Sited<Option<Duration>>>,
        default: u64,
        place: &Place,
    ) -> Self {
        Self {
            key,
            is_default: set.is_none(),
            time: set
                .unwrap_or_else(|| Sited::new(Some(Duration::from_secs(default)), place.clone())),
        }
    }
}

/// The kind of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeKind {
    Startup,
    Liveness,
    Readiness,
}

/// A probe of the kubelet over HTTP or TCP.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) kind: ProbeKind,
    pub(crate) key: &'static str,
    pub(crate) place: Place,
    /// `None` for a TCP probe.
    pub(crate) path: Option<Sited<String>>,
    /// The number, or a name that no port of the container has.
    pub(crate) port: Sited<Result<u16, String>>,
    pub(crate) is_https: bool,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
    pub(crate) failures: u32,
}

/// A port at which a manifest expects the service.
#[derive(Debug)]
pub(crate) struct Port {
    /// The number, or a name that no port of the container has.
    pub(crate) number: Result<u16, String>,
    /// Such as `containerPort`.
    pub(crate) key: String,
    pub(crate) place: Place,
}

/// What a unit of systemd sets beside limits.
#[derive(Debug)]
pub(crate) struct Unit {
    /// `Restart=`, if it restarts after a failure.
    pub(crate) restart: Option<Place>,
    pub(crate) success_statuses: Vec<String>,
    pub(crate) no_restart_statuses: Vec<String>,
}

/// A path that a proxy passes to a service.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Such as `nginx` or `Ingress shop`.
    pub(crate) title: String,
    pub(crate) place: Place,
    /// The name of the group of servers.
    pub(crate) upstream: String,
    pub(crate) servers: Vec<Sited<Server>>,
    pub(crate) read_timeout: Option<Limit<Duration>>,
    pub(crate) idle_timeout: Option<Limit<Duration>>,
    /// `None` inside: no limit.
    pub(crate) body_limit: Option<Limit<Option<u64>>>,
    /// The times of its requests for `/ready`.
    pub(crate) readiness: Option<Sited<Detection>>,
    /// The reserved paths that it passes on.
    pub(crate) exposed: Vec<&'static str>,
    /// The file that names the servers, which a Compose file can mount.
    pub(crate) file: Rc<str>,
}

/// The server behind a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

/// A limit of a proxy.
#[derive(Debug, Clone)]
pub(crate) struct Limit<T> {
    pub(crate) key: &'static str,
    pub(crate) value: T,
    /// `None`: the default of the proxy.
    pub(crate) place: Option<Place>,
}

/// The time until a prober observes that `/ready` is no longer 200.
#[derive(Debug, Clone)]
pub(crate) struct Detection {
    pub(crate) period: Duration,
    pub(crate) failures: u32,
    pub(crate) timeout: Duration,
}

impl Detection {
    /// Returns the longest time.
    pub(crate) fn total(&self) -> Duration {
        self.period
            .saturating_mul(self.failures)
            .saturating_add(self.timeout)
    }
}

/// All services and proxies of the files.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) services: Vec<Service>,
    pub(crate) proxies: Vec<Proxy>,
    /// The services behind each proxy, as [`Model::link`] finds them.
    pub(crate) behind: Vec<Vec<Behind>>,
    /// Containers, units and proxies that have nothing to do with the chassis.
    pub(crate) others: Vec<Sited<String>>,
    /// Configuration files, and the Compose files that mount them.
    pub(crate) mounts: Vec<(String, String)>,
    /// The files that are arguments themselves, so that their proxies are meant.
    pub(crate) arguments: Vec<String>,
}

/// A service behind a proxy.
#[derive(Debug)]
pub(crate) enum Behind {
    /// The index of the service.
    Known(usize),
    /// The settings of a service that is not in the files.
    Assumed(Box<Settings>),
}

impl Model {
    /// Finds the services behind each proxy, when all services have their settings.
    pub(crate) fn link(&mut self) {
        self.behind = self.proxies.iter().map(|it| self.behind(it)).collect();
    }

    /// Returns the services that a proxy leads to. If the proxy is for a service on the chassis that is not in
    /// the files, the defaults stand for it.
    fn behind(&self, proxy: &Proxy) -> Vec<Behind> {
        let mounts = self.mounts.iter().filter(|(file, _)| **file == *proxy.file);
        let stacks: Vec<&str> = mounts.map(|(_, stack)| stack.as_str()).collect();
        let services = self.services.iter().enumerate();
        let services: Vec<(usize, usize)> = services
            .filter(|(_, service)| proxy.leads_to(service, &stacks))
            .map(|(index, service)| (index, proxy.nearness(service)))
            .collect();
        // Compose files of several folders can have services of the same name.
        let nearest = services.iter().map(|(_, nearness)| *nearness).max();
        let services = services.iter().filter(|(_, it)| Some(*it) == nearest);
        let mut behind: Vec<_> = services.map(|(index, _)| Behind::Known(*index)).collect();
        if behind.is_empty() && self.is_for_chassis(proxy) {
            let settings = Settings::assumed(proxy.place.clone());
            behind.push(Behind::Assumed(Box::new(settings)));
        }
        behind
    }

    /// Returns each proxy with each service that it leads to, which may not be in the files, and its settings.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Proxy, Option<&Service>, &Settings)> {
        let proxies = self.proxies.iter().zip(&self.behind);
        proxies.flat_map(move |(proxy, behind)| {
            behind.iter().map(move |it| match it {
                Behind::Known(index) => {
                    let service = &self.services[*index];
                    (proxy, Some(service), &service.settings)
                }
                Behind::Assumed(settings) => (proxy, None, &**settings),
            })
        })
    }

    /// Returns the number of proxies with a service behind them.
    pub(crate) fn linked(&self) -> usize {
        self.behind.iter().filter(|it| !it.is_empty()).count()
    }

    fn is_for_chassis(&self, proxy: &Proxy) -> bool {
        proxy.readiness.is_some()
            || self
                .services
                .iter()
                .any(|service| service.names.contains(&proxy.upstream))
            || self
                .arguments
                .iter()
                .any(|file| **file == *proxy.place.file)
    }
}

impl Proxy {
    /// Adds reserved paths that it passes on.
    pub(crate) fn expose(&mut self, paths: Vec<&'static str>) {
        let known = std::mem::take(&mut self.exposed);
        let new = paths.into_iter().filter(|path| !known.contains(path));
        self.exposed = known.iter().copied().chain(new).collect();
    }

    /// Returns the depth of a manifest's folder if it contains the configuration of this proxy.
    fn nearness(&self, service: &Service) -> usize {
        let folder = Path::new(&service.manifest)
            .parent()
            .unwrap_or(Path::new(""));
        let contains = Path::new(&*self.file).starts_with(folder);
        if contains {
            folder.components().count() + 1
        } else {
            0
        }
    }

    /// Whether one of its servers is a service. `stacks` are the Compose files that run the proxy.
    fn leads_to(&self, service: &Service, stacks: &[&str]) -> bool {
        let is_near = stacks.is_empty() || stacks.contains(&service.manifest.as_str());
        is_near
            && self.servers.iter().any(|server| {
                let Server { host, port } = &server.value;
                let is_loopback = matches!(host.as_str(), "127.0.0.1" | "localhost" | "[::1]");
                let is_local = is_loopback && stacks.is_empty();
                let has_port = port.is_some_and(|port| service.local_ports.contains(&port));
                service.hosts.contains(host) || (is_local && has_port)
            })
    }
}

impl<T> Limit<T> {
    /// Returns the line that sets it; for a default, that of the proxy.
    pub(crate) fn place(&self, proxy: &Proxy) -> Place {
        self.place.as_ref().unwrap_or(&proxy.place).clone()
    }

    /// Returns its part of a sum, such as `proxy_read_timeout (default) 60 s`.
    pub(crate) fn summand(&self, value: &str) -> String {
        let origin = match self.place {
            Some(_) => "",
            None => " (default)",
        };
        format!("{}{origin} {value}", self.key)
    }
}
