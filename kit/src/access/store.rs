//! The credentials file in memory, and the task that follows its changes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::Principal;
use crate::sigv4::{AccessKey, DayKeys, Secret};
use crate::task::TaskOwner;

/// A Kubernetes Secret holds at most 1 MiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// AWS's bound for access key ids is 128.
const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

/// One line of the credentials file.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) secret: Secret,
    pub(crate) session_token: Option<Secret>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) principal: Arc<Principal>,
    /// Derived from `secret`, and so discarded with it on a reload.
    pub(crate) day_keys: DayKeys,
}

type ById = BTreeMap<String, Arc<Credential>>;

/// Why a credentials file is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("credentials file {path} cannot be read")]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The file is too long.
    #[error("credentials file is longer than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// The file is not the JSON it should be. The text is not shown: it may hold secrets.
    #[error("credentials file is malformed at line {line}, column {column}")]
    Malformed {
        /// One-based.
        line: usize,
        /// One-based.
        column: usize,
    },
    /// A credential in the file makes no sense.
    #[error("credential {index} of the credentials file is invalid: {reason}")]
    Invalid {
        /// Zero-based position in the list.
        index: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file lists no credentials, so nobody could call.
    #[error("credentials file lists no credentials")]
    Empty,
}

#[derive(Deserialize)]
struct File {
    credentials: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    access_key_id: String,
    secret_access_key: Secret,
    #[serde(default)]
    session_token: Option<Secret>,
    #[serde(default)]
    expiration: Option<String>,
    principal: String,
}

/// The credentials a process accepts. Clones share them, reloads included.
#[derive(Clone)]
pub struct CredentialsStore {
    by_id: Arc<RwLock<ById>>,
}

impl CredentialsStore {
    /// Reads the file at `path`, once; [`Self::follow`] keeps it up to date.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn load(path: &Path) -> Result<Self, CredentialsError> {
        Self::from_json(&read_file(path)?)
    }

    /// Credentials given as the file's text.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn from_json(text: &[u8]) -> Result<Self, CredentialsError> {
        Ok(Self {
            by_id: Arc::new(RwLock::new(parse(text)?)),
        })
    }

    /// One key, which is its own principal: for a process that serves whoever has the key that it has itself.
    ///
    /// # Errors
    /// [`CredentialsError::Invalid`].
    pub fn of_key(key: &AccessKey) -> Result<Self, CredentialsError> {
        let entry = Entry {
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
            session_token: key.session_token.clone(),
            expiration: None,
            principal: key.id.clone(),
        };
        let by_id = checked(vec![entry])?;
        Ok(Self {
            by_id: Arc::new(RwLock::new(by_id)),
        })
    }

    /// Starts a task that looks at the file every `interval` and takes over its changes. The content
    /// is compared, not the modification time: a mounted Secret changes by a renamed symbolic link.
    pub fn follow(&self, path: &Path, interval: Duration, tasks: &TaskOwner) {
        let (store, path, owner) = (self.clone(), path.to_owned(), tasks.clone());
        tasks.spawn("credentials reload", async move {
            store.follow_until_cancelled(path, interval, &owner).await;
        });
    }

    /// How many access keys are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.read().len()
    }

    /// Whether no access key is known; never so for a store that was loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn lookup(&self, access_key_id: &str) -> Option<Arc<Credential>> {
        self.by_id.read().get(access_key_id).cloned()
    }

    async fn follow_until_cancelled(self, path: PathBuf, interval: Duration, owner: &TaskOwner) {
        let token = owner.token();
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Unknown at first, so that a change between load and follow is not missed.
        let mut seen: Option<Result<Vec<u8>, String>> = None;
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let file = path.clone();
            let read = owner.spawn_blocking("read credentials", move || read_file(&file));
            let Ok(read) = read.await else { return };
            let read = read.map_err(|error| error.to_string());
            if seen.as_ref() == Some(&read) {
                continue;
            }
            match &read {
                Ok(text) => self.take_over(text, seen.is_none()),
                Err(error) => warn!(error, "credentials stay as they were"),
            }
            seen = Some(read);
        }
    }

    fn take_over(&self, text: &[u8], first: bool) {
        match parse(text) {
            Ok(by_id) => {
                let count = by_id.len();
                *self.by_id.write() = by_id;
                if !first {
                    info!(count, "credentials reloaded");
                }
            }
            Err(error) => warn!(%error, "credentials stay as they were"),
        }
    }
}

