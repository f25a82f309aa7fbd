//! `admin`: the binary sends a request to the admin listener of the running service (contract CLI-4).
//!
//! It needs no shell, client or token at hand in the container: the settings are those of the service.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    runtime::Builder,
    time::timeout,
};

use super::healthcheck::reachable;
use crate::{
    config::{Config, ConfigErrors, ListenAddr, Loaded},
    error::chain,
};

/// The limit of a whole request. A view takes a second at most.
const LIMIT: Duration = Duration::from_secs(10);

/// A request that the arguments describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdminRequest {
    method: Method,
    path: Uri,
    /// The form, encoded.
    form: String,
}

impl AdminRequest {
    /// Parses `[METHOD] PATH [name=value…]`. Without a method it is GET, or PUT with a form.
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let is_method = |arg: &&String| arg.bytes().all(|byte| byte.is_ascii_uppercase());
        let (method, args) = match args.split_first() {
            Some((first, rest)) if is_method(&first) && !first.is_empty() => {
                (Method::from_bytes(first.as_bytes()).ok(), rest)
            }
            _ => (None, args),
        };
        let Some((path, fields)) = args.split_first() else {
            return Err("admin needs a path, such as /admin: see --help".to_owned());
        };
        let target = path.parse::<Uri>().ok();
        let target = target.filter(|uri| path.starts_with('/') && uri.host().is_none());
        let path = target.ok_or_else(|| format!("{path:?} is no path: it begins with /"))?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        for field in fields {
            let Some((name, value)) = field.split_once('=') else {
                return Err(format!("{field:?} is no field: use name=value"));
            };
            form.append_pair(name, value);
        }
        let default = if fields.is_empty() {
            Method::GET
        } else {
            Method::PUT
        };
        Ok(Self {
            method: method.unwrap_or(default),
            path,
            form: form.finish(),
        })
    }
}

/// Sends the request to the service with these settings. Returns whether the status is 2xx, and the
/// body.
///
/// # Errors
///
/// A message for stderr, if there is no response.
pub(super) fn run<S>(
    loaded: Result<Loaded<S>, ConfigErrors>,
    request: AdminRequest,
) -> Result<(bool, Bytes), String> {
    let config = loaded.map_err(|errors| errors.to_string())?.config;
    let Some(addr) = &config.admin_addr else {
        return Err("ADMIN_ADDR is not set, so there is no admin listener".to_owned());
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| format!("the operating system gave no runtime: {error}"))?;
    // The timer needs the runtime.
    let sent = runtime.block_on(async { timeout(LIMIT, send(&config, addr, request)).await });
    match sent {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{addr}: {}", chain(&*error))),
        Err(_) => Err(format!("{addr}: no response within {} s", LIMIT.as_secs())),
    }
}

type SendError = Box<dyn std::error::Error + Send + Sync>;

async fn send(
    config: &Config,
    addr: &ListenAddr,
    request: AdminRequest,
) -> Result<(bool, Bytes), SendError> {
    match addr {
        ListenAddr::Tcp(addr) => {
            let stream = TcpStream::connect(reachable(*addr)).await?;
            exchange(config, stream, request).await
        }
        ListenAddr::Unix(path) => exchange(config, UnixStream::connect(path).await?, request).await,
    }
}

async fn exchange(
    config: &Config,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: AdminRequest,
) -> Result<(bool, Bytes), SendError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let has_form = !request.form.is_empty();
    let mut message = Request::new(Full::new(Bytes::from(request.form)));
    *message.method_mut() = request.method;
    *message.uri_mut() = request.path;
    let headers = message.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if has_form {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
    }
    if let Some(token) = &config.admin_token {
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        // Never an error: the token has visible characters of ASCII only.
        let mut value = value.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let (head, body) = sender.send_request(message).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((head.status.is_success(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<AdminRequest, String> {
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        AdminRequest::parse(&args)
    }

    /// CLI-4
    #[test]
    fn admin_arguments_are_parsed_or_rejected() {
        let request = |method, path: &str, form: &str| {
            Ok(AdminRequest {
                method,
                path: path.parse().expect("a valid path"),
                form: form.to_owned(),
            })
        };
        assert_eq!(parsed(&["/admin"]), request(Method::GET, "/admin", ""));
        assert_eq!(
            parsed(&["DELETE", "/admin/readiness"]),
            request(Method::DELETE, "/admin/readiness", "")
        );
        assert_eq!(
            parsed(&["PUT", "/admin/loglevel", "level=sqlx=DEBUG", "reason=a b"]),
            request(
                Method::PUT,
                "/admin/loglevel",
                "level=sqlx%3DDEBUG&reason=a+b"
            )
        );
        assert_eq!(
            parsed(&["/admin/readiness", "ready=false"]),
            request(Method::PUT, "/admin/readiness", "ready=false")
        );
        assert!(parsed(&[]).is_err_and(|error| error.contains("a path")));
        assert!(parsed(&["GET"]).is_err_and(|error| error.contains("a path")));
        assert!(parsed(&["admin"]).is_err_and(|error| error.contains("begins with /")));
        assert!(parsed(&["http://x/admin"]).is_err());
        assert!(parsed(&["/admin", "ready"]).is_err_and(|error| error.contains("name=value")));
    }
}
