//! Handing the token to a program that cannot read its file: a code on one screen, typed into another.
//!
//! Decision: a pairing belongs to the connection that began it (`underpaint pair`), there is one at a time, and its code
//! is good once, for two minutes and five wrong tries. What is compared takes as long for any wrong code, and a wrong one
//! is answered a second later.
//!
//! Decision: a code leads to our port and to no other (`underpaint_wire::pairing::place`), so that it is typed into no
//! stranger's hands. That leaves a third of the codes: whoever guesses gets in with a chance of five in 333,333. Whoever
//! sat at another port used to be told the code.

use super::methods::equal_in_constant_time;
use super::outbox::Outbox;
use super::queue::ClientId;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use underpaint_wire::hello::Peer;
use underpaint_wire::pairing::{Ended, Ending};
use underpaint_wire::{Error, Kind};

/// How long a code is good.
pub const GOOD_FOR: Duration = Duration::from_secs(120);
/// How long whoever tried a wrong code waits for the answer.
pub const PENANCE: Duration = Duration::from_secs(1);
/// Wrong codes that end a pairing.
const TRIES: u32 = 5;

/// The pairing under way, if any.
#[derive(Default)]
pub struct Pairing {
    open: Mutex<Option<Open>>,
    place: usize,
}

struct Open {
    owner: ClientId,
    outbox: Arc<Outbox>,
    code: String,
    until: Instant,
    wrong: u32,
}

impl Open {
    fn end(self, ending: Ending, client: Option<Peer>) {
        self.outbox.event("pairing/ended", &Ended { ending, client });
    }
}

impl Pairing {
    /// With the daemon at port number `place`.
    pub fn at(place: usize) -> Pairing {
        Pairing { place, ..Pairing::default() }
    }

    /// A new code that leads there.
    pub fn draw(&self) -> io::Result<String> {
        draw(self.place)
    }

    /// What is open at `now`; what has expired is told so first.
    fn open(&self, now: Instant) -> MutexGuard<'_, Option<Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(late) = open.take_if(|open| open.until <= now) {
            late.end(Ending::Expired, None);
        }
        open
    }

    /// `code` lets one program in until [`GOOD_FOR`] has passed. `owner` hears through its outbox how it ended.
    pub fn begin(&self, owner: ClientId, outbox: &Arc<Outbox>, code: &str, now: Instant) -> Result<(), Error> {
        let mut open = self.open(now);
        if open.is_some() {
            return Err(Error::new(
                Kind::Busy,
                "A program is being paired already; type that code, or end that `underpaint pair` with Ctrl-C.",
            ));
        }
        let until = now + GOOD_FOR;
        *open = Some(Open { owner, outbox: outbox.clone(), code: code.to_owned(), until, wrong: 0 });
        Ok(())
    }

    /// `client` shows `code`: is it the right one?
    pub fn redeem(&self, code: &str, client: &Peer, now: Instant) -> Result<(), Error> {
        let mut open = self.open(now);
        if let Some(right) = open.take_if(|open| equal_in_constant_time(open.code.as_bytes(), code.as_bytes())) {
            right.end(Ending::Paired, Some(client.clone()));
            return Ok(());
        }
        if let Some(open) = open.as_mut() {
            open.wrong += 1;
        }
        if let Some(given_up) = open.take_if(|open| open.wrong == TRIES) {
            given_up.end(Ending::Refused, None);
        }
        Err(Error::new(Kind::Unauthorized, "The code is wrong or no longer good; `underpaint pair` shows a new one."))
    }

    /// Says so if the pairing has expired.
    pub fn expire(&self, now: Instant) {
        drop(self.open(now));
    }

    /// A connection is lost, and with it the pairing it began.
    pub fn leave(&self, owner: ClientId, now: Instant) {
        self.open(now).take_if(|open| open.owner == owner);
    }
}