impl fmt::Debug for CredentialsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsStore")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(CredentialsError::TooLarge);
    }
    Ok(text)
}

fn parse(text: &[u8]) -> Result<ById, CredentialsError> {
    let file: File = serde_json::from_slice(text).map_err(|error| CredentialsError::Malformed {
        line: error.line(),
        column: error.column(),
    })?;
    checked(file.credentials)
}

fn checked(entries: Vec<Entry>) -> Result<ById, CredentialsError> {
    let mut by_id = ById::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let invalid = |reason| CredentialsError::Invalid { index, reason };
        let Entry {
            access_key_id,
            secret_access_key,
            session_token,
            expiration,
            principal,
        } = entry;
        let id_length = access_key_id.len();
        let id_sane = access_key_id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if id_length == 0 || id_length > ACCESS_KEY_ID_BYTES_MAX || !id_sane {
            return Err(invalid(
                "the access key id is not 1 to 128 characters without a slash",
            ));
        }
        if secret_access_key.expose().is_empty() {
            return Err(invalid("the secret access key is empty"));
        }
        if principal.is_empty() {
            return Err(invalid("the principal is empty"));
        }
        let expires_at = match expiration.map(|text| text.parse::<Timestamp>()).transpose() {
            Ok(end) => end.map(SystemTime::from),
            Err(_) => {
                return Err(invalid(
                    "the expiration is not a time as RFC 3339 writes it",
                ));
            }
        };
        let credential = Credential {
            secret: secret_access_key,
            session_token,
            expires_at,
            principal: Arc::new(Principal::new(principal)),
            day_keys: DayKeys::default(),
        };
        if by_id.insert(access_key_id, Arc::new(credential)).is_some() {
            return Err(invalid("the access key id is listed twice"));
        }
    }
    if by_id.is_empty() {
        Err(CredentialsError::Empty)
    } else {
        Ok(by_id)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn file(id: &str, secret: &str) -> String {
        format!(
            r#"{{"credentials":[{{"accessKeyId":"{id}","secretAccessKey":"{secret}",
                "principal":"p","later":"ignored"}}],"version":7}}"#
        )
    }

    fn check_refused(text: &str, expected: &str) {
        let error = CredentialsStore::from_json(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_showing_secrets() {
        check_refused("", "malformed at line 1");
        check_refused(r#"{"credentials":[]}"#, "lists no credentials");
        check_refused(
            &file("", "s"),
            "credential 0 of the credentials file is invalid",
        );
        check_refused(&file("a/b", "s"), "without a slash");
        check_refused(&file("id", ""), "secret access key is empty");
        let one = r#"{"accessKeyId":"a","secretAccessKey":"hush","principal":"p"}"#;
        check_refused(
            &format!(r#"{{"credentials":[{one},{one}]}}"#),
            "listed twice",
        );
        let text = r#"{"credentials":[{"accessKeyId":"a","secretAccessKey":"hush"}]}"#;
        let error = CredentialsStore::from_json(text.as_bytes()).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hush"));
    }

    #[test]
    fn debug_output_hides_secrets() {
        let store = CredentialsStore::from_json(file("id", "hush").as_bytes()).unwrap();
        let shown = format!("{store:?} {:?}", store.lookup("id").unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = CredentialsStore::load(Path::new("/nowhere/credentials.json")).unwrap_err();
        assert!(
            error.to_string().contains("/nowhere/credentials.json"),
            "{error}"
        );
    }

    async fn until(condition: impl Fn() -> bool) {
        tokio::time::timeout(GRACE, async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("the condition holds in time");
    }

    #[tokio::test]
    async fn a_changed_file_is_followed_and_a_broken_one_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials.json");
        let replace = |text: &str| {
            // As a mounted Secret does: a new file under the old name.
            let next = directory.path().join("next");
            fs::write(&next, text).unwrap();
            fs::rename(&next, &path).unwrap();
        };
        replace(&file("first", "s"));
        let store = CredentialsStore::load(&path).unwrap();
        let tasks = TaskOwner::new("test");
        store.follow(&path, Duration::from_millis(1), &tasks);
        replace(&file("second", "s"));
        until(|| store.lookup("second").is_some()).await;
        assert!(store.lookup("first").is_none());
        replace("{");
        fs::remove_file(&path).unwrap();
        replace(&file("third", "s"));
        until(|| store.lookup("third").is_some()).await;
        assert_eq!(tasks.shutdown(GRACE).await.overdue, Vec::<&str>::new());
    }
}
