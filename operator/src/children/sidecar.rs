//! The cache that a pod asks for by an annotation: a native sidecar (ADR 0020).
//!
//! Only names go into it, and nothing is looked up: a pod may be there before its DaxCluster is.

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use serde_json::{Value, json};

use super::{
    container_security_context, extend,
    secrets::{ACCESS_KEY_ID, SECRET_ACCESS_KEY},
};
use crate::{
    defaults::Defaults,
    diff::quantity,
    names::{DAX_PORT, DAX_TLS_PORT, DaxNames},
};

/// Asks for a cache, and names the DaxCluster of the pod's namespace that it is behind; `false` does not ask.
pub const SIDECAR_ANNOTATION: &str = "stator.dev/dax-sidecar";
/// Names the Secret with the application's access key; default: the root key of the storage cluster of that name.
pub const CREDENTIALS_ANNOTATION: &str = "stator.dev/dax-sidecar-credentials";
/// What the cache may hold, as a quantity; default [`MEMORY_DEFAULT`].
pub const MEMORY_ANNOTATION: &str = "stator.dev/dax-sidecar-memory";
/// Names a Secret with a `ca.crt`: the way to the DaxCluster is under TLS then, verified against it.
pub const CA_ANNOTATION: &str = "stator.dev/dax-sidecar-ca";

/// Name of the container and the prefix of its volumes.
pub const CONTAINER: &str = "stator-dax";

const MEMORY_DEFAULT: &str = "64Mi";
/// The least that `--cache-size-bytes` takes.
const MEMORY_BYTES_MIN: i128 = 1024 * 1024;
/// The most: a cache of a terabyte is a mistake.
const MEMORY_BYTES_MAX: i128 = 1 << 40;
/// Liveness and metrics of the sidecar: not the port of a cache node, which the application may want itself.
const OPS_PORT: u16 = 19_091;

/// What is to be done with a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Injection {
    /// Nothing: it does not ask, or has it.
    Nothing,
    /// These operations (RFC 6902).
    Patch(Vec<Value>),
    /// It cannot have what it asks for, and why.
    Refused(String),
}

/// What is to be done with a pod that is about to be made in that namespace.
pub fn inject(pod: &Pod, namespace: &str, defaults: &Defaults) -> Injection {
    let Some(asked) = annotation(pod, SIDECAR_ANNOTATION).filter(|value| *value != "false") else {
        return Injection::Nothing;
    };
    let Some(spec) = &pod.spec else {
        return Injection::Nothing;
    };
    // Ours need no cache, least of all the one that would put it there.
    if namespace == defaults.operator_namespace || has_sidecar(spec) {
        return Injection::Nothing;
    }
    match container(pod, spec, asked, namespace, defaults) {
        Ok((container, volumes)) => Injection::Patch(patch(spec, container, volumes, defaults)),
        Err(reason) => Injection::Refused(reason),
    }
}

fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(name).map(String::as_str)
}

fn has_sidecar(spec: &PodSpec) -> bool {
    let init = spec.init_containers.iter().flatten();
    init.chain(&spec.containers)
        .any(|container| container.name == CONTAINER)
}

