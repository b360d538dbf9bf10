use std::collections::BTreeMap;

use futures::future::BoxFuture;
use stator_kit::rng::SeededRandom;
use tempfile::TempDir;

use super::*;
use crate::rpc::TransportError;

/// Nodes in one process; a missing one does not answer.
#[derive(Clone, Default)]
struct Loopback {
    nodes: Arc<Mutex<BTreeMap<NodeId, Arc<Bootstrap>>>>,
}

impl Transport for Loopback {
    fn call(
        &self,
        to: NodeId,
        _service: Service,
        payload: Bytes,
        _deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let node = self.nodes.lock().get(&to).cloned();
        Box::pin(async move {
            match node {
                Some(node) => Ok(node.answer(&payload)),
                None => Err(TransportError::NotSent {
                    to,
                    reason: "down".to_owned(),
                }),
            }
        })
    }
}

struct Fixture {
    net: Loopback,
    dirs: Vec<TempDir>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Fixture {
    fn new() -> Self {
        let dirs = NAMES.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        Self {
            net: Loopback::default(),
            dirs,
        }
    }

    fn start(&self, at: usize) -> Arc<Bootstrap> {
        let options = BootstrapOptions {
            data_dir: self.dirs[at].path().to_owned(),
            name: NAMES[at].to_owned(),
            rack: format!("rack-{at}"),
            peers: NAMES.map(str::to_owned).to_vec(),
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            groups: 3,
        };
        let node = Bootstrap::open(options).unwrap();
        self.net
            .nodes
            .lock()
            .insert(node_id_at(at), Arc::clone(&node));
        node
    }

    async fn step(&self, node: &Arc<Bootstrap>) {
        node.look_around(&self.net, &SeededRandom::new(1))
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn three_empty_volumes_become_one_cluster() {
    let fixture = Fixture::new();
    let nodes = [fixture.start(0), fixture.start(1), fixture.start(2)];
    let random = SeededRandom::new(7);
    let (a, b, c) = tokio::join!(
        nodes[0].run(&fixture.net, &random),
        nodes[1].run(&fixture.net, &random),
        nodes[2].run(&fixture.net, &random),
    );
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!(a.founding, b.founding);
    assert_eq!(a.founding, c.founding);
    assert_eq!([a.node_id, b.node_id, c.node_id], [1, 2, 3]);
    assert!(a.complete);
    assert_eq!(a.founding.groups.len(), 4);
    // Data groups prefer different leaders.
    assert_eq!(a.founding.groups[1][0], 1);
    assert_eq!(a.founding.groups[2][0], 2);
}

#[tokio::test]
async fn nothing_begins_while_a_listed_peer_is_silent() {
    let fixture = Fixture::new();
    let a = fixture.start(0);
    let _b = fixture.start(1);
    fixture.step(&a).await;
    assert!(a.volume.lock().is_none());
    assert_eq!(
        *a.outcome().borrow(),
        Outcome::Waiting("no answer yet from c".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_wiped_volume_does_not_vote_and_says_why() {
    let mut fixture = Fixture::new();
    let nodes = [fixture.start(0), fixture.start(1), fixture.start(2)];
    let random = SeededRandom::new(7);
    let (a, b, _) = tokio::join!(
        nodes[0].run(&fixture.net, &random),
        nodes[1].run(&fixture.net, &random),
        nodes[2].run(&fixture.net, &random),
    );
    a.unwrap();
    b.unwrap();
    nodes[1].record_complete().unwrap();
    for wiped in [0, 2] {
        fixture.dirs[wiped] = tempfile::tempdir().unwrap();
        let node = fixture.start(wiped);
        fixture.step(&node).await;
        fixture.step(&node).await;
        let outcome = node.outcome().borrow().clone();
        assert!(
            matches!(&outcome, Outcome::NotVoting(reason) if reason.contains("is empty, but cluster")),
            "{outcome:?}"
        );
        assert!(node.volume.lock().is_none(), "no identity was made up");
    }
}

#[tokio::test]
async fn a_founder_that_crashed_between_peers_goes_on_with_the_same_plan() {
    let fixture = Fixture::new();
    let nodes = [fixture.start(0), fixture.start(1), fixture.start(2)];
    fixture.step(&nodes[0]).await;
    // The third is gone while the plan is handed out.
    let third = fixture.net.nodes.lock().remove(&node_id_at(2)).unwrap();
    let held = nodes[0].volume.lock().clone().unwrap();
    nodes[0].hand_out(held.clone(), &fixture.net).await.unwrap();
    assert!(!nodes[0].volume.lock().as_ref().unwrap().complete);
    assert!(nodes[1].volume.lock().is_some());
    // The founder restarts from its volume, the third comes back.
    let again = fixture.start(0);
    fixture
        .net
        .nodes
        .lock()
        .insert(node_id_at(2), Arc::clone(&third));
    let identity = again
        .run(&fixture.net, &SeededRandom::new(99))
        .await
        .unwrap();
    assert_eq!(identity.founding, held.founding);
    assert_eq!(
        third.volume.lock().as_ref().unwrap().founding,
        held.founding
    );
}

#[test]
fn flags_that_contradict_the_volume_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = BootstrapOptions {
        data_dir: dir.path().to_owned(),
        name: "a".to_owned(),
        rack: String::new(),
        peers: vec!["a".to_owned()],
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        groups: 1,
    };
    let node = Bootstrap::open(options.clone()).unwrap();
    let plan = node.mint(&[node.report()], &SeededRandom::new(1));
    node.accept(plan).unwrap();
    assert!(Bootstrap::open(options.clone()).is_ok());
    let moved = BootstrapOptions {
        region: "eu-west-1".to_owned(),
        ..options
    };
    let refused = Bootstrap::open(moved).err().unwrap().to_string();
    assert!(
        refused.contains("region us-east-1") && refused.contains("region eu-west-1"),
        "{refused}"
    );
}

#[test]
fn six_nodes_in_three_racks_give_every_group_three_racks() {
    let nodes: Vec<FoundingNode> = (0..6)
        .map(|at| FoundingNode {
            node_id: at + 1,
            name: format!("n{at}"),
            rack: format!("rack-{}", at / 2),
        })
        .collect();
    for voters in place_groups(&nodes, 12) {
        let racks: std::collections::BTreeSet<&str> = voters
            .iter()
            .map(|id| {
                nodes
                    .iter()
                    .find(|n| n.node_id == *id)
                    .unwrap()
                    .rack
                    .as_str()
            })
            .collect();
        assert_eq!(racks.len(), 3, "{voters:?}");
    }
}

#[test]
fn what_peers_send_never_panics() {
    let fixture = Fixture::new();
    let node = fixture.start(0);
    for bytes in [&[][..], &[1], &[9, 9, 9], &[1, 1, 0xff, 0xff, 0xff]] {
        let answer: Answer = decode(&node.answer(bytes)).unwrap();
        assert!(matches!(answer, Answer::Refused(_)));
    }
}
