//! Everything that reads a peer's bytes before anyone has decided to trust them, in one function.

use underpaint_wire::blob::{Put, Write};
use underpaint_wire::frame::{MAX_FRAME_BYTES, Reader};
use underpaint_wire::generate::{Generate, Pixels, Run};
use underpaint_wire::hello::{Hello, Limits, OURS};
use underpaint_wire::methods::{
    Attach, Cancel, FillContext, FilterApply, JobName, LoadModel, MoveJob, Subscribe, Upscale, UpscalePixels,
};
use underpaint_wire::pairing::{self, Pair};
use underpaint_wire::proof::{Challenge, Nonce, Side, words};
use underpaint_wire::rpc::{self, Message};
use underpaint_wire::{image, json};

/// Reads `data` as a connection would, until it ends or breaks a rule. Whatever it is, nothing may panic, no buffer
/// may outgrow a frame, and what was understood must survive being said again.
pub fn run(data: &[u8]) {
    let mut reader = Reader::new(MAX_FRAME_BYTES);
    let mut rest = data;
    while !rest.is_empty() {
        let space = reader.space();
        assert!(!space.is_empty() && space.len() <= MAX_FRAME_BYTES as usize);
        let n = space.len().min(rest.len());
        space[..n].copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        match reader.advance(n) {
            Ok(None) => {}
            Ok(Some(frame)) => {
                assert!(frame.header.len() + frame.tail.len() <= data.len());
                if let Ok(message) = Message::parse(&frame) {
                    message_again(&message);
                    understood(&message, frame.tail);
                }
            }
            Err(bad) => {
                assert!(!bad.to_string().is_empty());
                return;
            }
        }
    }
}

/// A message written by us reads as itself.
fn message_again(message: &Message) {
    let frame = match message {
        Message::Request { id, method, params } => match rpc::request(id, method, params, &[]) {
            Ok(frame) => frame,
            // Our way to write a number may be longer than the peer's.
            Err(_) => return,
        },
        Message::Notification { method, params } => rpc::notification(method, params, &[]),
        Message::Response { id, outcome } => rpc::response(id.as_ref(), outcome),
    };
    let mut reader = Reader::new(MAX_FRAME_BYTES);
    let mut rest = frame.as_slice();
    loop {
        let space = reader.space();
        let n = space.len().min(rest.len());
        space[..n].copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        if let Some(frame) = reader.advance(n).expect("our own frame") {
            let again = Message::parse(&frame).expect("our own message");
            assert_eq!(&again, message);
            return;
        }
    }
}

/// Every kind of params, and every computation with numbers a peer chose.
fn understood(message: &Message, tail: &[u8]) {
    let (Message::Request { params, .. } | Message::Notification { params, .. }) = message else { return };
    let limits = Limits::default();
    let size = tail.len() as u64;
    if let Ok(hello) = json::params::<Hello>(params) {
        let _ = OURS.common(hello.protocol);
    }
    if let Ok(pixels) = json::params::<Pixels>(params) {
        if let Some(canvas) = pixels.canvas
            && canvas.check().is_ok()
            && canvas.image.check("canvas.image", size, &limits).is_ok()
        {
            canvas.image.to_raster(tail);
        }
        if let Some(mask) = pixels.mask
            && image::check_placed("mask", mask.rect, &mask.image).is_ok()
            && image::check_mask_px("mask.image", &mask.image).is_ok()
            && mask.image.check("mask.image", size, &limits).is_ok()
        {
            mask.image.to_mask(tail);
        }
    }
    if let Ok(apply) = json::params::<FilterApply>(params)
        && apply.image.check("image", size, &limits).is_ok()
    {
        apply.image.to_raster(tail);
    }
    if let Ok(write) = json::params::<Write>(params) {
        let _ = write.apply(&mut [0; 64], tail);
    }
    if let Ok(enlarge) = json::params::<UpscalePixels>(params)
        && enlarge.image.check("image", size, &limits).is_ok()
    {
        enlarge.image.to_raster(tail);
    }
    let _ = json::params::<Generate>(params);
    let _ = json::params::<Upscale>(params);
    let _ = json::params::<LoadModel>(params);
    if let Ok(pair) = json::params::<Pair>(params) {
        assert!(pairing::place(&pair.code) < 3);
    }
    if let Ok(Challenge { nonce }) = json::params::<Challenge>(params) {
        assert_eq!(Nonce::try_from(nonce.to_string()).as_ref(), Ok(&nonce));
        assert!(words(Side::Server, 17231, &nonce, &nonce).is_ascii());
    }
    let _ = json::params::<Cancel>(params);
    let _ = json::params::<JobName>(params);
    let _ = json::params::<Run>(params);
    let _ = json::params::<Put>(params);
    let _ = json::params::<Attach>(params);
    let _ = json::params::<FillContext>(params);
    let _ = json::params::<MoveJob>(params);
    let _ = json::params::<Subscribe>(params);
}
