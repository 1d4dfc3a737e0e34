//! The daemon's books: who is connected, which jobs there are, who waits for which, what the device does next.
//!
//! Decision: one mutex around plain data, held for microseconds and never while computing or writing. Connections
//! submit and cancel, the device thread takes and finishes; nothing else changes a job's state, and every change is
//! told to the watchers before the mutex is released, so they see the changes in order.

use super::job::{Job, Outcome, Pace, Ticket, Told, Watcher, Work};
use super::outbox::Outbox;
use super::queue::{ClientId, JobId, Queue};
use crate::thumbnail::fit;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use underpaint_raster::{Image, Rect, Stage};
use underpaint_wire::blob::{Name, TAIL};
use underpaint_wire::event::{Closing, Progress, QueueChanged};
use underpaint_wire::generate::Run;
use underpaint_wire::image::{self, Px};
use underpaint_wire::methods::{JobInfo, JobState, Topic};
use underpaint_wire::rpc::Id;
use underpaint_wire::{Error, Kind};

/// How long a kept result waits to be fetched.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// How long a second request with the same `dedupe` text joins the first.
const DEDUPE: Duration = Duration::from_secs(600);
/// Bytes of results that are kept; the oldest go first.
const KEEP_BYTES: u64 = 1 << 30;
/// How long connections are given to take what is written for them when the daemon ends.
pub const CLOSING: Duration = Duration::from_secs(5);

/// Something for the device thread besides jobs, answered through the function it carries.
pub enum Command {
    /// Bring a model into memory.
    Load(String, Reply),
    /// Free the device's memory.
    Unload(Reply),
    /// Look through the models' folders again.
    Look,
}

impl Command {
    /// Answers it with the news that the daemon ends.
    fn refuse(self) {
        match self {
            Command::Load(_, reply) | Command::Unload(reply) => reply(Err(shutting_down())),
            Command::Look => {}
        }
    }
}

/// Takes the one answer to a command.
pub type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// What the device thread does next.
pub enum Next {
    /// A command; these go before jobs.
    Command(Command),
    /// A job, now running.
    Job(Box<Ticket>),
    /// Nothing, ever again.
    End,
}

/// See the module.
pub struct Hub {
    instance: String,
    max_jobs: usize,
    state: Mutex<State>,
    /// The device thread waits here.
    device: Condvar,
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    clients: HashMap<ClientId, Client>,
    jobs: BTreeMap<JobId, Job>,
    queue: Queue,
    commands: VecDeque<Command>,
    running: Option<JobId>,
    last_client: ClientId,
    last_job: JobId,
    closing: bool,
}

struct Client {
    outbox: Arc<Outbox>,
    name: String,
    previews: bool,
    topics: HashSet<Topic>,
}