/// Six digits, each code that leads to port number `place` as likely as any other.
fn draw(place: usize) -> io::Result<String> {
    const CODES: u32 = 1_000_000;
    loop {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
        let number = u32::from_ne_bytes(bytes);
        // The numbers at the end would make the codes at the beginning likelier.
        let code = format!("{:06}", number % CODES);
        if number < u32::MAX - u32::MAX % CODES && underpaint_wire::pairing::place(&code) == place {
            return Ok(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::Next;
    use super::*;

    const CODE: &str = "042042";

    /// What the owner was told so far.
    fn told(outbox: &Outbox) -> Vec<Ended> {
        let mut told = Vec::new();
        while let Next::Frame(frame) = outbox.next(Instant::now()) {
            let header: serde_json::Value = serde_json::from_slice(&frame[8..]).unwrap();
            assert_eq!(header["method"], "pairing/ended");
            told.push(serde_json::from_value(header["params"].clone()).unwrap());
        }
        told
    }

    fn begun(now: Instant) -> (Pairing, Arc<Outbox>) {
        let (pairing, outbox) = (Pairing::default(), Outbox::new());
        pairing.begin(1, &outbox, CODE, now).unwrap();
        (pairing, outbox)
    }

    fn kind(result: Result<(), Error>) -> Option<Kind> {
        result.err().map(|e| e.kind)
    }

    #[test]
    fn a_code_is_good_once() {
        let now = Instant::now();
        let (pairing, outbox) = begun(now);
        let photoshop = Peer { name: "photoshop".into(), version: "1".into() };
        assert_eq!(kind(pairing.redeem(CODE, &photoshop, now)), None);
        assert_eq!(told(&outbox), [Ended { ending: Ending::Paired, client: Some(photoshop.clone()) }]);
        assert_eq!(kind(pairing.redeem(CODE, &photoshop, now)), Some(Kind::Unauthorized));
        pairing.begin(1, &outbox, "123456", now).unwrap();
        assert_eq!(kind(pairing.redeem(CODE, &photoshop, now)), Some(Kind::Unauthorized));
    }

    #[test]
    fn five_wrong_codes_end_it() {
        let (now, peer) = (Instant::now(), Peer::default());
        for (wrong, ending) in [(4, Ending::Paired), (5, Ending::Refused)] {
            let (pairing, outbox) = begun(now);
            for code in ["", "42042", "0420420", "042043", "abcdef"].iter().take(wrong) {
                assert_eq!(kind(pairing.redeem(code, &peer, now)), Some(Kind::Unauthorized));
            }
            let last = pairing.redeem(CODE, &peer, now);
            assert_eq!((last.is_ok(), told(&outbox)[0].ending), (ending == Ending::Paired, ending));
        }
    }

    #[test]
    fn two_minutes_and_no_longer() {
        let (now, peer) = (Instant::now(), Peer::default());
        let last = now + GOOD_FOR - Duration::from_millis(1);
        assert_eq!(kind(begun(now).0.redeem(CODE, &peer, last)), None);
        let (pairing, outbox) = begun(now);
        assert_eq!(kind(pairing.redeem(CODE, &peer, now + GOOD_FOR)), Some(Kind::Unauthorized));
        assert_eq!(told(&outbox), [Ended { ending: Ending::Expired, client: None }]);
        let (pairing, outbox) = begun(now);
        pairing.expire(last);
        assert_eq!(told(&outbox), []);
        pairing.expire(now + GOOD_FOR);
        pairing.expire(now + GOOD_FOR);
        assert_eq!(told(&outbox).len(), 1);
    }

    #[test]
    fn one_at_a_time_and_gone_with_its_owner() {
        let now = Instant::now();
        let (pairing, outbox) = begun(now);
        assert_eq!(kind(pairing.begin(2, &outbox, "1", now)), Some(Kind::Busy));
        pairing.leave(2, now);
        assert_eq!(kind(pairing.begin(2, &outbox, "1", now)), Some(Kind::Busy));
        pairing.leave(1, now);
        assert_eq!(kind(pairing.redeem(CODE, &Peer::default(), now)), Some(Kind::Unauthorized));
        pairing.begin(2, &outbox, CODE, now).unwrap();
        assert_eq!(kind(pairing.begin(3, &outbox, CODE, now + GOOD_FOR)), None, "an expired one is in nobody's way");
    }

    #[test]
    fn codes_are_six_digits_lead_here_and_differ() {
        for place in 0..3 {
            let codes: std::collections::HashSet<String> = (0..64).map(|_| draw(place).unwrap()).collect();
            assert!(codes.len() > 60 && codes.iter().all(|c| c.len() == 6 && c.bytes().all(|b| b.is_ascii_digit())));
            assert!(codes.iter().all(|c| c.parse::<usize>().unwrap() % 3 == place));
        }
    }
}
