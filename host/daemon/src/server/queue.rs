//! Whose turn it is. Clients take turns; within one, first come, first served, live jobs first.
//!
//! Pure: it knows ids and an order, nothing about jobs, devices or time.

use std::collections::VecDeque;

/// A connection, for the purpose of taking turns.
pub type ClientId = u64;
/// A job, for the purpose of being next.
pub type JobId = u64;

/// The waiting jobs of every client, clients in the order of their next turn.
#[derive(Debug, Default)]
pub struct Queue {
    lanes: VecDeque<Lane>,
    /// Who had the last turn.
    last: Option<ClientId>,
}

#[derive(Debug)]
struct Lane {
    client: ClientId,
    /// Live ones first, each group in order.
    jobs: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    job: JobId,
    live: Option<String>,
}

impl Queue {
    /// Adds a job. A live one takes the place of the client's waiting live job with the same key, which is returned.
    pub fn push(&mut self, client: ClientId, job: JobId, live: Option<String>) -> Option<JobId> {
        let lane = self.lane(client);
        let Some(key) = live else {
            lane.jobs.push_back(Waiting { job, live: None });
            return None;
        };
        let live = Some(key);
        if let Some(old) = lane.jobs.iter_mut().find(|w| w.live == live) {
            return Some(std::mem::replace(&mut old.job, job));
        }
        let at = lane.jobs.iter().take_while(|w| w.live.is_some()).count();
        lane.jobs.insert(at, Waiting { job, live });
        None
    }

    fn lane(&mut self, client: ClientId) -> &mut Lane {
        let at = self.lanes.iter().position(|l| l.client == client).unwrap_or_else(|| {
            // Whoever comes now goes before the one who has just had a turn.
            let behind = self.lanes.back().is_some_and(|l| Some(l.client) == self.last) as usize;
            let at = self.lanes.len() - behind;
            self.lanes.insert(at, Lane { client, jobs: VecDeque::new() });
            at
        });
        &mut self.lanes[at]
    }

    /// Takes the next job; its client then waits for all the others.
    pub fn pop(&mut self) -> Option<JobId> {
        let mut lane = self.lanes.pop_front()?;
        let next = lane.jobs.pop_front()?;
        self.last = Some(lane.client);
        if !lane.jobs.is_empty() {
            self.lanes.push_back(lane);
        }
        Some(next.job)
    }

    /// Takes a job out; false if it was not waiting.
    pub fn remove(&mut self, job: JobId) -> bool {
        let before = self.len();
        for lane in &mut self.lanes {
            lane.jobs.retain(|w| w.job != job);
        }
        self.lanes.retain(|l| !l.jobs.is_empty());
        self.len() < before
    }

    /// Moves a job to `position` among its client's waiting jobs (beyond the last = last); false if it was not
    /// waiting. Live jobs stay before the others.
    pub fn shift(&mut self, job: JobId, position: usize) -> bool {
        for lane in &mut self.lanes {
            let Some(at) = lane.jobs.iter().position(|w| w.job == job) else { continue };
            let Some(moved) = lane.jobs.remove(at) else { continue };
            let live = lane.jobs.iter().take_while(|w| w.live.is_some()).count();
            let (low, high) = if moved.live.is_some() { (0, live) } else { (live, lane.jobs.len()) };
            lane.jobs.insert(position.clamp(low, high), moved);
            return true;
        }
        false
    }

    /// Makes a waiting job one of `client`'s, the last of them (of the live ones, if it is live).
    pub fn hand_over(&mut self, client: ClientId, job: JobId) {
        let mut jobs = self.lanes.iter_mut().map(|lane| &mut lane.jobs);
        let taken = jobs.find_map(|jobs| jobs.iter().position(|w| w.job == job).and_then(|at| jobs.remove(at)));
        let Some(taken) = taken else { return };
        self.lanes.retain(|lane| !lane.jobs.is_empty());
        let lane = self.lane(client);
        let at = if taken.live.is_some() {
            lane.jobs.iter().take_while(|w| w.live.is_some()).count()
        } else {
            lane.jobs.len()
        };
        lane.jobs.insert(at, taken);
    }

    /// Waiting jobs in the order they would run if no more came.
    pub fn order(&self) -> Vec<JobId> {
        let longest = self.lanes.iter().map(|l| l.jobs.len()).max().unwrap_or(0);
        (0..longest).flat_map(|turn| self.lanes.iter().filter_map(move |l| l.jobs.get(turn).map(|w| w.job))).collect()
    }

    /// Number of waiting jobs.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|l| l.jobs.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(mut queue: Queue) -> Vec<JobId> {
        let announced = queue.order();
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(announced, taken);
        taken
    }

    #[test]
    fn clients_take_turns() {
        let mut queue = Queue::default();
        for (client, job) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
            assert_eq!(queue.push(client, job, None), None);
        }
        assert_eq!(drain(queue), [10, 20, 30, 11, 21, 12]);
    }

    #[test]
    fn one_with_many_jobs_does_not_hold_up_one_who_comes_later() {
        let mut queue = Queue::default();
        (0..5).for_each(|job| {
            queue.push(1, job, None);
        });
        assert_eq!((queue.pop(), queue.pop()), (Some(0), Some(1)));
        queue.push(2, 9, None);
        queue.push(3, 8, None);
        assert_eq!(drain(queue), [9, 8, 2, 3, 4]);
    }

    #[test]
    fn live_jobs_go_first_and_replace_each_other() {
        let live = |key: &str| Some(key.to_owned());
        let mut queue = Queue::default();
        queue.push(1, 1, None);
        assert_eq!(queue.push(1, 2, live("a")), None);
        assert_eq!(queue.push(1, 3, live("b")), None);
        assert_eq!(queue.push(1, 4, live("a")), Some(2));
        assert_eq!(queue.push(2, 5, live("a")), None, "another client's key is another key");
        assert_eq!(drain(queue), [4, 5, 3, 1]);
    }

    #[test]
    fn jobs_move_within_their_client() {
        let at = |job, position| {
            let mut queue = Queue::default();
            queue.push(1, 1, Some("k".into()));
            (2..5).for_each(|job| {
                queue.push(1, job, None);
            });
            assert_eq!(queue.shift(job, position), job < 5);
            drain(queue)
        };
        assert_eq!(at(4, 1), [1, 4, 2, 3]);
        assert_eq!(at(4, 0), [1, 4, 2, 3], "not before a live one");
        assert_eq!(at(2, 99), [1, 3, 4, 2]);
        assert_eq!(at(1, 3), [1, 2, 3, 4], "a live one stays first");
        assert_eq!(at(9, 0), [1, 2, 3, 4]);
    }

    #[test]
    fn jobs_go_over_to_another_client() {
        let mut queue = Queue::default();
        queue.push(1, 1, None);
        queue.push(1, 2, Some("k".into()));
        queue.push(2, 3, None);
        for (job, order) in [(2, [1, 2, 3]), (1, [2, 3, 1]), (9, [2, 3, 1]), (3, [2, 1, 3])] {
            queue.hand_over(2, job);
            assert_eq!(queue.order(), order, "{job}");
        }
        assert!(queue.shift(3, 1));
        assert_eq!(drain(queue), [2, 3, 1]);
    }

    #[test]
    fn removed_jobs_do_not_run() {
        let mut queue = Queue::default();
        queue.push(1, 1, None);
        queue.push(2, 2, None);
        assert!(queue.remove(1) && !queue.remove(1));
        assert_eq!(queue.len(), 1);
        assert_eq!(drain(queue), [2]);
    }
}
