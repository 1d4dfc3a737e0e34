//! What reads the bytes of a WebSocket's client, who may be any program on the machine, in one function.

use underpaint_wire::frame::MAX_FRAME_BYTES;
use underpaint_wire::websocket::{Close, Heard, Reader};

/// What was heard, in order, and how it had to be closed.
type Outcome = (Vec<Vec<u8>>, Option<Close>);

/// Reads `data` as a connection would, until it ends or breaks a rule. Whatever it is, nothing may panic, no buffer
/// may outgrow a frame, and it means the same however many bytes come at a time.
pub fn run(data: &[u8]) {
    let whole = heard(data, usize::MAX);
    for at_most in [1, 7] {
        assert_eq!(heard(data, at_most), whole);
    }
}

fn heard(data: &[u8], at_most: usize) -> Outcome {
    let mut reader = Reader::new(MAX_FRAME_BYTES);
    let (mut rest, mut all) = (data, Vec::new());
    while !rest.is_empty() {
        let space = reader.space();
        assert!(!space.is_empty() && space.len() <= MAX_FRAME_BYTES as usize);
        let n = space.len().min(at_most).min(rest.len());
        space[..n].copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        match reader.advance(n) {
            Ok(Heard::Nothing) => {}
            Ok(Heard::Frame(frame)) => all.push([frame.header, b" ", frame.tail].concat()),
            Ok(Heard::Ping(payload)) => all.push(payload.to_vec()),
            Ok(Heard::Closed) => return (all, Some(Close::Normal)),
            Err(broken) => {
                assert!(!broken.sentence.is_empty());
                return (all, Some(broken.close));
            }
        }
    }
    (all, None)
}
