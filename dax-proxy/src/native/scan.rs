//! Finding the end of a request in a buffer that grows.
//!
//! The protocol has no length prefix: a request ends with its last argument. Each byte is looked at once, however the
//! request arrives, so that a slow or hostile sender costs what it sends.

use std::ops::Range;

use minicbor::Decoder;

use super::method::Method;

/// Bytes of a request: the 16 MB of a batch, and room for names, keys and headers.
pub(crate) const REQUEST_BYTES_MAX: usize = 17 * 1024 * 1024;

/// Containers in one another, outside of byte strings. A legal request has four.
const DEPTH_MAX: usize = 64;

/// Top-level items of a preamble.
const PREAMBLE_ITEMS: usize = 5;

/// The magic of the protocol: the text `J7yne5G`.
const MAGIC: &str = "J7yne5G";

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// The bytes are no CBOR.
    #[error("not CBOR")]
    Malformed,
    /// Containers are nested too deeply.
    #[error("nested too deeply")]
    TooDeep,
    /// The request is too long.
    #[error("request too long")]
    TooLong,
    /// Not the service or a method that any client asks for: how many arguments follow is not known.
    #[error("unknown service or method")]
    UnknownMethod,
    /// Another protocol, or a mode that no client uses.
    #[error("not a preamble")]
    Preamble,
}

/// Where an open container ends.
#[derive(Clone, Copy, Debug)]
enum Open {
    /// After so many more items.
    Items(u64),
    /// At a break.
    Break,
}

/// Looks for the ends of top-level items.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// Everything before it has been looked at; inside a string it may be behind the end of the buffer.
    position: usize,
    open: Vec<Open>,
    /// Where each finished top-level item ends.
    ends: Vec<usize>,
}

/// A whole request.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) method: Method,
    /// Each argument's bytes.
    arguments: Vec<Range<usize>>,
    /// Bytes of the request.
    pub(crate) length: usize,
}

impl Frame {
    /// The arguments' bytes, out of the buffer that was scanned.
    pub(super) fn arguments<'b>(&self, buffer: &'b [u8]) -> Vec<&'b [u8]> {
        self.arguments
            .iter()
            .map(|range| buffer.get(range.clone()).unwrap_or_default())
            .collect()
    }
}

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    /// Bytes of it.
    pub(crate) length: usize,
    /// Whether the client wants its answers in frames, as Java does: see [`frame_header`].
    pub(crate) layered: bool,
}

/// Bytes of the header of a frame.
const FRAME_HEADER_BYTES: usize = 8;

/// What precedes an answer to a client that asked for layering 1: the length of the frame, header included, in four
/// bytes, big-endian; flags, of which the lowest ends the answer; three zero bytes. Requests have no such header.
///
/// Source: `amazon-dax-client` 2.0.10 for Java, by what it sends and accepts; the other clients ask for layering 0.
pub(crate) fn frame_header(answer_bytes: usize) -> [u8; FRAME_HEADER_BYTES] {
    let length = u32::try_from(answer_bytes + FRAME_HEADER_BYTES).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_be_bytes();
    [a, b, c, d, 1, 0, 0, 0]
}

impl Scanner {
    /// Looks on in `buffer`, which begins where the last request ended and has only grown since the last call.
    /// `None`: the request is not whole yet.
    ///
    /// # Errors
    /// See [`FrameError`]; the connection is to be closed.
    pub(crate) fn request(&mut self, buffer: &[u8]) -> Result<Option<Frame>, FrameError> {
        if !self.items(buffer, 2)? {
            return Ok(None);
        }
        let mut decoder = Decoder::new(buffer);
        let service = decoder.int().map_err(|_| FrameError::Malformed)?;
        let method = decoder.int().map_err(|_| FrameError::Malformed)?;
        if i128::from(service) != 1 {
            return Err(FrameError::UnknownMethod);
        }
        let method = Method::from_id(i128::from(method)).ok_or(FrameError::UnknownMethod)?;
        if !self.items(buffer, 2 + method.arguments())? {
            return Ok(None);
        }
        let ends = std::mem::take(&mut self.ends);
        *self = Self::default();
        let arguments = ends
            .iter()
            .zip(ends.iter().skip(1))
            .skip(1)
            .map(|(start, end)| *start..*end)
            .collect();
        Ok(Some(Frame {
            method,
            arguments,
            length: ends.last().copied().unwrap_or(0),
        }))
    }

