//! Faults under load: nothing acknowledged is lost, nothing stale is read strongly, and writes go on.
//!
//! Clients of every storage node write, compare-and-set, increment and read strongly; the history is judged by the
//! linearizability checker, with a last strong read of every key at the end of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use stator_tests::client::Client;
use stator_tests::history::{self, Action, Recorded};
use stator_tests::workload::{Options, Report, Workload};

use super::endpoints::{self, Endpoint};
use super::installation::{healthy, turn};
use super::kubectl::{self, get, kubectl, run, wait_for};
use super::lifecycle::key;
use super::machine::Machine;

/// The promise is 5 s without an acknowledged write; two cores that also run three kubelets and the clients get more
/// before a test calls it broken. The measured time is printed.
const GAP_LIMIT: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(120);
const WORKERS: u32 = 6;
/// Enough to reach all groups and their leaders; how long they take is the machine's affair.
const SOME_WRITES: u64 = 50;

/// A table of its own for each run: a history begins with no items.
fn manifest(table: &str) -> String {
    format!(
        "
apiVersion: stator.dev/v1alpha1
kind: Table
metadata: {{name: {table}}}
spec:
  tableName: {table}
  attributeDefinitions: [{{attributeName: pk, attributeType: S}}]
  keySchema: [{{attributeName: pk, keyType: HASH}}]
  billingMode: PAY_PER_REQUEST
"
    )
}

struct Load {
    table: String,
    endpoints: Vec<Endpoint>,
    workload: Workload,
}

/// Pods of the storage nodes.
fn pods() -> Vec<String> {
    let pods = get(&["pods", "--selector=stator.dev/storage-cluster=default"]);
    let pods = pods["items"].as_array().unwrap();
    let name = |pod: &serde_json::Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    let pods: Vec<_> = pods.iter().map(name).collect();
    assert_eq!(pods.len(), 3, "{pods:?}");
    pods
}

fn client(endpoint: &Endpoint) -> Client {
    Client::new(&endpoint.url, Some(key()))
}

impl Load {
    async fn start(seed: u64) -> Self {
        let table = format!("history-{seed}-{:08x}", rand::random::<u32>());
        kubectl::apply(&manifest(&table));
        kubectl::wait_condition(&format!("table/{table}"), "Ready", LIMIT);
        let endpoints: Vec<_> = pods()
            .iter()
            .map(|pod| endpoints::storage_pod(pod, 8000))
            .collect();
        let workload = Workload::start(&Options {
            endpoints: endpoints.iter().map(client).collect(),
            table: table.clone(),
            workers: WORKERS,
            seed,
        });
        let load = Self {
            table,
            endpoints,
            workload,
        };
        load.resumes("the start").await;
        load
    }

    async fn resumes(&self, after: &str) {
        let took = self.workload.wait_for_writes(SOME_WRITES, LIMIT).await;
        match took {
            Some(took) => eprintln!(
                "{SOME_WRITES} writes {:.1} s after {after}",
                took.as_secs_f64()
            ),
            None => panic!(
                "writes do not go on after {after}\n{}",
                kubectl::situation()
            ),
        }
    }

    /// As [`Load::judge`], where a majority was left all the time: writes paused only as long as an election takes.
    async fn judge_without_outage(self) {
        let gap = self.judge().await;
        assert!(gap < GAP_LIMIT, "no write was acknowledged for {gap:?}");
    }

    /// Heals, reads every key once more, as a last strong read, and judges the whole. Gives the longest time without an
    /// acknowledged write.
    async fn judge(self) -> Duration {
        healthy();
        let Report {
            mut history,
            acknowledged_writes,
            unknown_writes,
            longest_write_gap,
        } = self.workload.stop().await;
        let end = history
            .iter()
            .filter_map(|recorded| recorded.answer)
            .max()
            .unwrap();
        let keys: BTreeSet<_> = history
            .iter()
            .map(|recorded| recorded.key.clone())
            .collect();
        let clients: Vec<_> = self.endpoints.iter().map(client).collect();
        for (position, key) in keys.into_iter().enumerate() {
            let request =
                json!({"TableName": self.table, "Key": {"pk": {"S": key}}, "ConsistentRead": true});
            let client = &clients[position % clients.len()];
            let answer = client
                .call_until_ok("GetItem", &request, LIMIT)
                .await
                .unwrap();
            let value = answer["Item"]["v"]["N"]
                .as_str()
                .map(|text| text.parse().unwrap());
            history.push(Recorded {
                client: u32::MAX,
                key,
                call: end + 1,
                answer: Some(end + 2),
                action: Action::Read(value),
            });
        }
        eprintln!(
            "{} operations, {acknowledged_writes} acknowledged writes, {unknown_writes} unknown, \
             longest gap {longest_write_gap:?}",
            history.len(),
        );
        if let Err(failure) = history::check(&history) {
            panic!("{failure}");
        }
        // The object alone would go and leave the table; the next run needs neither.
        let annotation = "services.k8s.aws/deletion-policy=delete";
        run(&mut kubectl(&[
            "annotate",
            "table",
            &self.table,
            annotation,
        ]));
        run(&mut kubectl(&[
            "delete",
            "table",
            &self.table,
            "--timeout=60s",
        ]));
        longest_write_gap
    }
}

