use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_shutdown_waits_for_tasks_that_watch_the_token() {
    let owner = TaskOwner::new("test");
    let flushed = Arc::new(AtomicBool::new(false));
    let (token, flag) = (owner.token(), Arc::clone(&flushed));
    owner.spawn("flusher", async move {
        token.cancelled().await;
        tokio::task::yield_now().await;
        flag.store(true, Ordering::SeqCst);
    });
    let report = owner.shutdown(GRACE).await;
    assert_eq!(report, ShutdownReport::default());
    assert!(flushed.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_overdue_is_named_and_aborted() {
    let owner = TaskOwner::new("test");
    let (alive, dropped) = oneshot::channel::<()>();
    owner.spawn("stuck", async move {
        let _alive = alive;
        pending::<()>().await;
    });
    let report = owner.clone().shutdown(GRACE).await;
    assert_eq!(report.overdue, ["stuck"]);
    assert!(dropped.await.is_err(), "the stuck task was dropped");
    assert_eq!(owner.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn background_tasks_do_not_hold_up_a_shutdown() {
    let owner = TaskOwner::new("test");
    owner.spawn_background("pooled connection", pending());
    let started = Instant::now();
    assert_eq!(owner.shutdown(GRACE).await, ShutdownReport::default());
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_panic_is_seen_by_the_owner() {
    let owner = TaskOwner::new("test");
    owner.spawn("careless", async { panic!("broken invariant {}", 7) });
    let failure = owner.failed().await;
    assert_eq!(
        (failure.task, failure.message.as_str()),
        ("careless", "broken invariant 7")
    );
    owner.report_failure("later", "a second failure");
    assert_eq!(
        owner.failed().await.task,
        "careless",
        "the first failure stays"
    );
    owner.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_panic_in_blocking_work_is_seen_by_the_owner() {
    let owner = TaskOwner::new("test");
    let result = owner.spawn_blocking::<_, ()>("disk", || panic!("bad block"));
    assert!(result.await.is_err());
    assert_eq!(owner.failed().await.message, "bad block");
    assert_eq!(owner.spawn_blocking("sum", || 1 + 1).await, Ok(2));
}

#[tokio::test]
async fn work_runs_to_its_end_when_the_caller_leaves() {
    let owner = TaskOwner::new("test");
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    drop(owner.spawn_with_result("write", async move {
        tokio::task::yield_now().await;
        flag.store(true, Ordering::SeqCst);
    }));
    owner.shutdown(GRACE).await;
    assert!(done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn nothing_starts_after_a_shutdown() {
    let owner = TaskOwner::new("test");
    owner.clone().shutdown(GRACE).await;
    assert!(owner.spawn_with_result("late", async { 1 }).await.is_err());
    assert!(owner.spawn_blocking("late", || 1).await.is_err());
    assert_eq!(owner.running(), 0);
}