    /// The same for the preamble (protocol, section 3).
    ///
    /// # Errors
    /// See [`FrameError`].
    pub(crate) fn preamble(&mut self, buffer: &[u8]) -> Result<Option<Preamble>, FrameError> {
        if !self.items(buffer, PREAMBLE_ITEMS)? {
            return Ok(None);
        }
        let length = self.position;
        *self = Self::default();
        let mut decoder = Decoder::new(buffer);
        let mut read = || -> Result<Option<u32>, minicbor::decode::Error> {
            let magic = decoder.str()? == MAGIC;
            let layering = decoder.u32()?;
            // The session id and the client's name: of any type, and of no use here.
            decoder.skip()?;
            decoder.skip()?;
            let mode = decoder.u32()? == 0;
            Ok((magic && mode).then_some(layering))
        };
        match read() {
            Ok(Some(layering @ (0 | 1))) => Ok(Some(Preamble {
                length,
                layered: layering == 1,
            })),
            Ok(_) | Err(_) => Err(FrameError::Preamble),
        }
    }

    /// Whether the first `wanted` top-level items are whole.
    fn items(&mut self, buffer: &[u8], wanted: usize) -> Result<bool, FrameError> {
        while self.ends.len() < wanted {
            if self.position > buffer.len() || !self.header(buffer)? {
                return if buffer.len() > REQUEST_BYTES_MAX {
                    Err(FrameError::TooLong)
                } else {
                    Ok(false)
                };
            }
        }
        Ok(self.position <= buffer.len())
    }