/// The container and the volumes that it wants.
fn container(
    pod: &Pod,
    spec: &PodSpec,
    asked: &str,
    namespace: &str,
    defaults: &Defaults,
) -> Result<(Value, Vec<Value>), String> {
    if spec.host_network == Some(true) {
        return Err(format!(
            "{SIDECAR_ANNOTATION}: a pod with hostNetwork shares its loopback interface with the whole node"
        ));
    }
    let cluster = name(SIDECAR_ANNOTATION, asked, "a DaxCluster")?;
    let credentials = match annotation(pod, CREDENTIALS_ANNOTATION) {
        Some(given) => name(CREDENTIALS_ANNOTATION, given, "a Secret")?.to_owned(),
        None => format!("{cluster}-root"),
    };
    let authority = annotation(pod, CA_ANNOTATION)
        .map(|given| name(CA_ANNOTATION, given, "a Secret"))
        .transpose()?;
    let memory = annotation(pod, MEMORY_ANNOTATION).unwrap_or(MEMORY_DEFAULT);
    let memory_bytes = quantity(memory)
        .map(|thousandths| thousandths / 1_000)
        .filter(|bytes| (MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(bytes))
        .ok_or_else(|| {
            format!("{MEMORY_ANNOTATION}: {memory:?} is not a quantity of bytes from 1Mi to 1Ti")
        })?;
    let names = DaxNames {
        cluster: cluster.to_owned(),
        namespace: namespace.to_owned(),
    };
    let host = format!("{}.{namespace}.svc", names.service());
    let endpoint = match authority {
        Some(_) => format!("https://{host}:{DAX_TLS_PORT}"),
        None => format!("http://{host}:{DAX_PORT}"),
    };
    let key = |name: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": credentials, "key": name}}});
    let live = json!({"path": "/livez", "port": OPS_PORT});
    let mebibytes = (memory_bytes >> 20) * 5 / 4 + 32;
    let mut security = container_security_context();
    // The pod's own context may say something else, for its own containers.
    extend(
        &mut security,
        json!({
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }),
    );
    let data = format!("{CONTAINER}-data");
    let mut mounts = vec![json!({"name": data, "mountPath": "/data"})];
    let mut volumes = vec![json!({"name": data, "emptyDir": {}})];
    let mut args = vec![
        format!("--cluster={endpoint}"),
        format!("--listen=127.0.0.1:{DAX_PORT}"),
        format!("--ops-listen=0.0.0.0:{OPS_PORT}"),
        "--data-dir=/data".to_owned(),
        format!("--cache-size-bytes={memory_bytes}"),
    ];
    if let Some(secret) = authority {
        let volume = format!("{CONTAINER}-ca");
        args.push("--cluster-ca-file=/etc/stator/ca/ca.crt".to_owned());
        mounts.push(json!({"name": volume, "mountPath": "/etc/stator/ca", "readOnly": true}));
        // The certificate alone: the Secret may hold a private key.
        let items = json!([{"key": "ca.crt", "path": "ca.crt"}]);
        volumes.push(json!({"name": volume, "secret": {"secretName": secret, "items": items}}));
    }
    let container = json!({
        "name": CONTAINER,
        "image": defaults.dax_proxy_image,
        "imagePullPolicy": defaults.image_pull_policy,
        // A native sidecar: it starts before the others, and a Job does not wait for its end.
        "restartPolicy": "Always",
        "command": ["/usr/local/bin/dax-proxy", "sidecar"],
        "args": args,
        "env": [key(ACCESS_KEY_ID), key(SECRET_ACCESS_KEY)],
        "ports": [{"name": "stator-dax-ops", "containerPort": OPS_PORT, "protocol": "TCP"}],
        // The application starts when its cache listens. Whether the cluster answers is not the pod's readiness.
        "startupProbe": {"httpGet": live, "periodSeconds": 1, "failureThreshold": 90, "timeoutSeconds": 2},
        "livenessProbe": {"httpGet": live, "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
        "securityContext": security,
        "resources": {"requests": {"cpu": "10m", "memory": format!("{mebibytes}Mi")}},
        "volumeMounts": mounts,
    });
    Ok((container, volumes))
}

/// The name of an object, checked as Kubernetes does, so that the refusal says which annotation is wrong.
fn name<'a>(annotation: &str, text: &'a str, what: &str) -> Result<&'a str, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(inner) && text.bytes().last().is_some_and(inner);
    let all = text
        .bytes()
        .all(|byte| inner(byte) || byte == b'-' || byte == b'.');
    if ends && all && text.len() <= 253 {
        Ok(text)
    } else {
        Err(format!("{annotation}: {text:?} is not the name of {what}"))
    }
}

