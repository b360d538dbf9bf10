//! The control plane: etcd, API server, controllers, scheduler, service rules, DNS, volume provisioner.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::addresses::{
    API_SERVER, API_SERVER_SERVICE, CONTROL_ADDRESS, NODES, POD_RANGE, SERVICE_RANGE,
};
use super::files::{Files, write};
use super::namespaces;
use super::processes::{Pid, wait_for};
use super::programs::Programs;

/// The default StorageClass, served by the harness's own provisioner.
pub(super) const STORAGE_CLASS: &str = include_str!("storage_class.yaml");

/// Starts everything but service rules and volume provisioner, and waits for the API server.
pub(super) fn start(files: &Files, programs: &Programs, holder: Pid) -> Result<()> {
    let certificates = files.certificates();
    let certificates = certificates.display();
    let root = files.text();
    let start = |program: &Path, arguments: String| {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let mut command = vec![program.display().to_string()];
        command.extend(arguments.split_whitespace().map(str::to_owned));
        namespaces::start(files, holder, &name, &command)
    };

    // A test's data does not outlive the machine: no fsync.
    start(
        &programs.etcd(),
        format!(
            "--data-dir={root}/etcd --unsafe-no-fsync --listen-client-urls=http://127.0.0.1:2379
             --advertise-client-urls=http://127.0.0.1:2379 --listen-peer-urls=http://127.0.0.1:2380
             --initial-advertise-peer-urls=http://127.0.0.1:2380
             --initial-cluster=default=http://127.0.0.1:2380 --logger=zap --log-level=warn"
        ),
    )?;
    // --advertise-address: there is no default route to guess it from.
    start(
        &programs.kube_apiserver(),
        format!(
            "--etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0
             --advertise-address={CONTROL_ADDRESS} --service-cluster-ip-range={SERVICE_RANGE}
             --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction
             --allow-privileged=true --cert-dir={certificates} --client-ca-file={certificates}/ca.crt
             --tls-cert-file={certificates}/kube-apiserver.crt
             --tls-private-key-file={certificates}/kube-apiserver.key
             --kubelet-certificate-authority={certificates}/ca.crt
             --kubelet-client-certificate={certificates}/admin.crt
             --kubelet-client-key={certificates}/admin.key
             --kubelet-preferred-address-types=InternalIP
             --service-account-issuer=https://kubernetes.default.svc.cluster.local
             --service-account-key-file={certificates}/service-accounts.pub
             --service-account-signing-key-file={certificates}/service-accounts.key"
        ),
    )?;
    wait_for(
        "the API server",
        Duration::from_secs(60),
        &files.log().join("kube-apiserver.log"),
        || {
            let output = namespaces::enter(holder, &["--net"])
                .arg(programs.kubectl())
                .arg("--kubeconfig")
                .arg(files.kubeconfig("admin"))
                .args(["get", "--raw", "/readyz"])
                .output()
                .context("kubectl")?;
            Ok(output.status.success())
        },
    )?;

    // A lost node shows as such after 20 s instead of 40: tests wait for it.
    start(
        &programs.kube_controller_manager(),
        format!(
            "--kubeconfig={root}/kube-controller-manager.kubeconfig --leader-elect=false
             --bind-address=127.0.0.1 --use-service-account-credentials=true
             --service-account-private-key-file={certificates}/service-accounts.key
             --root-ca-file={certificates}/ca.crt --node-monitor-grace-period=20s"
        ),
    )?;
    start(
        &programs.kube_scheduler(),
        format!(
            "--kubeconfig={root}/kube-scheduler.kubeconfig --leader-elect=false
             --bind-address=127.0.0.1"
        ),
    )?;
    write(&files.root().join("Corefile"), &dns_config(files))?;
    start(&programs.coredns(), format!("-conf={root}/Corefile"))
}

/// Service rules here too: the API server reaches webhooks, and tests reach Services, by ClusterIP.
///
/// kube-proxy wants to be on a node, and waits half a minute for it otherwise: it is told that it is on the first
/// one, which matters only for traffic that must stay on a node. It ends when that node is deleted, hence the loop.
pub(super) fn start_service_rules(files: &Files, programs: &Programs, holder: Pid) -> Result<()> {
    let [host, ..] = &NODES;
    let config = files.root().join("kube-proxy.yaml");
    write(&config, &proxy_config(files, host.name))?;
    let command = format!(
        "while :; do {} --config={}; sleep 1; done",
        programs.kube_proxy().display(),
        config.display()
    );
    namespaces::start(
        files,
        holder,
        "kube-proxy",
        &["sh".to_owned(), "-c".to_owned(), command],
    )
}

/// Starts the provisioner of the default StorageClass from a copy of this program, so that a new build does not
/// pull it away under the running one.
pub(super) fn start_volume_provisioner(files: &Files, holder: Pid, program: &Path) -> Result<()> {
    let copy = files.root().join("volume-provisioner");
    fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
    let command = [
        copy.display().to_string(),
        "volume-provisioner".to_owned(),
        format!("--kubeconfig={}", files.kubeconfig("admin").display()),
        format!("--root={}", files.volumes().display()),
    ];
    namespaces::start(files, holder, "volume-provisioner", &command)
}

/// Waits until the DNS server knows Services.
pub(super) fn wait_for_dns(files: &Files, holder: Pid) -> Result<()> {
    wait_for(
        "the DNS server",
        Duration::from_secs(20),
        &files.log().join("coredns.log"),
        || {
            let output = namespaces::enter(holder, &["--mount", "--net"])
                .args(["getent", "hosts", "kubernetes.default.svc.cluster.local"])
                .output()
                .context("getent")?;
            Ok(output.status.success())
        },
    )
}

/// Waits until the API server answers at its own ClusterIP.
pub(super) fn wait_for_service_rules(
    files: &Files,
    programs: &Programs,
    holder: Pid,
) -> Result<()> {
    wait_for(
        "the service rules",
        Duration::from_secs(45),
        &files.log().join("kube-proxy.log"),
        || {
            let output = namespaces::enter(holder, &["--net"])
                .arg(programs.kubectl())
                .arg("--kubeconfig")
                .arg(files.kubeconfig("admin"))
                .arg(format!("--server=https://{API_SERVER_SERVICE}"))
                .args(["--request-timeout=1s", "get", "--raw", "/readyz"])
                .output()
                .context("kubectl")?;
            Ok(output.status.success())
        },
    )
}

/// kube-proxy's configuration on a host of the given name.
pub(super) fn proxy_config(files: &Files, host: &str) -> String {
    let root = files.text();
    format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: {host}
clusterCIDR: {POD_RANGE}
clientConnection: {{kubeconfig: {root}/kube-proxy.kubeconfig}}
# The size of the connection table belongs to the machine: leave it.
conntrack: {{maxPerCore: 0, min: 0}}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
"
    )
}

fn dns_config(files: &Files) -> String {
    let kubeconfig = files.kubeconfig("admin");
    let kubeconfig = kubeconfig.display();
    // Names outside the cluster do not exist, and that is said at once.
    format!(
        "cluster.local:53 {{
    bind {CONTROL_ADDRESS}
    errors
    kubernetes cluster.local {{
        endpoint {API_SERVER}
        kubeconfig {kubeconfig}
        ttl 1
    }}
    cache 1
}}
.:53 {{
    bind {CONTROL_ADDRESS}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"
    )
}
