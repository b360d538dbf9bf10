//! A cache cluster of several nodes: scaled, its primary killed, restarted node by node, under stock clients that look at
//! every read for a value older than what was acknowledged before it (M10 to M12, invariant 6).

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use super::clients;
use super::endpoints::{self, Endpoint};
use super::installation::{healthy, turn};
use super::kubectl::{get, kubectl, run, wait_for};
use super::machine::Machine;

/// For pods to come and go.
const LIMIT: Duration = Duration::from_secs(180);

/// The clients, in a process of their own.
struct Load {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Load {
    fn start(endpoint: &Endpoint) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kube/cache_cluster.py");
        let mut command = clients::client(clients::python(), endpoint);
        let mut child = command
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Says what happens next, and gets what has happened since the last time: `ERRORS READS WRITES`.
    fn phase(&mut self, name: &str) -> (u64, u64, u64) {
        use std::io::Write as _;
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{name}").unwrap();
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        eprintln!("before {name}: {line}");
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map(|number| number.parse().unwrap_or_else(|_| panic!("{line}")))
            .collect();
        (numbers[0], numbers[1], numbers[2])
    }

    /// What has happened went without an error, and something did happen.
    fn undisturbed(&mut self, next: &str) {
        let (errors, reads, writes) = self.phase(next);
        assert_eq!(errors, 0, "before {next}");
        assert!(reads > 10 && writes > 1, "before {next}: {reads}, {writes}");
    }

    fn end(mut self) {
        self.phase("end");
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "an old value was read: see above");
    }
}

fn scale(replicas: u64) {
    let patch = format!("{{\"spec\": {{\"replicas\": {replicas}}}}}");
    run(&mut kubectl(&[
        "patch",
        "daxcluster",
        "default",
        "--type=merge",
        "--patch",
        &patch,
    ]));
    settled(replicas);
}

fn settled(replicas: u64) {
    wait_for(&format!("{replicas} cache nodes"), LIMIT, || {
        let set = get(&["statefulset", "default-dax"]);
        let status = &set["status"];
        let generation = status["observedGeneration"] == set["metadata"]["generation"];
        let all = ["replicas", "readyReplicas", "updatedReplicas"];
        let all = all.iter().all(|count| status[*count] == replicas);
        (generation && all && status["currentRevision"] == status["updateRevision"]).then_some(())
    });
}

fn primary() -> Option<String> {
    let cluster = get(&["daxcluster", "default"]);
    cluster["status"]["primary"].as_str().map(ToOwned::to_owned)
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn a_cache_cluster_scales_promotes_and_restarts_under_load() {
    let _turn = turn();
    let machine = Machine::find();
    let endpoint = endpoints::service("dax", 8111);
    wait_for("a primary", LIMIT, primary);
    let mut load = Load::start(&endpoint);
    std::thread::sleep(Duration::from_secs(5)); // of one node, for comparison
    load.undisturbed("scaling to three");
    scale(3);
    load.undisturbed("killing the primary");

    let killed = primary().unwrap();
    match &machine {
        Some(machine) => machine.kill_pods(std::slice::from_ref(&killed)),
        None => {
            run(&mut kubectl(&["delete", "pod", &killed, "--force"]));
        }
    }
    wait_for("a promotion", LIMIT, || {
        primary().filter(|now| *now != killed)
    });
    let event = wait_for("an Event", LIMIT, || {
        let events = get(&["events", "--field-selector=reason=PrimaryChanged"]);
        let mut notes = events["items"].as_array().unwrap().iter();
        let note = format!("it was {killed}");
        let said = |event: &&serde_json::Value| {
            event["message"]
                .as_str()
                .is_some_and(|message| message.contains(&note))
        };
        notes.find(said).cloned()
    });
    assert_eq!(event["type"], "Normal");
    settled(3);
    // A killed node takes what was on its way to it along; then clients go on.
    load.phase("scaling to two");
    scale(2);
    load.undisturbed("restarting");
    run(&mut kubectl(&[
        "rollout",
        "restart",
        "statefulset",
        "default-dax",
    ]));
    settled(2);
    load.undisturbed("scaling to one");
    scale(1);
    load.undisturbed("end of it");
    load.end();
    healthy();
}
