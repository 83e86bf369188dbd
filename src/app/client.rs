//! Makes the client that speaks to the API server: one HTTP/2 connection that notices when the other side is gone.
//!
//! kube's own default has one HTTP/1.1 connection for each watch and finds a silently dead one after five minutes; here
//! all watches share a connection that is pinged, as client-go does.

use std::path::Path;
use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustls::pki_types::ServerName;
use tower::{BoxError, ServiceBuilder};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Silence after which the other side is asked whether it is there, and how long it has to answer.
const PING: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(15));

/// Window for the whole connection: one slow watch must not hold up the others.
const WINDOW: u32 = 16 << 20;

/// A client for the cluster of a kubeconfig, else of the pod this runs in, else of `KUBECONFIG` or `~/.kube/config`. The
/// error says what to do. Does not speak to the API server yet.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, String> {
    let config = match (kubeconfig, Config::incluster()) {
        (None, Ok(pod)) => pod,
        (None, Err(_)) => {
            let file = Kubeconfig::read().map_err(|error| {
                format!(
                    "this is not a pod of a cluster, and there is no usable kubeconfig ({error}): give --kubeconfig FILE, \
                     or --manifests DIR to serve a directory"
                )
            })?;
            from_file(file, "the kubeconfig").await?
        }
        (Some(path), _) => {
            let name = path.display().to_string();
            let file = Kubeconfig::read_from(path)
                .map_err(|e| format!("{name}: {e}: give the path of a working kubeconfig to --kubeconfig"))?;
            from_file(file, &name).await?
        }
    };
    client(&config)
        .map_err(|error| format!("the API server's address or credentials are not usable: {error}"))
}

async fn from_file(file: Kubeconfig, name: &str) -> Result<Config, String> {
    let proxied = file.clusters.iter().find_map(|named| named.cluster.as_ref()?.proxy_url.as_ref());
    if let Some(proxy) = proxied {
        return Err(format!("{name} names the proxy-url {proxy}, which is not supported: remove it"));
    }
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| {
        format!("{name} cannot be used ({error}): correct it, or name another with --kubeconfig")
    })?;
    // A proxy of the environment is for the web: API servers are reached directly.
    config.proxy_url = None;
    Ok(config)
}

fn client(config: &Config) -> kube::Result<Client> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PING.0));
    // kube builds its TLS with the process's default; an error says that there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut https =
        HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone()).map_err(|e| kube::Error::Service(e.into()))?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let https = https.enable_all_versions().wrap_connector(tcp);
    let http = HttpClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING.0)
        .http2_keep_alive_timeout(PING.1)
        .http2_keep_alive_while_idle(true)
        .http2_initial_connection_window_size(WINDOW)
        .build::<_, Body>(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}
