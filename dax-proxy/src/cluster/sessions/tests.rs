//! Who is waited for, and until when; time stands still until everybody waits.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::*;
use crate::cluster::forward::{Forward, ForwardError, Forwarded};
use crate::cluster::transport::PeerError;
use crate::message::{decode, encode};

/// A replica that carries out what it is told, or says nothing.
struct Replica {
    answers: bool,
}

impl Transport for Replica {
    fn post(
        &self,
        _: &Peer,
        _: &'static str,
        body: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        if !self.answers {
            return Box::pin(async move {
                tokio::time::sleep_until(deadline).await;
                Err(PeerError::Silent)
            });
        }
        let told: Apply = decode(&body).unwrap();
        let last = told.first + told.changes.len() as u64 - 1;
        Box::pin(async move { Ok(encode(&Applied::UpTo(last)).into()) })
    }

    fn forward(
        &self,
        _: &Peer,
        _: Forward,
        _: Instant,
    ) -> BoxFuture<'static, Result<Forwarded, ForwardError>> {
        Box::pin(async { Err(ForwardError::NotExecuted) })
    }
}

fn join(session: u64) -> Join {
    Join {
        session,
        member: Member {
            name: "replica".to_owned(),
            node_id: 1,
            address: "127.0.0.1:8111".parse().unwrap(),
            tls_port: None,
            leader: false,
        },
        listed: true,
    }
}

fn drop_of(key: u8) -> Change {
    Change::Drop { key: vec![key] }
}

/// A primary whose list is written as it stands, with one replica; and the replica's task.
fn primary(answers: bool) -> (Arc<Sessions>, u64, BoxFuture<'static, ()>) {
    let sessions = Arc::new(Sessions::default());
    let now = Instant::now();
    sessions.hold(None, now);
    let tenure = sessions.tenure(now).unwrap();
    let session = sessions.join(join(7), now).unwrap();
    write_list(&sessions);
    let peer = Peer {
        name: "replica".to_owned(),
        address: "replica:8112".to_owned(),
    };
    let run = Arc::clone(&sessions).run(session, peer, Arc::new(Replica { answers }));
    (sessions, tenure, Box::pin(run))
}

/// What the election does in each of its rounds.
fn write_list(sessions: &Sessions) -> Vec<String> {
    let (names, removals) = sessions.in_sync();
    sessions.listed(removals);
    names
}

#[tokio::test(start_paused = true)]
async fn a_write_is_settled_when_the_replica_has_carried_it_out() {
    let (sessions, tenure, mut run) = primary(true);
    sessions.publish(&drop_of(1), Instant::now());
    let mut settled = Box::pin(sessions.settled(tenure));
    assert!(
        settled.as_mut().now_or_never().is_none(),
        "it has not been told"
    );
    tokio::select! {
        biased;
        () = &mut run => panic!("the session has ended"),
        settled = settled => assert!(settled),
    }
    assert_eq!(write_list(&sessions), ["replica"]);
}

/// Once a replica is gone on without, neither the write that waited for it nor any later one is acknowledged before the
/// lease has been written without it: it could take over with what it holds.
#[tokio::test(start_paused = true)]
async fn nothing_is_settled_before_the_list_is_written_without_a_silent_replica() {
    let (sessions, tenure, run) = primary(false);
    sessions.publish(&drop_of(1), Instant::now());
    let started = Instant::now();
    let mut waited = Box::pin(sessions.settled(tenure));
    tokio::select! {
        biased;
        settled = &mut waited => panic!("settled without a list: {settled}"),
        () = run => assert!(started.elapsed() >= LEASE),
        () = tokio::time::sleep(LEASE * 5) => {}
    }
    assert_eq!(sessions.len(), 0, "it is not waited for any more");
    sessions.publish(&drop_of(2), Instant::now());
    let mut later = Box::pin(sessions.settled(tenure));
    assert!(waited.as_mut().now_or_never().is_none());
    assert!(later.as_mut().now_or_never().is_none(), "a later write");
    assert!(write_list(&sessions).is_empty());
    assert_eq!(waited.now_or_never(), Some(true));
    assert_eq!(later.now_or_never(), Some(true));
}

/// A time as the primary that was interrupted: the list still names who was in session before.
#[tokio::test(start_paused = true)]
async fn nothing_is_settled_before_a_new_tenure_has_written_its_list() {
    let sessions = Arc::new(Sessions::default());
    sessions.hold(Some(Instant::now() + LEASE), Instant::now());
    sessions.join(join(7), Instant::now()).unwrap();
    assert_eq!(write_list(&sessions), ["replica"]);
    tokio::time::advance(LEASE).await;
    sessions.hold(None, Instant::now());
    let tenure = sessions.tenure(Instant::now()).unwrap();
    let mut settled = Box::pin(sessions.settled(tenure));
    assert!(settled.as_mut().now_or_never().is_none());
    assert!(write_list(&sessions).is_empty());
    assert_eq!(settled.now_or_never(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_the_primary_any_more_settles_nothing() {
    let (sessions, tenure, _run) = primary(true);
    sessions.publish(&drop_of(1), Instant::now());
    let mut settled = Box::pin(sessions.settled(tenure));
    assert!(settled.as_mut().now_or_never().is_none());
    sessions.give_up();
    assert_eq!(settled.now_or_never(), Some(false));
}

/// A join may come late: the session that is in force is not taken for ended.
#[tokio::test(start_paused = true)]
async fn a_second_join_ends_no_session_by_itself() {
    let (sessions, tenure, _run) = primary(true);
    sessions.publish(&drop_of(1), Instant::now());
    let mut settled = Box::pin(sessions.settled(tenure));
    sessions.join(join(8), Instant::now()).unwrap();
    assert!(settled.as_mut().now_or_never().is_none());
    let renew = |session| Renew {
        session,
        listed: true,
    };
    let now = Instant::now();
    assert_eq!(sessions.renew(renew(7), None, now), Renewal::Ended);
    assert!(matches!(
        sessions.renew(renew(8), None, now),
        Renewal::Granted { .. }
    ));
}
