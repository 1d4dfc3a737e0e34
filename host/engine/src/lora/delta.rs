//! What a LoRA adds to one weight, for every kind there is.
//!
//! Decision: all kinds are made of one thing, a [`Factor`]: a matrix that is whole, a product of two thinner ones, or those two
//! around a small core (a Tucker decomposition, for convolutions). With `s = alpha / rank` (1 where the file has no alpha):
//!
//! | kind | added to `W` | source |
//! |---|---|---|
//! | LoRA, LoCon | `s F` | Hu et al. 2021; kohya's sd-scripts |
//! | LoHa | `s (F1 ∘ F2)` | Hyeon-Woo et al. 2021; LyCORIS |
//! | LoKr | `s (F1 ⊗ F2)`; `s = 1` if both are whole | LyCORIS |
//! | full | the difference itself, of weights, biases and normalisations | LyCORIS |
//! | DoRA | `m (W + D) / |W + D| - W`, with `D` of any kind above and norms per output (or input, in older files) | Liu et al. 2024 |
//!
//! Shapes are checked against the layer's before anything is read, so a file cannot make us allocate more than a layer needs.

use super::names::Part;
use crate::EngineError;
use candle_core::{Result as Computed, Tensor};
use std::collections::BTreeMap;

/// Largest rank; trainers go to a few hundred.
const MAX_RANK: usize = 4096;

/// A tensor of the file and the shape it is used in, which has as many elements as it has there.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its entry in the file.
    pub entry: usize,
    /// Two dimensions, or four for a core.
    pub shape: Vec<usize>,
}

/// A matrix of `rows x columns`, the columns of a convolution being `in * k * k`.
#[derive(Clone, Debug, PartialEq)]
enum Factor {
    Whole(Slot),
    /// `[rows, r] [r, columns]`.
    Product([Slot; 2]),
    /// `[r1, r2, k, k]` between `[rows, r1]` and `[r2, in]`.
    Tucker {
        core: Slot,
        rows: Slot,
        rows_first: bool,
        columns: Slot,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Plain(Factor),
    Hadamard(Factor, Factor),
    Kronecker(Factor, Factor),
}

/// DoRA's magnitudes and the dimension they are counted along.
#[derive(Clone, Debug, PartialEq)]
struct Magnitude {
    slot: Slot,
    per_output: bool,
}

/// What a file adds to one layer, checked against the layer's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    kind: Kind,
    magnitude: Option<Magnitude>,
    /// The entry of alpha, if the file has one.
    pub alpha: Option<usize>,
    /// What alpha is divided by; `None` where alpha means nothing.
    pub rank: Option<usize>,
}

/// The tensors a file has for one layer: entry and shape.
pub type Parts<'a> = BTreeMap<Part, (usize, &'a [usize])>;

/// A part that does not fit, and why: "has shape …".
pub type Misfit = (Part, String);

impl Delta {
    /// Makes sense of `parts` for a tensor of `shape` (`[out, in]`, `[out, in, k, k]`, or `[n]`, which only a whole difference fits).
    pub fn new(parts: &Parts<'_>, shape: &[usize]) -> Result<Self, Misfit> {
        let read = Reading { parts };
        let (rows, columns) = (shape[0], &shape[1..]);
        let all: usize = columns.iter().product();
        if let ([_], Some((part, _))) = (shape, parts.iter().find(|(part, _)| **part != Part::Diff)) {
            return Err((*part, "belongs to a weight, which this layer has not".into()));
        }
        let (kind, rank) = if parts.contains_key(&Part::Diff) {
            (Kind::Plain(Factor::Whole(read.slot(Part::Diff, &[rows, all])?)), None)
        } else if parts.keys().any(|p| matches!(p, Part::HadaW1A | Part::HadaW1B | Part::HadaW2A | Part::HadaW2B)) {
            let (first, rank) = read.factor([Part::HadaW1A, Part::HadaW1B], Part::HadaT1, true, rows, columns)?;
            let (second, _) = read.factor([Part::HadaW2A, Part::HadaW2B], Part::HadaT2, true, rows, columns)?;
            (Kind::Hadamard(first, second), Some(rank))
        } else if parts.keys().any(|p| matches!(p, Part::LokrW1 | Part::LokrW1A | Part::LokrW2 | Part::LokrW2A)) {
            read.kronecker(rows, columns)?
        } else {
            let (factor, rank) = read.factor([Part::Up, Part::Down], Part::Mid, false, rows, columns)?;
            (Kind::Plain(factor), Some(rank))
        };
        let magnitude = read.magnitude(rows, columns)?;
        let alpha = read.parts.contains_key(&Part::Alpha).then(|| read.slot(Part::Alpha, &[1])).transpose()?;
        let delta = Self { kind, magnitude, alpha: alpha.map(|slot| slot.entry), rank };
        match parts.iter().find(|(_, (entry, _))| !delta.entries().contains(entry)) {
            Some((part, _)) => Err((*part, "does not belong to what else this layer has".into())),
            None => Ok(delta),
        }
    }

