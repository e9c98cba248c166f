//! One message as bytes on a wire: postcard, then a CRC-16, then COBS, between zero bytes.
//!
//! A zero byte never occurs inside a frame, so a receiver that started late or received noise is synchronised again at
//! the next zero. The decoder holds at most one frame.

use crc::{CRC_16_IBM_SDLC, Crc};
use serde::{Serialize, de::DeserializeOwned};

/// The longest encoded message in bytes, delimiters included.
pub const MAX_FRAME: usize = 80;

const CHECKSUM: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_SDLC);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// More bytes than any message has, without a delimiter.
    TooLong,
    /// Invalid COBS, a wrong checksum, or an unknown message.
    Damaged,
    /// The message does not fit [`MAX_FRAME`].
    DoesNotFit,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            FrameError::TooLong => "a frame on the reject link is longer than any message",
            FrameError::Damaged => "a frame on the reject link is damaged",
            FrameError::DoesNotFit => "a message is too long for a frame of the reject link",
        })
    }
}

impl core::error::Error for FrameError {}

/// Writes `message` into `out` and returns the bytes to send. The leading zero byte ends noise before it.
pub fn encode<'a, M: Serialize>(
    message: &M,
    out: &'a mut [u8; MAX_FRAME],
) -> Result<&'a [u8], FrameError> {
    let mut plain = [0; MAX_FRAME];
    let plain = postcard::ser_flavors::crc::to_slice_u16(message, &mut plain, CHECKSUM.digest())
        .map_err(|_| FrameError::DoesNotFit)?;
    let room = 1..MAX_FRAME - 1;
    let length = cobs::try_encode(plain, &mut out[room]).map_err(|_| FrameError::DoesNotFit)?;
    out[0] = 0;
    out[length + 1] = 0;
    Ok(&out[..length + 2])
}