impl Hub {
    /// Books of a daemon that has just started. `instance` makes its job ids unlike those of its predecessors.
    pub fn new(instance: &str, max_jobs: u32) -> Arc<Self> {
        Arc::new(Self {
            instance: instance.chars().take(8).collect(),
            max_jobs: max_jobs as usize,
            state: Mutex::default(),
            device: Condvar::new(),
            closing: watch::Sender::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, job: JobId) -> String {
        format!("{}-{job}", self.instance)
    }

    fn parse(&self, name: &str) -> Option<JobId> {
        name.strip_prefix(&self.instance)?.strip_prefix('-')?.parse().ok()
    }

    // Connections.

    /// A client has said hello.
    pub fn join(&self, name: &str, previews: bool, outbox: Arc<Outbox>) -> ClientId {
        let mut state = self.state();
        state.last_client += 1;
        let id = state.last_client;
        if state.closing {
            outbox.event("server/closing", &Closing { after_ms: CLOSING.as_millis() as u64 });
        }
        // What others are shown is a name, however long.
        let name = name.chars().take(64).collect();
        state.clients.insert(id, Client { outbox, name, previews, topics: HashSet::new() });
        id
    }

    /// A connection is lost: its jobs are cancelled, except those it wanted kept and those that somebody else asked for, too.
    pub fn leave(&self, client: ClientId) {
        let mut state = self.state();
        state.clients.remove(&client);
        let mut left = Vec::new();
        for (&id, job) in &mut state.jobs {
            job.watchers.retain(|w| w.client != client);
            if job.owner == client && job.ended.is_none() {
                left.push((id, job.asked_by(), job.run.keep));
            }
        }
        for (job, asked_by, keep) in left {
            match asked_by {
                Some(other) => state.adopt(other, job),
                None if keep => {}
                None => self.stop(&mut state, job, Kind::Cancelled),
            }
        }
    }

    /// Number of connections.
    pub fn clients(&self) -> u32 {
        self.state().clients.len() as u32
    }

    /// Replaces what a connection wants to hear.
    pub fn subscribe(&self, client: ClientId, topics: HashSet<Topic>) {
        if let Some(client) = self.state().clients.get_mut(&client) {
            client.topics = topics;
        }
    }

    /// Sends an event without content to everyone who wants to hear of `topic`.
    pub fn announce(&self, topic: Topic, method: &str) {
        for client in self.state().clients.values().filter(|c| c.topics.contains(&topic)) {
            client.outbox.event(method, &serde_json::json!({}));
        }
    }

    // Jobs, as connections see them.

    /// Takes a job on and promises its response to the request `id`, which the connection's outbox already awaits.
    pub fn submit(&self, client: ClientId, id: &Id, run: Run, work: Work) -> Result<(), Error> {
        let mut state = self.state();
        if state.closing {
            return Err(shutting_down());
        }
        self.expire(&mut state, Instant::now());
        let Some(owner) = state.clients.get(&client) else { return Err(shutting_down()) };
        let client_name = owner.name.clone();
        let watcher = owner.watcher(client, id, false, run.progress.clone(), run.preview);
        if let Some(same) = run.dedupe.as_deref().and_then(|text| state.duplicate(&client_name, text)) {
            self.watch(&mut state, same, watcher);
            return Ok(());
        }
        let unfinished = state.jobs.values().filter(|j| j.owner == client && j.ended.is_none()).count();
        if unfinished >= self.max_jobs {
            return Err(Error::new(
                Kind::Busy,
                format!("There are already {unfinished} unfinished jobs of this connection; wait for one to end."),
            ));
        }
        state.last_job += 1;
        let job = state.last_job;
        let live = run.live.as_ref().map(|l| l.key.clone());
        let books = Job {
            owner: client,
            client_name,
            run,
            state: JobState::Queued,
            cancelled: Arc::default(),
            reason: Kind::Cancelled,
            watchers: vec![watcher],
            work: Some(work),
            outcome: None,
            submitted: Instant::now(),
            ended: None,
            step: None,
        };
        state.jobs.insert(job, books);
        if let Some(superseded) = state.queue.push(client, job, live) {
            self.end(
                &mut state,
                superseded,
                Err(Error::new(Kind::Superseded, "A newer request took this one's place.")),
            );
        }
        self.tell(&state, job);
        self.queue_changed(&state);
        self.device.notify_one();
        Ok(())
    }

    /// `job/attach`. What was left by a lost connection becomes the attaching one's, if it is of the same program.
    pub fn attach(&self, client: ClientId, id: &Id, job: &str, run: Run) -> Result<(), Error> {
        let mut state = self.state();
        self.expire(&mut state, Instant::now());
        let known = self.parse(job).filter(|job| state.jobs.contains_key(job)).ok_or_else(no_such_job)?;
        let Some(watcher) = state.clients.get(&client).map(|c| c.watcher(client, id, true, run.progress, run.preview))
        else {
            return Err(shutting_down());
        };
        state.adopt(client, known);
        self.watch(&mut state, known, watcher);
        Ok(())
    }

    fn watch(&self, state: &mut State, id: JobId, watcher: Watcher) {
        let name = self.name(id);
        let position = state.position(id);
        let Some(job) = state.jobs.get_mut(&id) else { return };
        watcher.outbox.event("job/state", &job.changed(name.clone(), &watcher.id, position));
        match &job.outcome {
            Some(outcome) => respond(outcome, name, &watcher),
            None => job.watchers.push(watcher),
        }
    }

    /// The notification `cancel`: ends the job, unless another request asked for the same one.
    pub fn cancel_request(&self, client: ClientId, id: &Id) {
        let mut state = self.state();
        let found = state.jobs.iter().find_map(|(&job, j)| {
            let at = j.watchers.iter().position(|w| w.client == client && w.id == *id)?;
            let others = j.watchers.iter().enumerate().any(|(i, w)| i != at && !w.attached);
            Some((job, at, j.watchers[at].attached || others))
        });
        let Some((job, at, goes_on)) = found else { return };
        if !goes_on {
            return self.stop(&mut state, job, Kind::Cancelled);
        }
        if let Some(job) = state.jobs.get_mut(&job) {
            let watcher = job.watchers.remove(at);
            watcher.outbox.respond(&watcher.id, &Err(ended_early(Kind::Cancelled)));
        }
    }

    /// `job/cancel`; what is finished or unknown is no error.
    pub fn cancel(&self, job: &str) {
        let mut state = self.state();
        if let Some(job) = self.parse(job) {
            self.stop(&mut state, job, Kind::Cancelled);
        }
    }

    /// `job/forget`: a finished job's result is dropped, an unfinished job is no longer kept.
    pub fn forget(&self, job: &str) {
        let mut state = self.state();
        let Some(id) = self.parse(job) else { return };
        let Some(job) = state.jobs.get_mut(&id) else { return };
        job.run.keep = false;
        let owner = job.owner;
        if job.ended.is_some() {
            state.jobs.remove(&id);
        } else if !state.clients.contains_key(&owner) {
            self.stop(&mut state, id, Kind::Cancelled);
        }
    }

    /// `job/move`.
    pub fn shift(&self, client: ClientId, job: &str, position: u32) -> Result<(), Error> {
        let mut state = self.state();
        let own = self.parse(job).filter(|job| state.jobs.get(job).is_some_and(|j| j.owner == client));
        let moved = own.is_some_and(|job| state.queue.shift(job, position as usize));
        self.queue_changed(&state);
        if moved { Ok(()) } else { Err(no_such_job()) }
    }

    /// Running and waiting jobs in order, then those that ended and are kept.
    pub fn list(&self, client: ClientId) -> Vec<JobInfo> {
        let mut state = self.state();
        self.expire(&mut state, Instant::now());
        let order: Vec<JobId> = state.running.into_iter().chain(state.queue.order()).collect();
        let ended = state.jobs.iter().filter(|(_, j)| j.ended.is_some()).map(|(&id, _)| id);
        order.into_iter().chain(ended).filter_map(|id| self.info(&state, id, client)).collect()
    }

    fn info(&self, state: &State, id: JobId, client: ClientId) -> Option<JobInfo> {
        let job = state.jobs.get(&id)?;
        Some(JobInfo {
            job: self.name(id),
            state: job.state,
            label: job.run.label.clone(),
            client: job.client_name.clone(),
            mine: job.owner == client,
            keep: job.run.keep,
            position: state.position(id),
            step: job.step.map(|told| told.step),
            steps: job.step.map(|told| told.steps),
        })
    }

    // Jobs, as the device thread sees them.

    /// Asks the device thread for something besides jobs.
    pub fn command(&self, command: Command) {
        let mut state = self.state();
        if state.closing {
            drop(state);
            return command.refuse();
        }
        // One look is enough, however many ask for it.
        let repeated = matches!(command, Command::Look) && state.commands.iter().any(|c| matches!(c, Command::Look));
        if !repeated {
            state.commands.push_back(command);
        }
        self.device.notify_one();
    }

    /// Waits for the next thing to do.
    pub fn next(self: &Arc<Self>) -> Next {
        let mut state = self.state();
        loop {
            if state.closing {
                return Next::End;
            }
            if let Some(command) = state.commands.pop_front() {
                return Next::Command(command);
            }
            if let Some(ticket) = self.start(&mut state) {
                return Next::Job(Box::new(ticket));
            }
            state = self.device.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn start(self: &Arc<Self>, state: &mut State) -> Option<Ticket> {
        let id = state.queue.pop()?;
        let job = state.jobs.get_mut(&id)?;
        let work = job.work.take()?;
        job.state = JobState::Running;
        let (queued, cancelled) = (job.submitted.elapsed(), job.cancelled.clone());
        let (client, label, live) = (job.client_name.clone(), job.run.label.clone(), job.run.live.is_some());
        state.running = Some(id);
        self.tell(state, id);
        self.queue_changed(state);
        let (hub, pace) = (self.clone(), Mutex::new(Pace::new()));
        Some(Ticket { job: id, client, label, live, work, queued, hub, cancelled, pace })
    }

    /// The running job has ended and the device is free. True if its result is wanted.
    pub fn finish(&self, job: JobId, outcome: Outcome) -> bool {
        let mut state = self.state();
        state.running = None;
        let Some(books) = state.jobs.get(&job) else { return false };
        // Whoever cancelled does not want a result that was ready a moment later.
        let outcome = if books.cancelled.load(Ordering::Relaxed) { Err(ended_early(books.reason)) } else { outcome };
        let done = outcome.is_ok();
        self.end(&mut state, job, outcome);
        self.expire(&mut state, Instant::now());
        self.queue_changed(&state);
        done
    }

    /// Tells everyone who gave a token.
    pub fn progress(&self, job: JobId, stage: Stage, step: u32, steps: u32, eta_ms: Option<u64>) {
        let mut state = self.state();
        let name = self.name(job);
        let Some(job) = state.jobs.get_mut(&job) else { return };
        job.step = Some(Told { step, steps, eta_ms });
        for watcher in &job.watchers {
            let Some(token) = watcher.progress.clone() else { continue };
            let event = Progress {
                progress: token,
                job: name.clone(),
                stage,
                step,
                steps,
                eta_ms,
                preview: None,
                preview_rect: None,
            };
            watcher.outbox.progress(event, Vec::new());
        }
    }

    /// True if a preview made now would be sent to someone.
    pub fn wants_preview(&self, job: JobId) -> bool {
        let now = Instant::now();
        self.state().jobs.get(&job).is_some_and(|job| job.watchers.iter().any(|w| w.wants_preview(now)))
    }

    /// Sends a preview to everyone who wants one now, no larger than they want it, and where on the canvas it will be.
    pub fn preview(&self, job: JobId, (stage, step): (Stage, u32), preview: &Image, rect: Option<Rect>) {
        let (now, name) = (Instant::now(), self.name(job));
        let mut state = self.state();
        let Some(job) = state.jobs.get_mut(&job) else { return };
        let (steps, eta_ms) = job.step.map_or((step, None), |told| (told.steps, told.eta_ms));
        for watcher in job.watchers.iter_mut().filter(|w| w.wants_preview(now)) {
            let (Some(wanted), Some(token)) = (watcher.preview, watcher.progress.clone()) else { continue };
            let Ok(tail) = Name::try_from(TAIL.to_owned()) else { continue };
            let small = fit(preview, wanted.max_side);
            let image = image::Image::packed(tail, small.extent(), Px::Rgba8);
            let event = Progress {
                progress: token,
                job: name.clone(),
                stage,
                step,
                steps,
                eta_ms,
                preview: Some(image),
                preview_rect: rect,
            };
            watcher.outbox.progress(event, image::to_bytes(&small, Px::Rgba8));
            watcher.last_preview = Some(now);
        }
    }

    // The end.

    /// Ends everything in order: waiting jobs at once, the running one within a step, all of them answered.
    pub fn close(&self) {
        let mut state = self.state();
        if std::mem::replace(&mut state.closing, true) {
            return;
        }
        for client in state.clients.values() {
            client.outbox.event("server/closing", &Closing { after_ms: CLOSING.as_millis() as u64 });
        }
        for job in state.queue.order().into_iter().chain(state.running).collect::<Vec<_>>() {
            self.stop(&mut state, job, Kind::ShuttingDown);
        }
        let commands: Vec<Command> = state.commands.drain(..).collect();
        drop(state);
        commands.into_iter().for_each(Command::refuse);
        self.device.notify_all();
        self.closing.send_replace(true);
    }

    /// Completes once [`Hub::close`] was called.
    pub async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // An error means the hub is gone, which is the end as well.
        let _ = closing.wait_for(|&closing| closing).await;
    }

    /// Lets every connection end once it has written what waits.
    pub fn dismiss(&self) {
        for client in self.state().clients.values() {
            client.outbox.finish();
        }
    }

    // Inside the mutex.

    /// Ends a job early: a waiting one now, a running one when it notices.
    fn stop(&self, state: &mut State, id: JobId, reason: Kind) {
        let Some(job) = state.jobs.get_mut(&id).filter(|j| j.ended.is_none()) else { return };
        if !job.cancelled.swap(true, Ordering::Relaxed) {
            job.reason = reason;
        }
        if state.queue.remove(id) {
            self.end(state, id, Err(ended_early(reason)));
            self.queue_changed(state);
        }
    }

    /// Puts a job into its final state, tells and answers everyone, and keeps the result if that was asked for.
    fn end(&self, state: &mut State, id: JobId, outcome: Outcome) {
        let name = self.name(id);
        let Some(job) = state.jobs.get_mut(&id) else { return };
        job.state = match &outcome {
            Ok(_) => JobState::Done,
            Err(e) if matches!(e.kind, Kind::Cancelled | Kind::Superseded) => JobState::Cancelled,
            Err(_) => JobState::Failed,
        };
        job.ended = Some(Instant::now());
        job.work = None;
        job.outcome = Some(outcome);
        self.tell(state, id);
        let Some(job) = state.jobs.get_mut(&id) else { return };
        for watcher in std::mem::take(&mut job.watchers) {
            if let Some(token) = &watcher.progress {
                watcher.outbox.end_progress(token);
            }
            if let Some(outcome) = &job.outcome {
                respond(outcome, name.clone(), &watcher);
            }
        }
        if !job.run.keep && job.run.dedupe.is_none() {
            state.jobs.remove(&id);
        }
    }

    /// Sends a job's present state to everyone who watches it.
    fn tell(&self, state: &State, id: JobId) {
        let Some(job) = state.jobs.get(&id) else { return };
        let position = state.position(id);
        for watcher in &job.watchers {
            watcher.outbox.event("job/state", &job.changed(self.name(id), &watcher.id, position));
        }
    }

    fn queue_changed(&self, state: &State) {
        let event = QueueChanged { length: state.queue.len() as u32, running: state.running.map(|id| self.name(id)) };
        for client in state.clients.values().filter(|c| c.topics.contains(&Topic::Queue)) {
            client.outbox.event("queue/changed", &event);
        }
    }

    /// Drops results whose time is over, then the oldest until the rest fits.
    fn expire(&self, state: &mut State, now: Instant) {
        state.jobs.retain(|_, job| {
            let lifetime = if job.run.keep { KEEP } else { DEDUPE };
            job.ended.is_none_or(|ended| now < ended + lifetime)
        });
        let bytes = |job: &Job| job.outcome.as_ref().and_then(|o| o.as_ref().ok()).map_or(0, |done| done.bytes());
        let mut total: u64 = state.jobs.values().map(bytes).sum();
        while total > KEEP_BYTES {
            let oldest =
                state.jobs.iter().filter(|(_, j)| j.ended.is_some()).min_by_key(|(_, j)| j.ended).map(|(&id, _)| id);
            let Some(gone) = oldest.and_then(|id| state.jobs.remove(&id)) else { break };
            total -= bytes(&gone);
        }
    }
}

impl Client {
    fn watcher(
        &self,
        client: ClientId,
        id: &Id,
        attached: bool,
        progress: Option<String>,
        preview: Option<underpaint_wire::generate::Preview>,
    ) -> Watcher {
        let preview = preview.filter(|_| self.previews);
        Watcher { client, outbox: self.outbox.clone(), id: id.clone(), attached, progress, preview, last_preview: None }
    }
}

impl State {
    /// Jobs before it in the queue, `None` if it does not wait.
    fn position(&self, job: JobId) -> Option<u32> {
        self.queue.order().iter().position(|&waiting| waiting == job).map(|at| at as u32)
    }

    /// A job whose connection is lost goes over to `client`, if that bears the same name.
    fn adopt(&mut self, client: ClientId, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| !self.clients.contains_key(&job.owner)) else { return };
        if self.clients.get(&client).is_some_and(|c| c.name == job.client_name) {
            job.owner = client;
            self.queue.hand_over(client, id);
        }
    }

    /// The job an earlier request with the same text started, if it can still answer this one.
    fn duplicate(&self, client_name: &str, text: &str) -> Option<JobId> {
        let same = |job: &Job| {
            let usable = match &job.outcome {
                None => !job.cancelled.load(Ordering::Relaxed),
                Some(outcome) => outcome.is_ok(),
            };
            usable
                && job.client_name == client_name
                && job.run.dedupe.as_deref() == Some(text)
                && job.submitted.elapsed() < DEDUPE
        };
        self.jobs.iter().find(|(_, job)| same(job)).map(|(&id, _)| id)
    }
}

fn respond(outcome: &Outcome, job: String, watcher: &Watcher) {
    match outcome {
        Ok(done) => done.deliver(job, &watcher.id, &watcher.outbox),
        Err(error) => watcher.outbox.respond(&watcher.id, &Err(error.clone())),
    }
}

fn ended_early(reason: Kind) -> Error {
    match reason {
        Kind::ShuttingDown => shutting_down(),
        _ => Error::new(Kind::Cancelled, "The job was cancelled."),
    }
}

fn shutting_down() -> Error {
    Error::new(Kind::ShuttingDown, "Underpaint is shutting down; start it again and repeat the request.")
}

fn no_such_job() -> Error {
    Error::new(Kind::NoSuchJob, "There is no such job any more.")
}

#[cfg(test)]
mod tests;
