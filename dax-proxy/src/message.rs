//! Messages between our own processes: a version byte and the rest in postcard. A newer version is refused.
//!
//! What they say is in [`crate::cluster`] and [`crate::sidecar`]; their bytes are described in `docs/formats.md`.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The newest version that this build reads, and the one that it writes.
const MESSAGE_VERSION: u8 = 1;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// Written by a newer version.
    #[error("message version {0} is newer than {MESSAGE_VERSION}")]
    Newer(u8),
    /// Not a message.
    #[error("the message cannot be read")]
    Malformed,
}

/// A message's bytes.
pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let start = vec![MESSAGE_VERSION];
    // Only types that postcard cannot write fail, and there are none here.
    postcard::to_extend(message, start).unwrap_or_default()
}

/// Reads a message.
///
/// # Errors
/// [`MessageError`].
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    match bytes.split_first() {
        Some((&MESSAGE_VERSION, body)) => {
            postcard::from_bytes(body).map_err(|_| MessageError::Malformed)
        }
        Some((&version, _)) if version > MESSAGE_VERSION => Err(MessageError::Newer(version)),
        _ => Err(MessageError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_others_are_refused() {
        let message = (7_u64, vec!["a".to_owned()], None::<u8>);
        let bytes = encode(&message);
        assert_eq!(
            decode::<(u64, Vec<String>, Option<u8>)>(&bytes),
            Ok(message)
        );
        assert_eq!(
            decode::<(u64, Vec<String>)>(&bytes[..3]),
            Err(MessageError::Malformed)
        );
        assert_eq!(decode::<u64>(&[]), Err(MessageError::Malformed));
        assert_eq!(decode::<u64>(&[2, 0]), Err(MessageError::Newer(2)));
    }
}