/// The container before all others, which may want it; everything else behind what is there.
fn patch(spec: &PodSpec, container: Value, volumes: Vec<Value>, defaults: &Defaults) -> Vec<Value> {
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let mut operations = Vec::new();
    match &spec.init_containers {
        Some(_) => operations.push(add("/spec/initContainers/0", container)),
        None => operations.push(add("/spec/initContainers", json!([container]))),
    }
    match &spec.volumes {
        Some(_) => {
            let each = volumes.into_iter();
            operations.extend(each.map(|volume| add("/spec/volumes/-", volume)));
        }
        None => operations.push(add("/spec/volumes", json!(volumes))),
    }
    let there = |secret: &Value| {
        spec.image_pull_secrets
            .iter()
            .flatten()
            .any(|there| secret.get("name").and_then(Value::as_str) == Some(&there.name))
    };
    let missing: Vec<Value> = defaults
        .image_pull_secrets
        .iter()
        .map(|secret| json!(secret))
        .filter(|secret| !there(secret))
        .collect();
    if missing.is_empty() {
        return operations;
    }
    match &spec.image_pull_secrets {
        Some(_) => {
            let each = missing.into_iter();
            operations.extend(each.map(|secret| add("/spec/imagePullSecrets/-", secret)));
        }
        None => operations.push(add("/spec/imagePullSecrets", json!(missing))),
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(annotations: Value, spec: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"annotations": annotations},
            "spec": spec,
        }))
        .unwrap()
    }

    fn plain() -> Value {
        json!({"containers": [{"name": "app", "image": "app"}]})
    }

    fn injected(pod: &Pod) -> Vec<Value> {
        match inject(pod, "shop", &Defaults::default()) {
            Injection::Patch(operations) => operations,
            other => panic!("{other:?}"),
        }
    }

    /// The pod as the API server makes it of the operations; what k8s-openapi's structs do not know is lost in it.
    fn patched(pod: &Pod) -> Pod {
        let mut whole = serde_json::to_value(pod).unwrap();
        for operation in injected(pod) {
            assert_eq!(operation["op"], "add");
            let path = operation["path"].as_str().unwrap();
            let (parent, last) = path.rsplit_once('/').unwrap();
            let parent = whole.pointer_mut(parent).unwrap();
            let value = operation["value"].clone();
            match (parent, last) {
                (Value::Array(list), "-") => list.push(value),
                (Value::Array(list), index) => list.insert(index.parse().unwrap(), value),
                (Value::Object(object), name) => drop(object.insert(name.to_owned(), value)),
                other => panic!("{other:?}"),
            }
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_pod_that_asks_gets_a_native_sidecar_before_its_other_containers() {
        let asks = || json!({SIDECAR_ANNOTATION: "default"});
        let patched_plain = patched(&pod(asks(), plain()));
        let spec = patched_plain.spec.unwrap();
        let init = spec.init_containers.unwrap();
        let sidecar = &init[0];
        assert_eq!(
            (
                init.len(),
                sidecar.name.as_str(),
                sidecar.restart_policy.as_deref()
            ),
            (1, CONTAINER, Some("Always"))
        );
        let args = sidecar.args.as_ref().unwrap();
        assert!(args.contains(&"--cluster=http://dax.shop.svc:8111".to_owned()));
        assert!(args.contains(&"--cache-size-bytes=67108864".to_owned()));
        let env = serde_json::to_value(&sidecar.env).unwrap();
        assert_eq!(
            env[0]["valueFrom"]["secretKeyRef"],
            json!({"name": "default-root", "key": "AWS_ACCESS_KEY_ID"})
        );
        assert_eq!(spec.volumes.unwrap().len(), 1);
        assert_eq!(spec.containers.len(), 1);
        // Every field is known to the API: nothing was lost on the way through its types.
        let written = injected(&pod(asks(), plain()));
        assert!(crate::diff::covers(
            &serde_json::to_value(sidecar).unwrap(),
            &written[0]["value"][0]
        ));

        let full = json!({
            "initContainers": [{"name": "migrate", "image": "app"}],
            "containers": [{"name": "app", "image": "app"}],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        });
        let spec = patched(&pod(asks(), full)).spec.unwrap();
        let names: Vec<_> = spec
            .init_containers
            .iter()
            .flatten()
            .map(|container| container.name.as_str())
            .collect();
        assert_eq!(names, [CONTAINER, "migrate"]);
        assert_eq!(spec.volumes.unwrap().len(), 2);
    }

    #[test]
    fn annotations_say_which_cluster_key_memory_and_authority() {
        let pod = pod(
            json!({
                SIDECAR_ANNOTATION: "big",
                CREDENTIALS_ANNOTATION: "app-key",
                MEMORY_ANNOTATION: "1Gi",
                CA_ANNOTATION: "big-dax-tls",
            }),
            plain(),
        );
        let spec = patched(&pod).spec.unwrap();
        let sidecar = &spec.init_containers.as_ref().unwrap()[0];
        let args = sidecar.args.as_ref().unwrap();
        for argument in [
            "--cluster=https://big-dax.shop.svc:9111",
            "--cache-size-bytes=1073741824",
            "--cluster-ca-file=/etc/stator/ca/ca.crt",
        ] {
            assert!(args.contains(&argument.to_owned()), "{argument}: {args:?}");
        }
        let env = serde_json::to_value(&sidecar.env).unwrap();
        assert_eq!(env[1]["valueFrom"]["secretKeyRef"]["name"], "app-key");
        let volumes = serde_json::to_value(&spec.volumes).unwrap();
        assert_eq!(
            volumes[1]["secret"],
            json!({"secretName": "big-dax-tls", "items": [{"key": "ca.crt", "path": "ca.crt"}]})
        );
    }

    #[test]
    fn who_does_not_ask_or_has_it_is_left_alone() {
        let asks = || json!({SIDECAR_ANNOTATION: "default"});
        let defaults = Defaults::default();
        let nothing = |pod: &Pod, namespace: &str| {
            assert_eq!(inject(pod, namespace, &defaults), Injection::Nothing);
        };
        nothing(&pod(json!({}), plain()), "shop");
        nothing(&pod(json!({SIDECAR_ANNOTATION: "false"}), plain()), "shop");
        nothing(&pod(asks(), plain()), &defaults.operator_namespace);
        nothing(&patched(&pod(asks(), plain())), "shop");
    }

    #[test]
    fn what_cannot_be_is_refused_by_the_name_of_its_annotation() {
        for (annotation, value) in [
            (SIDECAR_ANNOTATION, ""),
            (SIDECAR_ANNOTATION, "other/default"),
            (CREDENTIALS_ANNOTATION, "-x"),
            (CA_ANNOTATION, "A"),
            (MEMORY_ANNOTATION, "much"),
            (MEMORY_ANNOTATION, "1Ki"),
            (MEMORY_ANNOTATION, "-1Gi"),
            (MEMORY_ANNOTATION, "2Ti"),
        ] {
            let mut annotations = json!({SIDECAR_ANNOTATION: "default"});
            extend(&mut annotations, json!({annotation: value}));
            let refused = inject(&pod(annotations, plain()), "shop", &Defaults::default());
            let Injection::Refused(reason) = refused else {
                panic!("{annotation} {value:?}: {refused:?}");
            };
            assert!(reason.starts_with(&format!("{annotation}: ")), "{reason}");
        }
        let mut host = plain();
        extend(&mut host, json!({"hostNetwork": true}));
        let host = pod(json!({SIDECAR_ANNOTATION: "default"}), host);
        assert!(matches!(
            inject(&host, "shop", &Defaults::default()),
            Injection::Refused(_)
        ));
    }

    #[test]
    fn secrets_for_pulling_are_added_once() {
        let mut defaults = Defaults::default();
        let secret = |name: &str| json!({"name": name}).as_object().unwrap().clone();
        defaults.image_pull_secrets = vec![secret("a"), secret("b")];
        let mut spec = plain();
        extend(&mut spec, json!({"imagePullSecrets": [{"name": "a"}]}));
        let pod = pod(json!({SIDECAR_ANNOTATION: "default"}), spec);
        let Injection::Patch(operations) = inject(&pod, "shop", &defaults) else {
            panic!("no patch");
        };
        let added: Vec<_> = operations
            .iter()
            .filter(|operation| operation["path"] == "/spec/imagePullSecrets/-")
            .collect();
        assert_eq!(added.len(), 1);
        assert_eq!(added[0]["value"], json!({"name": "b"}));
    }
}
