//! How long the hub keeps what is finished, what makes room first, and what a late cancel does.

use super::*;
use crate::server::job::{Done, DonePatch, Filtering};
use underpaint_raster::Rect;

fn work() -> Work {
    let blob = Name::try_from("c1".to_owned()).unwrap();
    let rect = Rect::new(0, 0, 1, 1);
    let image = image::Image::packed(blob, rect.extent(), Px::Rgba8);
    Work::Filter(Box::new(Filtering {
        image,
        bytes: Arc::new(vec![0; 4]),
        rect,
        filters: Vec::new(),
        clip: false,
        images: vec![],
        mask: None,
        before: None,
        scale: 1.0,
        seed: 0,
        px: Px::Rgba8,
    }))
}

/// Submits a job with these manners and lets it end with a result of so many bytes; gives its name.
fn finished(hub: &Arc<Hub>, client: ClientId, run: Run, bytes: usize) -> String {
    let id = Id::Int(1);
    hub.submit(client, &id, run, work()).unwrap();
    let Next::Job(ticket) = hub.next() else { panic!("a job was submitted") };
    let patch = DonePatch {
        rect: Rect::new(0, 0, 1, 1),
        seed: 0,
        px: Px::Rgba8,
        color: Default::default(),
        bytes: Arc::new(vec![0; bytes]),
    };
    hub.finish(ticket.job, Ok(Arc::new(Done { patches: vec![patch], ..Done::default() })));
    hub.name(ticket.job)
}

fn names(hub: &Hub) -> Vec<String> {
    let state = hub.state();
    state.jobs.keys().map(|&id| hub.name(id)).collect()
}

#[test]
fn results_stay_as_long_as_they_were_asked_to() {
    let hub = Hub::new("0123456789abcdef", 64);
    let client = hub.join("test", false, Outbox::new());
    let keep = Run { keep: true, ..Run::default() };
    let dedupe = Run { dedupe: Some("d".into()), ..Run::default() };
    let kept = finished(&hub, client, keep, 1);
    let deduped = finished(&hub, client, dedupe, 1);
    finished(&hub, client, Run::default(), 1);
    assert_eq!(names(&hub), [kept.clone(), deduped], "what nobody asked to keep is gone at once");
    assert!(kept.starts_with("01234567-"));
    let expire = |after: Duration| hub.expire(&mut hub.state(), Instant::now() + after);
    expire(DEDUPE + Duration::from_secs(1));
    assert_eq!(names(&hub), [kept]);
    expire(KEEP + Duration::from_secs(1));
    assert_eq!(names(&hub), [""; 0]);
}

#[test]
fn the_oldest_results_make_room() {
    let hub = Hub::new("0123456789abcdef", 64);
    let client = hub.join("test", false, Outbox::new());
    // Never touched, so these bytes are only promised by the system.
    let kept: Vec<String> =
        (0..4).map(|_| finished(&hub, client, Run { keep: true, ..Run::default() }, 400 << 20)).collect();
    assert_eq!(names(&hub), kept[2..]);
}

#[test]
fn what_two_asked_for_ends_with_the_second() {
    let run = || Run { dedupe: Some("d".into()), ..Run::default() };
    let id = Id::Int(1);
    type Gone = fn(&Hub, ClientId);
    let gone: [Gone; 2] = [|hub, client| hub.leave(client), |hub, client| hub.cancel_request(client, &Id::Int(1))];
    for leaves in gone {
        let hub = Hub::new("0123456789abcdef", 64);
        let outboxes = [(); 2].map(|()| Outbox::new());
        let [first, second] = outboxes.clone().map(|outbox| hub.join("test", false, outbox));
        for (client, outbox) in [first, second].into_iter().zip(&outboxes) {
            outbox.begin(&id);
            hub.submit(client, &id, run(), work()).unwrap();
        }
        let Next::Job(ticket) = hub.next() else { panic!("a job was submitted") };
        leaves(&hub, first);
        assert!(!ticket.cancelled.load(Ordering::Relaxed));
        leaves(&hub, second);
        assert!(ticket.cancelled.load(Ordering::Relaxed));
    }
}

#[test]
fn what_was_cancelled_too_late_is_cancelled_all_the_same() {
    let hub = Hub::new("0123456789abcdef", 64);
    let outbox = Outbox::new();
    let client = hub.join("test", false, outbox.clone());
    let id = Id::Int(1);
    outbox.begin(&id);
    hub.submit(client, &id, Run { keep: true, ..Run::default() }, work()).unwrap();
    let Next::Job(ticket) = hub.next() else { panic!("a job was submitted") };
    hub.cancel_request(client, &id);
    hub.finish(ticket.job, Ok(Arc::default()));
    assert_eq!(hub.list(client)[0].state, JobState::Cancelled);
}
