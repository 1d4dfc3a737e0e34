//! From the denoiser's predictions with and without what was asked for to one that follows it (classifier-free guidance).
//!
//! Decision: what is compared stands as rows of one evaluation, so a model with another kind of guidance is another number
//! of rows and another sum.

/// Which rows an evaluation has and how they become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Guidance {
    /// One row, taken as it is.
    Off,
    /// The negative prompt, then the prompt (Ho and Salimans 2022).
    Text {
        /// 1 follows the prompt as trained, more exaggerates it.
        scale: f64,
        /// How much of the contrast this adds is taken back, 0..=1 (section 3.4 of arXiv:2305.08891).
        rescale: f64,
    },
    /// InstructPix2Pix (Brooks et al. 2023, equation 3): the negative prompt without the picture, the same with it, and the
    /// prompt with it.
    Edit {
        /// Towards the prompt.
        text: f64,
        /// Towards the picture.
        image: f64,
    },
}

impl Guidance {
    /// Number of rows.
    pub fn rows(self) -> usize {
        match self {
            Self::Off => 1,
            Self::Text { .. } => 2,
            Self::Edit { .. } => 3,
        }
    }

    /// True if a value depends on nothing but its own in each row.
    pub fn is_local(self) -> bool {
        !matches!(self, Self::Text { rescale, .. } if rescale > 0.0)
    }

    /// One prediction of [`rows`](Self::rows) of equal length, one after the other.
    pub fn combine(self, rows: &[f32]) -> Vec<f32> {
        let (first, rest) = rows.split_at(rows.len() / self.rows());
        match self {
            Self::Off => first.to_vec(),
            Self::Text { scale, rescale } => {
                let mut guided = towards(first, rest, scale);
                if rescale > 0.0 {
                    let contrast = deviation(rest) / deviation(&guided).max(f64::MIN_POSITIVE);
                    let factor = (rescale * contrast + (1.0 - rescale)) as f32;
                    guided.iter_mut().for_each(|v| *v *= factor);
                }
                guided
            }
            Self::Edit { text, image } => {
                let (picture, prompt) = rest.split_at(first.len());
                let sum = first.iter().zip(picture).zip(prompt);
                sum.map(|((n, i), p)| n + text as f32 * (p - i) + image as f32 * (i - n)).collect()
            }
        }
    }
}

fn towards(from: &[f32], to: &[f32], scale: f64) -> Vec<f32> {
    from.iter().zip(to).map(|(u, c)| u + scale as f32 * (c - u)).collect()
}

/// Standard deviation, up to a factor that only the number of values decides.
fn deviation(values: &[f32]) -> f64 {
    let mean = values.iter().map(|v| *v as f64).sum::<f64>() / values.len() as f64;
    values.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_pushed_away_from_what_is_not_wanted() {
        for (guidance, rows, one) in [
            (Guidance::Off, &[1.0, 2.0][..], [1.0, 2.0]),
            (Guidance::Text { scale: 3.0, rescale: 0.0 }, &[1.0, 2.0, 2.0, 1.0], [4.0, -1.0]),
            (Guidance::Text { scale: 3.0, rescale: 0.5 }, &[1.0, 2.0, 2.0, 1.0], [2.4, -0.6]),
            (Guidance::Edit { text: 2.0, image: 3.0 }, &[1.0, 0.0, 2.0, 0.0, 4.0, 1.0], [8.0, 2.0]),
        ] {
            assert_eq!(guidance.combine(rows), one, "{guidance:?}");
        }
    }
}
