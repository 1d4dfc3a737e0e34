//! Running a request for the command line: in a running daemon, or with the models and filters of this machine.

use super::options::Painting;
use super::progress::Terminal;
use super::{Failure, Global};
use crate::client::{Client, ClientError, Painted};
use crate::config::Config;
use crate::controls;
use crate::filters::Installed;
use crate::home::Home;
use crate::models::{Catalogue, Models};
use crate::picture::PictureError;
use crate::save;
use crate::worker::{self, Input, JobError, Output};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use underpaint_engine::Npy;
use underpaint_filters::{FilterError, Filters};
use underpaint_wire::Kind;
use underpaint_wire::generate::Generate;

/// Makes the pictures of `request`, in a running daemon if there is one and it can, else in this process.
pub fn paint(global: &Global, painting: &Painting, request: Generate, input: Input) -> Result<Output, Failure> {
    let home = global.home()?;
    let path = request.model.as_deref().and_then(as_path);
    let job = Terminal::new(global.quiet());
    let output = match path.is_none() && !painting.is_local() {
        true => match daemon(&home) {
            Some(client) => in_daemon(client, &request, &input, &job),
            None => here(&home, painting, path, request, input, &job),
        },
        false => here(&home, painting, path, request, input, &job),
    };
    job.end();
    output
}

/// A running daemon. One that does not answer is told and left alone: the painter still gets the picture.
pub fn daemon(home: &Home) -> Option<Client> {
    Client::connect(home).unwrap_or_else(|e| {
        eprintln!("warning: the running daemon is not used: {e}");
        None
    })
}

/// In the daemon, whose model may already be in memory.
fn in_daemon(mut client: Client, request: &Generate, input: &Input, job: &Terminal) -> Result<Output, Failure> {
    let canvas = input.canvas.as_ref().map(|(extent, rect, image)| (*extent, *rect, image));
    let mask = input.mask.as_ref().map(|(rect, mask)| (*rect, mask));
    let painted = client.generate(request, canvas, mask, &input.controls, &input.regions, job)?;
    let Painted { patches, used, receipt, timing_ms } = painted;
    Ok(Output { patches, used, receipt, timing_ms, saved: None })
}

/// In this process; here paths may be named.
fn here(
    home: &Home,
    painting: &Painting,
    path: Option<PathBuf>,
    mut request: Generate,
    mut input: Input,
    job: &Terminal,
) -> Result<Output, Failure> {
    for path in [&painting.save_noise, &painting.save_latents].into_iter().flatten() {
        save::probe(path).map_err(|e| PictureError::Write(path.clone(), e))?;
    }
    input.noise = painting.noise.as_deref().map(Npy::read).transpose().map_err(|e| Failure::failed(&e))?;
    input.embeddings = painting.embeddings()?;
    input.save = painting.save_noise.is_some() || painting.save_latents.is_some();
    let mut catalogue = catalogue(home)?;
    if let Some(path) = path {
        request.model = Some(catalogue.add(&path).map_err(JobError::from)?);
    }
    for call in &mut request.controls {
        if let Some(path) = as_path(&call.model) {
            call.model = catalogue.controls_mut().add(&path).map_err(JobError::from)?;
            // The encoder it was published with lies beside it.
            let beside = path.parent().unwrap_or(Path::new(".")).join("image_encoder");
            if call.encoder.is_none() && controls::is_folder_of_one(&beside) {
                catalogue.controls_mut().look(&beside);
            }
        }
        if let Some(path) = call.encoder.as_deref().and_then(as_path) {
            call.encoder = Some(catalogue.controls_mut().add(&path).map_err(JobError::from)?);
        }
        if let Some(path) = call.preprocessor.as_deref().and_then(as_path) {
            call.preprocessor = Some(catalogue.controls_mut().add(&path).map_err(JobError::from)?);
        }
    }
    for lora in &mut request.loras {
        if let Some(path) = as_path(&lora.name) {
            lora.name = catalogue.loras_mut().add(&path).map_err(JobError::Lora)?;
        }
    }
    let mut models = Models::new(Arc::new(catalogue), painting.engine_options());
    let output = worker::run(&mut models, &filters(home)?, &request, input, job)?;
    let saved = output.saved.as_ref();
    let noise = painting.save_noise.as_ref().zip(saved.map(|s| &s.noise));
    let latents = painting.save_latents.as_ref().zip(saved.map(|s| &s.latents));
    for (path, array) in [noise, latents].into_iter().flatten() {
        save::replace(path, &array.to_bytes()).map_err(|e| PictureError::Write(path.clone(), e))?;
    }
    Ok(output)
}

/// `model` as a path, if it is one: it exists, or looks like one and nothing else.
pub fn as_path(model: &str) -> Option<PathBuf> {
    let path = Path::new(model);
    let looks = model.contains(['/', '\\']) || model.ends_with(".safetensors") || model.ends_with(".ckpt");
    (looks || path.exists()).then(|| path.to_owned())
}

/// Every model of this machine's configuration.
pub fn catalogue(home: &Home) -> Result<Catalogue, Failure> {
    let config = Config::load(home.root()).map_err(Failure::Failed)?;
    let mut folders = vec![home.models_dir()];
    folders.extend(config.model_folders);
    Ok(Catalogue::scan(&folders, config.default_model, &home.cache_dir(), None))
}

/// The filters of this machine.
pub fn filters(home: &Home) -> Result<Filters, Failure> {
    Ok(open_filters(home)?)
}

pub(super) fn open_filters(home: &Home) -> Result<Filters, FilterError> {
    Ok(Filters::clone(&Installed::new(home)?.current()))
}

impl From<JobError> for Failure {
    fn from(e: JobError) -> Self {
        match &e {
            JobError::Cancelled => Failure::Interrupted,
            e if e.is_usage() => Failure::Usage(e.to_string()),
            e => Failure::Failed(e.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(e: ClientError) -> Self {
        match &e {
            ClientError::Refused(error) => match error.kind {
                Kind::Cancelled | Kind::Superseded => Failure::Interrupted,
                Kind::InvalidParams | Kind::NoSuchModel => Failure::Usage(error.to_string()),
                _ => Failure::Failed(error.to_string()),
            },
            e => Failure::Failed(e.to_string()),
        }
    }
}

impl From<PictureError> for Failure {
    fn from(e: PictureError) -> Self {
        match e {
            PictureError::NotPng(_) => Failure::Usage(e.to_string()),
            e => Failure::Failed(e.to_string()),
        }
    }
}