/// The pod that leads most groups, by the cluster's own account.
async fn busiest_leader() -> String {
    for pod in pods() {
        let endpoint = endpoints::storage_pod(&pod, 7001);
        let admin = Client::new(&endpoint.url, Some(key()));
        let Ok(status) = admin.admin(http::Method::GET, "/v1/cluster").await else {
            continue;
        };
        let mut led = std::collections::BTreeMap::<String, u32>::new();
        for group in status["groups"].as_array().unwrap() {
            if let Some(leader) = group["leader"].as_str() {
                *led.entry(leader.to_owned()).or_default() += 1;
            }
        }
        let busiest = led.into_iter().max_by_key(|(_, groups)| *groups);
        return busiest.expect("nobody leads").0;
    }
    panic!(
        "no storage node answers its admin API\n{}",
        kubectl::situation()
    );
}

fn machine() -> Machine {
    Machine::find().expect("faults need nodes that can be touched: the local cluster or kind")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn the_pod_that_leads_is_killed_under_load() {
    let _turn = turn();
    let (machine, load) = (machine(), Load::start(1).await);
    for round in 1..=2 {
        let leader = busiest_leader().await;
        machine.kill_pods(std::slice::from_ref(&leader));
        load.resumes(&format!("SIGKILL {round} of {leader}")).await;
        healthy();
    }
    load.judge_without_outage().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn a_kube_node_is_cut_off_under_load_and_healed() {
    let _turn = turn();
    let (machine, load) = (machine(), Load::start(2).await);
    let leader = busiest_leader().await;
    let node = get(&["pod", &leader])["spec"]["nodeName"]
        .as_str()
        .unwrap()
        .to_owned();
    machine.cut(&node);
    load.resumes(&format!("the cut of {node}")).await;
    wait_for("Kubernetes to miss the node", LIMIT, || {
        let conditions = get(&["node", &node])["status"]["conditions"].clone();
        let ready = conditions
            .as_array()?
            .iter()
            .find(|condition| condition["type"] == "Ready")?;
        (ready["status"] == "Unknown").then_some(())
    });
    load.resumes("the node was missed").await;
    machine.heal(&node);
    load.resumes("the healing").await;
    load.judge_without_outage().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn all_three_pods_are_killed_at_once_under_load() {
    let _turn = turn();
    let (machine, load) = (machine(), Load::start(3).await);
    machine.kill_pods(&pods());
    // No majority is left until they are up again: kubelet may take its back-off before that.
    let took = load.workload.wait_for_writes(SOME_WRITES, LIMIT).await;
    eprintln!("{SOME_WRITES} writes {took:?} after all three were killed");
    assert!(took.is_some(), "{}", kubectl::situation());
    load.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn a_changed_image_rolls_one_node_at_a_time_and_fails_no_acknowledged_write() {
    let _turn = turn();
    let load = Load::start(4).await;
    let before = started();
    run(&mut kubectl(&[
        "patch",
        "storagecluster",
        "default",
        "--type=merge",
        "--patch",
        &change().to_string(),
    ]));
    wait_for("all pods to be new", LIMIT * 2, || {
        let (now, away) = (started(), away());
        assert!(away.len() < 2, "more than one at once: {away:?}");
        (now.len() == 3 && now.iter().all(|pod| !before.contains(pod))).then_some(())
    });
    load.resumes("the roll").await;
    load.judge_without_outage().await;
}

/// What rolls the storage nodes: another image where one is there, else resources, which change nothing else.
fn change() -> serde_json::Value {
    match std::env::var("STATOR_NEXT_STORAGE_NODE_IMAGE") {
        Ok(image) => json!({"spec": {"image": image}}),
        Err(_) => {
            json!({"spec": {"resources": {"requests": {"cpu": "110m", "memory": "256Mi"}}}})
        }
    }
}

/// Storage pods that stop, are not there, or are not ready.
fn away() -> Vec<String> {
    let sets = get(&[
        "statefulsets",
        "--selector=stator.dev/storage-cluster=default",
    ]);
    let pods = get(&["pods", "--selector=stator.dev/storage-cluster=default"]);
    let serves = |pod: &serde_json::Value| {
        let conditions = pod["status"]["conditions"].as_array();
        pod["metadata"]["deletionTimestamp"].is_null()
            && conditions.is_some_and(|conditions| {
                conditions
                    .iter()
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
            })
    };
    let pods = pods["items"].as_array().unwrap();
    let serving: Vec<_> = pods.iter().filter(|pod| serves(pod)).collect();
    let sets = sets["items"].as_array().unwrap();
    assert_eq!(sets.len(), 3, "{sets:?}");
    let names = sets
        .iter()
        .map(|set| format!("{}-0", set["metadata"]["name"].as_str().unwrap()));
    names
        .filter(|name| serving.iter().all(|pod| pod["metadata"]["name"] != **name))
        .collect()
}

/// The uids of the storage pods.
fn started() -> BTreeSet<String> {
    let pods = get(&["pods", "--selector=stator.dev/storage-cluster=default"]);
    let pods = pods["items"].as_array().unwrap();
    pods.iter()
        .map(|pod| pod["metadata"]["uid"].to_string())
        .collect()
}