    /// Takes one header, if it is whole.
    fn header(&mut self, buffer: &[u8]) -> Result<bool, FrameError> {
        let rest = buffer.get(self.position..).unwrap_or_default();
        let Some((&initial, rest)) = rest.split_first() else {
            return Ok(false);
        };
        let (major, information) = (initial >> 5, initial & 0x1f);
        let width = match information {
            0..=23 | 31 => 0,
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(FrameError::Malformed),
        };
        let Some(argument) = rest.get(..width) else {
            return Ok(false);
        };
        let value = if width == 0 {
            u64::from(information)
        } else {
            argument
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        self.position += 1 + width;
        let indefinite = information == 31;
        match (major, indefinite) {
            (0 | 1 | 6, true) => return Err(FrameError::Malformed),
            // A tag is a part of the item behind it.
            (6, false) => {}
            (2 | 3, false) => {
                let length = usize::try_from(value).unwrap_or(usize::MAX);
                if length > REQUEST_BYTES_MAX {
                    return Err(FrameError::TooLong);
                }
                self.position += length;
                self.finish_item();
            }
            (4, false) => self.open(Open::Items(value))?,
            (5, false) => {
                let items = value.checked_mul(2).ok_or(FrameError::TooLong)?;
                self.open(Open::Items(items))?;
            }
            (2..=5, true) => self.open(Open::Break)?,
            (7, true) => match self.open.pop() {
                Some(Open::Break) => self.finish_item(),
                _ => return Err(FrameError::Malformed),
            },
            _ => self.finish_item(),
        }
        Ok(true)
    }

    fn open(&mut self, open: Open) -> Result<(), FrameError> {
        if let Open::Items(0) = open {
            self.finish_item();
            return Ok(());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(FrameError::TooDeep);
        }
        self.open.push(open);
        Ok(())
    }

    /// An item has ended, and with it each container whose last it was.
    fn finish_item(&mut self) {
        while let Some(top) = self.open.last_mut() {
            match top {
                Open::Break => return,
                Open::Items(left) if *left > 1 => {
                    *left -= 1;
                    return;
                }
                Open::Items(_) => drop(self.open.pop()),
            }
        }
        self.ends.push(self.position);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
        let frame = Scanner::default().request(bytes)?;
        Ok(frame.map(|frame| frame.length))
    }

    #[test]
    fn a_request_is_found_however_it_arrives() {
        let request = hex::decode("011a0fb0cc6a4374626c4b66757365722331c26c0010bf0300ff").unwrap();
        let next = [request.clone(), vec![0x01]].concat();
        let mut scanner = Scanner::default();
        for length in 0..request.len() {
            let found = scanner.request(&next[..length]).unwrap();
            assert!(found.is_none(), "{length}");
        }
        let frame = scanner.request(&next).unwrap().unwrap();
        assert_eq!((frame.method, frame.length), (Method::GetItem, 26));
        let arguments = frame.arguments(&next);
        assert_eq!(arguments, [&next[6..10], &next[10..22], &next[22..26]]);
        assert!(scanner.request(&next[26..]).unwrap().is_none());
    }

    #[test]
    fn preambles_of_the_published_clients_pass_and_others_do_not() {
        let python = "674a37796e65354700504958f0eca581548cd26091d2b86a8725a169557365724167656e7475446178507974686f6e436c69656e742d322e312e3000";
        let go =
            "674a37796e653547006130a169557365724167656e7472446178476f436c69656e742d312e322e313400";
        let java = "674a37796e65354701f6a169557365724167656e74764461784a6176615632436c69656e742d322e302e313000";
        for (client, layered) in [(python, false), (go, false), (java, true)] {
            let bytes = hex::decode(client).unwrap();
            let found = Scanner::default().preamble(&bytes).unwrap().unwrap();
            assert_eq!((found.length, found.layered), (bytes.len(), layered));
            let part = Scanner::default().preamble(&bytes[..bytes.len() - 1]);
            assert_eq!(part.unwrap(), None);
        }
        for other in ["674a37796e653548006130a000", "674a37796e653547026130a000"] {
            let bytes = hex::decode(other).unwrap();
            let found = Scanner::default().preamble(&bytes);
            assert_eq!(found, Err(FrameError::Preamble));
        }
    }

    #[test]
    fn frames_tell_their_length_and_end() {
        assert_eq!(frame_header(2), [0, 0, 0, 10, 1, 0, 0, 0]);
        assert_eq!(
            frame_header(0x0123_4567 - 8),
            [1, 0x23, 0x45, 0x67, 1, 0, 0, 0]
        );
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let refused = |hex: &str| whole(&hex::decode(hex).unwrap()).unwrap_err();
        assert_eq!(refused("021a1b2bcf02"), FrameError::UnknownMethod);
        assert_eq!(refused("0101"), FrameError::UnknownMethod);
        assert_eq!(refused("610101"), FrameError::Malformed);
        assert_eq!(refused("1c"), FrameError::Malformed);
        assert_eq!(refused("ff"), FrameError::Malformed);
        assert_eq!(refused("015b00ffffffffffffff"), FrameError::TooLong);
        assert_eq!(refused("01bbffffffffffffffff"), FrameError::TooLong);
        assert_eq!(
            refused(&format!("01{}", "9f".repeat(65))),
            FrameError::TooDeep
        );
        let endless = vec![0x01; 1].into_iter().chain([0x9f]);
        let endless: Vec<u8> = endless
            .chain(std::iter::repeat_n(0, REQUEST_BYTES_MAX))
            .collect();
        assert_eq!(whole(&endless), Err(FrameError::TooLong));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_scanned_alike_in_one_piece_and_in_many(
            bytes in proptest::collection::vec(any::<u8>(), 0..60), method in 0_usize..15, cut in 0_usize..60,
        ) {
            let id = super::super::method::tests::id(method);
            let mut request = vec![0x01];
            minicbor::encode(id, &mut request).unwrap();
            request.extend(bytes);
            let once = whole(&request);
            let mut scanner = Scanner::default();
            let first = scanner.request(&request[..cut.min(request.len())]);
            let twice = match first {
                Ok(None) => scanner.request(&request),
                found => found,
            };
            prop_assert_eq!(once, twice.map(|frame| frame.map(|frame| frame.length)));
        }
    }
}
