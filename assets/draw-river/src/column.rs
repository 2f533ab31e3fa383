//! Everything that one column of samples shows, except the foreground.

use std::iter;

use crate::land::Place;
use crate::math::{Vec3, fbm, noise, smoothstep};
use crate::sky::{SUN, sky, through_air};
use crate::{HEIGHT, SUPER};

/// The focal length, in pixels.
pub const FOCAL: f32 = 1600.0;
/// The row of the horizon, in pixels.
const HORIZON: f32 = 470.0;
/// The height of the eye above the water, in meters. It looks along the z axis.
const EYE: f32 = 140.0;
/// The distances at which the land begins and ends, in meters.
const NEAR: f32 = 180.0;
const FAR: f32 = 34_000.0;
/// The distance to the next step, as a share of the distance. So all steps look equally long.
const STRIDE: f32 = 0.0016;

/// The land in the direction of one column, from near to far.
pub struct Column {
    /// Meters to the right per meter ahead.
    across: f32,
    depths: Vec<f32>,
    tops: Vec<f32>,
}

impl Column {
    /// Computes the height of the land at each step.
    pub fn new(across: f32) -> Self {
        let count = ((FAR / NEAR).ln() / STRIDE) as usize;
        let depths: Vec<f32> = (0..count).map(|i| NEAR * (STRIDE * i as f32).exp()).collect();
        let tops = depths.iter().map(|&z| Place::at(across * z, z).top()).collect();
        Self { across, depths, tops }
    }

    fn land(&self, z: f32) -> Vec3 {
        Place::at(self.across * z, z).light()
    }

    /// Returns the brightness of the foliage, so that the sides of trees are not uniform.
    fn leaves(&self, z: f32, height: f32) -> f32 {
        let near = 1.0 - smoothstep(700.0, 2_200.0, z);
        1.0 + 0.9 * near * (noise(self.across * z * 1.1, height * 1.5 + z * 0.3) - 0.5)
    }

    /// Returns the light of the water at distance `z`, just before step `first`: the reflection and
    /// the green of the water.
    fn water(&self, first: usize, z: f32) -> Vec3 {
        let (x, size) = (self.across * z, 1.0 + z / 500.0);
        let breeze = 0.3 + 0.7 * smoothstep(0.35, 0.65, fbm(x / 130.0, z / 300.0, 3));
        let wave = |k: f32| fbm(x / (8.0 * size) + k, z / (2.4 * size), 3) - 0.5;
        let chop = noise(x / (2.6 * size), z / (0.8 * size)) - 0.5;
        let tilt = breeze * (0.10 * wave(0.0) + 0.05 * chop);
        let slope = (EYE / z + tilt).abs().max(0.004);
        let dir = Vec3(self.across + breeze * 0.08 * wave(71.0), slope, 1.0).unit();
        let mirrored = match self.mirrored(first, z, slope) {
            Some(i) => through_air(self.land(self.depths[i]), dir, self.tops[i], self.depths[i]),
            None => sky(dir),
        };
        let grazing = (1.0 - EYE / z).clamp(0.0, 1.0).powi(3);
        // Waves that are too small to draw still reflect the sun.
        let glints = Vec3(4.0, 2.3, 0.9) * (dir.dot(SUN).max(0.0).powi(420) * (0.5 + chop).powi(3));
        let seen = mirrored.times(Vec3(1.05, 0.97, 0.88)) + glints;
        Vec3(0.020, 0.050, 0.055).mix(seen, 0.14 + 0.86 * grazing)
    }

    /// Returns the first step that a ray hits which rises from the water at `z`.
    fn mirrored(&self, first: usize, z: f32, slope: f32) -> Option<usize> {
        let rise = |i: usize| slope * (self.depths[i] - z);
        // Waves blur the reflection of distant land, so that the ray may take longer steps.
        iter::successors(Some(first), |i| Some(i + 1 + (i - first) / 60))
            .take_while(|&i| i < self.depths.len() && rise(i) < 3_500.0)
            .find(|&i| self.tops[i] > rise(i) + 0.2)
    }

    /// Calls `paint` with the light of each row of samples, from the bottom up.
    pub fn paint(&self, mut paint: impl FnMut(usize, Vec3)) {
        let slope_of = |row: usize| (HORIZON - (row as f32 + 0.5) / SUPER as f32) / FOCAL;
        let direction = |row: usize| Vec3(self.across, slope_of(row), 1.0).unit();
        let mut row = HEIGHT * SUPER;
        for (i, (&z, &top)) in self.depths.iter().zip(&self.tops).enumerate() {
            let mut land = None;
            while row > 0 && slope_of(row - 1) * z <= top - EYE {
                row -= 1;
                let (slope, dir) = (slope_of(row), direction(row));
                let light = if top > 0.0 {
                    let leaves = self.leaves(z, EYE + slope * z);
                    through_air(*land.get_or_insert_with(|| self.land(z)) * leaves, dir, top, z)
                } else {
                    // Water is flat, so that its exact distance is known.
                    let z = (-EYE / slope).min(z);
                    through_air(self.water(i, z), dir, 0.0, z)
                };
                paint(row, light);
            }
        }
        (0..row).for_each(|row| paint(row, sky(direction(row))));
    }
}