    /// Every entry it needs.
    fn entries(&self) -> Vec<usize> {
        let factor = |f: &Factor| match f {
            Factor::Whole(slot) => vec![slot.entry],
            Factor::Product([a, b]) => vec![a.entry, b.entry],
            Factor::Tucker { core, rows, columns, .. } => vec![core.entry, rows.entry, columns.entry],
        };
        let mut entries = match &self.kind {
            Kind::Plain(a) => factor(a),
            Kind::Hadamard(a, b) | Kind::Kronecker(a, b) => [factor(a), factor(b)].concat(),
        };
        entries.extend(self.magnitude.as_ref().map(|m| m.slot.entry));
        entries.extend(self.alpha);
        entries
    }

    /// What is to be added to the layer's own `weight`, of its shape; `scale` is alpha by rank, `strength` what the painter wants.
    /// `read` gives a tensor of the file in a shape of as many elements.
    pub fn compute(&self, weight: &Tensor, scale: f64, strength: f64, read: &Read<'_>) -> Result<Tensor, EngineError> {
        let (scale, strength) = match self.magnitude {
            Some(_) => (scale, strength),
            None => (scale * strength, 1.0),
        };
        let change = match &self.kind {
            Kind::Plain(factor) => factor.matrix(scale, read)?,
            Kind::Hadamard(first, second) => {
                let (first, second) = factor_pair(first, second, scale, read)?;
                (first * second)?
            }
            Kind::Kronecker(first, second) => {
                let (first, second) = factor_pair(first, second, scale, read)?;
                kronecker(&first, &second)?
            }
        };
        let change = change.reshape(weight.dims())?;
        match &self.magnitude {
            None => Ok(change),
            Some(magnitude) => {
                let magnitudes = read(&magnitude.slot)?;
                Ok((decompose(weight, &change, &magnitudes, magnitude.per_output)? * strength)?)
            }
        }
    }
}

/// How a slot's tensor is read.
pub type Read<'a> = dyn Fn(&Slot) -> Result<Tensor, EngineError> + 'a;

/// Two matrices whose product of any kind carries `scale` once.
fn factor_pair(first: &Factor, second: &Factor, scale: f64, read: &Read<'_>) -> Result<(Tensor, Tensor), EngineError> {
    Ok((first.matrix(scale, read)?, second.matrix(1.0, read)?))
}

impl Factor {
    /// The matrix times `scale`, which is applied where it is smallest.
    fn matrix(&self, scale: f64, read: &Read<'_>) -> Result<Tensor, EngineError> {
        match self {
            Self::Whole(slot) => Ok((read(slot)? * scale)?),
            Self::Product([a, b]) => Ok((read(a)? * scale)?.matmul(&read(b)?)?),
            Self::Tucker { core, rows, rows_first, columns } => {
                let rows = (read(rows)? * scale)?;
                let rows = if *rows_first { rows.t()? } else { rows };
                Ok(tucker(&read(core)?, &rows, &read(columns)?)?)
            }
        }
    }
}

/// `core` `[r1, r2, k, k]` between `rows` `[out, r1]` and `columns` `[r2, in]`: `[out, in * k * k]`.
fn tucker(core: &Tensor, rows: &Tensor, columns: &Tensor) -> Computed<Tensor> {
    let (first, second, height, width) = core.dims4()?;
    let (out, inner, kernel) = (rows.dim(0)?, columns.dim(1)?, height * width);
    let left = rows.contiguous()?.matmul(&core.reshape((first, second * kernel))?)?;
    let left = left.reshape((out, second, kernel))?.transpose(1, 2)?.contiguous()?.reshape((out * kernel, second))?;
    left.matmul(columns)?.reshape((out, kernel, inner))?.transpose(1, 2)?.contiguous()?.reshape((out, inner * kernel))
}

/// The Kronecker product of `[p, q]` and `[c, d]`: `[p * c, q * d]`. A convolution's kernel stays innermost as part of `d`.
fn kronecker(first: &Tensor, second: &Tensor) -> Computed<Tensor> {
    let ((p, q), (c, d)) = (first.dims2()?, second.dims2()?);
    let product = first.reshape((p, 1, q, 1))?.broadcast_mul(&second.reshape((1, c, 1, d))?)?;
    product.reshape((p * c, q * d))
}

/// `magnitude * (weight + change) / norm(weight + change) - weight`, norms per output or per input.
fn decompose(weight: &Tensor, change: &Tensor, magnitude: &Tensor, per_output: bool) -> Computed<Tensor> {
    let turned = |t: &Tensor| if per_output { Ok(t.clone()) } else { t.transpose(0, 1)?.contiguous() };
    let sum = turned(&(weight + change)?)?;
    let (count, rest) = (sum.dim(0)?, sum.elem_count() / sum.dim(0)?);
    let flat = sum.reshape((count, rest))?;
    // As LyCORIS keeps a weight of zeros from dividing by zero.
    let norm = (flat.sqr()?.sum_keepdim(1)?.sqrt()? + f64::from(f32::EPSILON))?;
    let scaled = flat.broadcast_mul(&(magnitude.reshape((count, 1))? / norm)?)?;
    turned(&scaled.reshape(sum.shape())?)? - weight
}

