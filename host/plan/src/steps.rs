//! Where in the schedule a repaint of some strength begins.

/// Length of the schedule and the first step that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Length of the schedule.
    pub steps: u32,
    /// First step taken; equal to `steps` if nothing is to be done.
    pub start_step: u32,
}

/// Fewer steps than this leave a weak repaint unfinished.
const MIN_STEPS: u32 = 4;
/// A schedule has at most as many levels as models were trained with.
const MAX_STEPS: u32 = 1000;

/// The painter's rule, for `fill`: start at `round(steps * (1 - strength))`; if fewer than 4 steps remain, the
/// schedule is made longer (`floor(4 / strength)`) until its last 4 steps begin where the painter asked.
/// `strength` 1 takes the steps as they are, 0 takes none. Same rule as krita-ai-diffusion's presets.
pub fn repaint(steps: u32, strength: f64) -> Steps {
    let start_step = (f64::from(steps) * (1.0 - strength)).round() as u32;
    if strength <= 0.0 {
        return Steps { steps, start_step: steps };
    }
    if start_step == 0 || steps - start_step >= MIN_STEPS {
        return Steps { steps, start_step };
    }
    // The small term keeps 4 / 0.1 at 40 whatever the last bit of the division.
    let steps = ((f64::from(MIN_STEPS) / strength + 1e-9).floor()).min(f64::from(MAX_STEPS)) as u32;
    Steps { steps, start_step: steps - MIN_STEPS }
}

/// diffusers' rule, for `generate`: of `steps`, the last `floor(steps * strength)` are taken.
pub fn diffusers(steps: u32, strength: f64) -> Steps {
    let taken = ((f64::from(steps) * strength) as u32).min(steps);
    Steps { steps, start_step: steps - taken }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repaint_takes_at_least_four_steps() {
        for (steps, strength, expect) in [
            (20, 1.0, (20, 0)),
            (20, 0.5, (20, 10)),
            (20, 0.3, (20, 14)),
            (20, 0.1, (40, 36)),
            (8, 0.3, (13, 9)),
            (4, 0.5, (8, 4)),
            (30, 0.05, (80, 76)),
            (1, 1.0, (1, 0)),
            (20, 0.0, (20, 20)),
            (20, 0.001, (1000, 996)),
        ] {
            let got = repaint(steps, strength);
            assert_eq!((got.steps, got.start_step), expect, "steps {steps}, strength {strength}");
        }
    }

    /// Expected values: `max(steps - min(int(steps * strength), steps), 0)` in Python, as in diffusers' img2img.
    #[test]
    fn image_to_image_starts_where_diffusers_does() {
        for (steps, strength, start) in
            [(20, 1.0, 0), (20, 0.3, 14), (50, 0.58, 22), (10, 0.75, 3), (3, 0.3, 3), (30, 0.1, 27)]
        {
            assert_eq!(diffusers(steps, strength).start_step, start, "steps {steps}, strength {strength}");
        }
    }
}
