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

    /// One prediction of [`rows`](Self::rows) of equal length, one after the other.
    pub fn combine(self, rows: &[f32]) -> Vec<f32> {
        let (first, rest) = rows.split_at(rows.len() / self.rows());
        match self {
            Self::Off => first.to_vec(),
            Self::Text { scale } => towards(first, rest, scale),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_pushed_away_from_what_is_not_wanted() {
        for (guidance, rows, one) in [
            (Guidance::Off, &[1.0, 2.0][..], [1.0, 2.0]),
            (Guidance::Text { scale: 3.0 }, &[1.0, 2.0, 2.0, 1.0], [4.0, -1.0]),
            (Guidance::Edit { text: 2.0, image: 3.0 }, &[1.0, 0.0, 2.0, 0.0, 4.0, 1.0], [8.0, 2.0]),
        ] {
            assert_eq!(guidance.combine(rows), one, "{guidance:?}");
        }
    }
}