/// The parts of one layer, asked for by name and shape.
struct Reading<'a> {
    parts: &'a Parts<'a>,
}

impl Reading<'_> {
    fn shape(&self, part: Part) -> Result<&[usize], Misfit> {
        self.parts.get(&part).map(|(_, shape)| *shape).ok_or((part, "is missing".into()))
    }

    /// `part`, which must have as many elements as `shape`.
    fn slot(&self, part: Part, shape: &[usize]) -> Result<Slot, Misfit> {
        let found = self.shape(part)?;
        // The header was checked against the file's length, so neither product overflows where they are equal.
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        match count == found.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) && !found.contains(&0) {
            true => Ok(Slot { entry: self.parts[&part].0, shape: shape.to_vec() }),
            false => Err((part, format!("has shape {found:?}; {shape:?} would fit the layer"))),
        }
    }

    /// The rank that `part` has as its dimension `at`.
    fn rank(&self, part: Part, at: usize) -> Result<usize, Misfit> {
        match self.shape(part)?.get(at) {
            Some(rank) if (1..=MAX_RANK).contains(rank) => Ok(*rank),
            Some(rank) => Err((part, format!("has rank {rank}; 1 to {MAX_RANK} is possible"))),
            None => Err((part, "has too few dimensions".into())),
        }
    }

    /// A product or Tucker decomposition of `rows x columns`, and its rank. `turned`: with a core the first matrix is `[r, rows]`.
    fn factor(
        &self,
        [a, b]: [Part; 2],
        core: Part,
        turned: bool,
        rows: usize,
        columns: &[usize],
    ) -> Result<(Factor, usize), Misfit> {
        let rank = self.rank(b, 0)?;
        if !self.parts.contains_key(&core) {
            let product = [self.slot(a, &[rows, rank])?, self.slot(b, &[rank, columns.iter().product()])?];
            return Ok((Factor::Product(product), rank));
        }
        let &[inner, height, width] = columns else {
            return Err((core, "belongs to a convolution, which this layer is not".into()));
        };
        let first = self.rank(core, 0)?;
        let core = self.slot(core, &[first, rank, height, width])?;
        let shape = if turned { [first, rows] } else { [rows, first] };
        let (rows, columns) = (self.slot(a, &shape)?, self.slot(b, &[rank, inner])?);
        Ok((Factor::Tucker { core, rows, rows_first: turned, columns }, rank))
    }

    /// LoKr: the first factor's shape says how the layer's is divided.
    fn kronecker(&self, rows: usize, columns: &[usize]) -> Result<(Kind, Option<usize>), Misfit> {
        let whole = self.parts.contains_key(&Part::LokrW1);
        let side =
            |part, at: usize| self.shape(part)?.get(at).copied().ok_or((part, "has too few dimensions".to_owned()));
        let (of_rows, of_columns) = match whole {
            true => ((Part::LokrW1, side(Part::LokrW1, 0)?), (Part::LokrW1, side(Part::LokrW1, 1)?)),
            false => ((Part::LokrW1A, side(Part::LokrW1A, 0)?), (Part::LokrW1B, side(Part::LokrW1B, 1)?)),
        };
        let divide = |all: usize, (part, by): (Part, usize)| match by != 0 && all.is_multiple_of(by) {
            true => Ok(all / by),
            false => Err((part, format!("has a side of {by}, which does not divide the layer's {all}"))),
        };
        let mut rest = columns.to_vec();
        let left = divide(rows, of_rows)?;
        rest[0] = divide(columns[0], of_columns)?;
        let (p, q) = (of_rows.1, of_columns.1);
        let (first, first_rank) = match whole {
            true => (Factor::Whole(self.slot(Part::LokrW1, &[p, q])?), None),
            false => {
                let rank = self.rank(Part::LokrW1B, 0)?;
                let product = [self.slot(Part::LokrW1A, &[p, rank])?, self.slot(Part::LokrW1B, &[rank, q])?];
                (Factor::Product(product), Some(rank))
            }
        };
        let (second, second_rank) = match self.parts.contains_key(&Part::LokrW2) {
            true => (Factor::Whole(self.slot(Part::LokrW2, &[left, rest.iter().product()])?), None),
            false => {
                let (factor, rank) = self.factor([Part::LokrW2A, Part::LokrW2B], Part::LokrT2, true, left, &rest)?;
                (factor, Some(rank))
            }
        };
        Ok((Kind::Kronecker(first, second), second_rank.or(first_rank)))
    }

    fn magnitude(&self, rows: usize, columns: &[usize]) -> Result<Option<Magnitude>, Misfit> {
        let (part, per_output) = match (self.parts.get(&Part::Magnitude), self.parts.get(&Part::DoraScale)) {
            (Some(_), _) => (Part::Magnitude, true),
            (None, Some((_, shape))) => (Part::DoraScale, shape.first() == Some(&rows)),
            (None, None) => return Ok(None),
        };
        let count = if per_output { rows } else { columns[0] };
        Ok(Some(Magnitude { slot: self.slot(part, &[count])?, per_output }))
    }
}