/// Finds messages in a stream of bytes.
pub struct FrameDecoder {
    bytes: [u8; MAX_FRAME],
    length: usize,
    overlong: bool,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDecoder {
    pub const fn new() -> Self {
        FrameDecoder {
            bytes: [0; MAX_FRAME],
            length: 0,
            overlong: false,
        }
    }

    /// Takes one byte. `None` until a frame ends; an error costs that frame alone.
    pub fn push<M: DeserializeOwned>(&mut self, byte: u8) -> Option<Result<M, FrameError>> {
        if byte != 0 {
            match self.bytes.get_mut(self.length) {
                Some(slot) => {
                    *slot = byte;
                    self.length += 1;
                }
                None => self.overlong = true,
            }
            return None;
        }
        let length = core::mem::take(&mut self.length);
        if core::mem::take(&mut self.overlong) {
            return Some(Err(FrameError::TooLong));
        }
        if length == 0 {
            return None;
        }
        Some(open(&mut self.bytes[..length]))
    }
}

fn open<M: DeserializeOwned>(frame: &mut [u8]) -> Result<M, FrameError> {
    let mut plain = [0; MAX_FRAME];
    let length = cobs::decode(frame, &mut plain).map_err(|_| FrameError::Damaged)?;
    let plain = plain.get(..length).ok_or(FrameError::Damaged)?;
    match postcard::de_flavors::crc::take_from_bytes_u16(plain, CHECKSUM.digest()) {
        Ok((message, [])) => Ok(message),
        _ => Err(FrameError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::{
        Answer, Envelope, FromActuator, MAX_PRODUCT, PROTOCOL, ProductName, ToActuator, When,
    };

    type Message = Envelope<ToActuator>;

    fn any_message(rng: &mut fastrand::Rng) -> Message {
        // Short and long varints alike.
        let mut number = |bits: u32| rng.u32(..) >> (32 - bits);
        let message = match number(2) {
            0 => ToActuator::Hello {
                session: number(32),
                protocol: PROTOCOL,
            },
            1 => ToActuator::Heartbeat,
            2 => ToActuator::Reject {
                part: number(9),
                when: match number(1) {
                    0 => When::At {
                        at_us: u64::from(number(32)) << 16,
                    },
                    _ => When::AtCount {
                        count: -i64::from(number(30)),
                        lead_us: number(22),
                    },
                },
                pulse_us: number(18),
            },
            _ => ToActuator::Cancel,
        };
        Envelope {
            seq: rng.u16(..),
            message,
        }
    }

    fn received(decoder: &mut FrameDecoder, bytes: &[u8]) -> Vec<Result<Message, FrameError>> {
        bytes.iter().filter_map(|&b| decoder.push(b)).collect()
    }

    #[test]
    fn the_longest_messages_fit() {
        let seq = u16::MAX;
        let mut out = [0; MAX_FRAME];
        let longest = [
            FromActuator::Ack {
                seq,
                at_us: u64::MAX,
                answer: Answer::WrongProtocol,
            },
            FromActuator::Pulsed {
                part: u32::MAX,
                at_us: u64::MAX,
                count: Some(i64::MIN),
            },
            FromActuator::Count {
                at_us: u64::MAX,
                count: i64::MIN,
            },
            FromActuator::Select {
                product: ProductName::new(&"x".repeat(MAX_PRODUCT)).unwrap(),
            },
        ];
        for message in longest {
            assert!(encode(&Envelope { seq, message }, &mut out).is_ok());
        }
        let message = ToActuator::Reject {
            part: u32::MAX,
            when: When::AtCount {
                count: i64::MIN,
                lead_us: u32::MAX,
            },
            pulse_us: u32::MAX,
        };
        assert!(encode(&Envelope { seq, message }, &mut out).is_ok());
    }

    #[test]
    fn a_name_arrives_whole_or_not_at_all() {
        for name in ["", "gear", "Mutter M6 ⌀", &"é".repeat(MAX_PRODUCT / 2)] {
            let sent = Envelope {
                seq: 9,
                message: FromActuator::Select {
                    product: ProductName::new(name).unwrap(),
                },
            };
            let mut out = [0; MAX_FRAME];
            let mut decoder = FrameDecoder::new();
            let arrived = encode(&sent, &mut out).unwrap().iter();
            let arrived: Vec<_> = arrived.filter_map(|&b| decoder.push(b)).collect();
            assert_eq!(arrived, [Ok(sent)]);
        }
        assert_eq!(ProductName::new(&"é".repeat(MAX_PRODUCT / 2 + 1)), None);
        // A length that lies, and bytes that are no text.
        for name in [&[3, b'a', b'b'][..], &[2, 0xff, 0xfe]] {
            assert!(postcard::from_bytes::<ProductName>(name).is_err());
        }
    }

    #[test]
    fn messages_arrive_as_sent_in_pieces_of_any_size() {
        let mut rng = fastrand::Rng::with_seed(1);
        let sent: Vec<Message> = (0..2_000).map(|_| any_message(&mut rng)).collect();
        let mut wire = Vec::new();
        for message in &sent {
            wire.extend_from_slice(encode(message, &mut [0; MAX_FRAME]).unwrap());
        }
        let mut decoder = FrameDecoder::new();
        let mut arrived = Vec::new();
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rng.usize(1..=rest.len().min(70)));
            arrived.extend(received(&mut decoder, piece));
            rest = later;
        }
        assert_eq!(arrived.into_iter().collect::<Result<Vec<_>, _>>(), Ok(sent));
    }

    #[test]
    fn the_message_after_garbage_arrives() {
        let mut rng = fastrand::Rng::with_seed(2);
        for _ in 0..2_000 {
            let mut decoder = FrameDecoder::new();
            let mut garbage = [0; 300];
            rng.fill(&mut garbage);
            received(&mut decoder, &garbage[..rng.usize(..300)]);
            let message = any_message(&mut rng);
            let arrived = received(&mut decoder, encode(&message, &mut [0; MAX_FRAME]).unwrap());
            assert_eq!(arrived.last(), Some(&Ok(message)));
        }
    }

    #[test]
    fn a_corrupted_message_is_never_taken_for_another() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut refused = 0;
        for _ in 0..20_000 {
            let message = any_message(&mut rng);
            let mut out = [0; MAX_FRAME];
            let mut wire = encode(&message, &mut out).unwrap().to_vec();
            match rng.u8(..4) {
                0 => wire[..].swap(0, 1),
                1 => drop(wire.remove(rng.usize(1..wire.len() - 1))),
                2 => wire.insert(rng.usize(1..wire.len()), rng.u8(..)),
                _ => {
                    let at = rng.usize(1..wire.len() - 1);
                    wire[at] ^= 1 << rng.u8(..8);
                }
            }
            for arrived in received(&mut FrameDecoder::new(), &wire) {
                match arrived {
                    Ok(arrived) => assert_eq!(arrived, message),
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > 10_000, "only {refused} were refused");
    }

    #[test]
    fn an_endless_frame_is_bounded_and_costs_only_itself() {
        let mut decoder = FrameDecoder::new();
        for _ in 0..100_000 {
            assert_eq!(decoder.push::<Message>(7), None);
        }
        assert_eq!(decoder.push::<Message>(0), Some(Err(FrameError::TooLong)));
        let beat = Envelope {
            seq: 1,
            message: ToActuator::Heartbeat,
        };
        let arrived = received(&mut decoder, encode(&beat, &mut [0; MAX_FRAME]).unwrap());
        assert_eq!(arrived, [Ok(beat)]);
    }
}
