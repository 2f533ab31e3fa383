//! Draws a river at golden hour and writes it as a WebP file:
//! `cargo run --release --manifest-path assets/draw-river/Cargo.toml [-- OUTPUT]`
//!
//! The landscape exists only as functions of a place, `x` metres to the right and `z` ahead: noise
//! makes hills and a snowy range, the distance from the river cuts the valley, trees are small cones
//! and domes on the ground. For every column of pixels, in this order:
//!
//! 1. the heights along that line of sight are computed, from near to far;
//! 2. from the bottom up, each row takes the nearest place that rises into it: land in the light of
//!    the low sun, or water, which sends its own ray to whatever it mirrors;
//! 3. the air in between is laid over it: haze, mist in the valley, the glow around the sun;
//! 4. the rows above the last crest become sky: gradient, sun, clouds;
//! 5. grass, firs, birds and a canoe go in front, as silhouettes drawn in the picture's plane.
//!
//! All chance comes from a hash of coordinates, so each run draws the same picture.

mod math;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs, iter, thread};

use math::{Vec3, fbm, hash, noise, ridges, smoothstep};

const WIDTH: usize = 1600;
const HEIGHT: usize = 1000;
/// Samples per pixel along each axis.
const SUPER: usize = 2;
/// Keeps the file near 160 kB.
const QUALITY: f32 = 77.0;

/// The eye's height above the water in metres; it looks level along the z axis.
const EYE: f32 = 140.0;
/// Focal length and the horizon's row, in pixels.
const FOCAL: f32 = 1600.0;
const HORIZON: f32 = 470.0;
/// Where lines of sight begin and end, in metres.
const NEAR: f32 = 180.0;
const FAR: f32 = 34_000.0;
/// Each step along a line of sight is this share of the distance, so steps look equally long.
const STRIDE: f32 = 0.0016;
/// Unit vector toward the visible sun.
const SUN: Vec3 = Vec3(0.150, 0.132, 0.9798);
/// Unit vector toward the light that models the land. It comes more from the side than the sun we
/// see: lit truly from behind, every slope would be a flat shadow.
const KEY: Vec3 = Vec3(0.799, 0.399, 0.449);

/// Metres from the nearest bank: negative in the river.
fn shore_distance(x: f32, z: f32) -> f32 {
    // The phase grows with the logarithm of the distance: bends look equally long in perspective.
    let centre = 0.13 * z * (3.37 * (z.ln() - 6.507)).sin();
    let wobble = (fbm(x / 60.0, z / 90.0, 3) - 0.5) * 34.0;
    ((x - centre).abs() - 34.0 - 0.014 * z) * 0.9 + wobble
}

/// Height of the bare ground above the water.
fn ground_height(x: f32, z: f32, shore: f32) -> f32 {
    let bank = if shore < 0.0 { shore * 0.2 } else { 2.5 * (1.0 - (-shore / 9.0).exp()) };
    let inland = smoothstep(40.0, 1_100.0 + 0.1 * z, shore);
    let hills = inland * (90.0 + 520.0 * fbm(x / 820.0 + 3.7, z / 820.0 + 1.2, 5));
    let range = smoothstep(6_000.0, 15_000.0, z + 0.35 * x.abs());
    let peaks = if range > 0.0 { ridges(x / 6_800.0 + 8.45, z / 6_800.0 + 4.2, 6) } else { 0.0 };
    // A saddle below the sun lets its light into the valley.
    let saddle = 1.0 - 0.62 * (-((x / z - 0.155) / 0.085).powi(2)).exp();
    bank + hills + range * saddle * 4_150.0 * peaks
}

/// The highest crown over a place: its height (0 for none), tint and whether it is no fir.
/// `density` is the share of spots with a tree, `leafy` the share of trees that are no firs.
fn crown(x: f32, z: f32, density: f32, leafy: f32) -> (f32, f32, bool) {
    const SPOT: f32 = 8.5;
    let ragged = 0.75 + 0.5 * noise(x * 1.1, z * 1.1);
    let (cx, cz) = ((x / SPOT).floor() as i32, (z / SPOT).floor() as i32);
    let spots = (cx - 1..=cx + 1).flat_map(|i| (cz - 1..=cz + 1).map(move |j| (i, j)));
    let crowns = spots.filter(|&(i, j)| hash(i, j) < density).map(|(i, j)| {
        let dx = x - (i as f32 + hash(i + 9173, j)) * SPOT;
        let dz = z - (j as f32 + hash(i, j + 6101)) * SPOT;
        let (size, r) = (hash(i + 557, j + 811), dx.hypot(dz) * ragged);
        let dome = (7.0 + 7.0 * size) * (1.0 - (r / 5.4).powi(2));
        let cone = (12.0 + 16.0 * size) * (1.0 - r / 4.4);
        let broadleaf = hash(i + 313, j + 97) < leafy;
        // At the edge of a wood trees grow smaller; otherwise the edge would cut through crowns.
        let grown = smoothstep(0.0, 0.12, density - hash(i, j));
        let height = grown * if broadleaf { dome } else { cone };
        (height, hash(i + 71, j + 3001), broadleaf)
    });
    crowns.fold((0.0, 0.0, false), |best, next| if next.0 > best.0 { next } else { best })
}

/// One place of the landscape.
struct Place {
    x: f32,
    z: f32,
    shore: f32,
    ground: f32,
    crown: (f32, f32, bool),
}

impl Place {
    fn at(x: f32, z: f32) -> Self {
        let shore = shore_distance(x, z);
        let ground = ground_height(x, z, shore);
        // Groves on the valley floor, dense woods on the slopes, nothing above the tree line.
        let groves = smoothstep(0.44, 0.60, fbm(x / 170.0 + 9.0, z / 170.0, 3));
        let woods = groves.max(0.92 * smoothstep(18.0, 70.0, ground)).min(0.94);
        let density = woods * smoothstep(5.0, 16.0, shore) * smoothstep(760.0, 480.0, ground);
        let leafy = 0.03 + 0.27 * smoothstep(40.0, 4.0, ground);
        Self { x, z, shore, ground, crown: crown(x, z, density, leafy) }
    }

    /// Height of what is seen here: treetops, ground or the surface of the water.
    fn top(&self) -> f32 {
        (self.ground + self.crown.0).max(0.0)
    }

    /// Colour of the tree, meadow or gravel here.
    fn cover(&self) -> Vec3 {
        let Self { x, z, crown: (height, tint, broadleaf), .. } = *self;
        if height > 0.3 {
            let stand = 0.5 * tint + 1.6 * fbm(x / 260.0, z / 260.0 + 7.0, 3) - 0.65;
            let fir = Vec3(0.022, 0.044, 0.038).mix(Vec3(0.075, 0.085, 0.036), stand);
            let leaf = Vec3(0.24, 0.125, 0.035).mix(Vec3(0.12, 0.12, 0.045), tint);
            return (if broadleaf { leaf } else { fir })
                * (0.4 + 0.8 * smoothstep(0.0, 14.0, height));
        }
        let dry = fbm(x / 75.0, z / 75.0, 4) * 1.3 - 0.1;
        let meadow = Vec3(0.13, 0.14, 0.045).mix(Vec3(0.30, 0.22, 0.08), dry);
        let meadow = meadow * (0.85 + 0.3 * fbm(x / 9.0, z / 14.0, 3));
        let beach = 12.0 * noise(x / 70.0, z / 70.0 + 5.0) - 3.0;
        Vec3(0.24, 0.20, 0.14).mix(meadow, smoothstep(beach, beach + 4.0, self.shore))
    }

    /// Light that the place sends out.
    fn lit(&self) -> Vec3 {
        let Self { x, z, ground, .. } = *self;
        let (step, top) = ((z * 0.0012).max(0.5), self.top());
        let (right, behind) = (Self::at(x + step, z).top(), Self::at(x, z + step).top());
        let normal = Vec3(top - right, step, top - behind).unit();
        let rock = Vec3(0.12, 0.12, 0.16) * (0.6 + 0.8 * fbm(x / 420.0, ground / 70.0, 4));
        let snowline = 1_850.0 - 700.0 * fbm(x / 420.0, z / 420.0, 5);
        let snow = smoothstep(snowline - 250.0, snowline + 250.0, ground);
        let snow = snow * smoothstep(0.25, 0.55, normal.1);
        let bare = self.cover().mix(rock, smoothstep(560.0, 900.0, ground));
        let colour = bare.mix(Vec3(0.85, 0.85, 0.92), snow);
        // The low sun reaches the heights; into the valley it falls in patches.
        let patches = smoothstep(0.40, 0.62, fbm(x / 420.0 + 40.0, z / 700.0, 3));
        let reach = 0.18 + 0.82 * patches.max(smoothstep(160.0, 420.0, ground));
        let sunlight = Vec3(3.1, 1.75, 0.85) * (normal.dot(KEY).max(0.0) * reach);
        // The blue sky opposite the sun keeps form in the shadows.
        let fill = normal.dot(Vec3(-0.75, 0.45, -0.5)).max(0.0) * (0.5 - 0.2 * snow);
        colour.times(sunlight + Vec3(0.30, 0.42, 0.72) * (0.16 + 0.22 * normal.1 + fill))
    }
}

/// Light scattered around the sun; `toward` is the cosine of the angle to it.
fn glow(toward: f32) -> Vec3 {
    Vec3(1.0, 0.50, 0.16) * (0.42 * toward.powi(44))
        + Vec3(1.0, 0.64, 0.28) * (0.7 * toward.powi(1100))
}

fn sky(dir: Vec3) -> Vec3 {
    let toward = dir.dot(SUN).max(0.0);
    let low = Vec3(0.72, 0.48, 0.47).mix(Vec3(0.96, 0.54, 0.26), toward.powi(6));
    let middle = Vec3(0.42, 0.42, 0.52).mix(Vec3(0.92, 0.54, 0.30), 0.6 * toward.powi(22));
    let clear = low.mix(middle, smoothstep(0.0, 0.17, dir.1));
    let clear = clear.mix(Vec3(0.12, 0.22, 0.42), smoothstep(0.08, 0.42, dir.1));
    let disc = Vec3(12.0, 9.0, 5.0) * smoothstep(0.99986, 0.99996, toward);
    // Clouds lie on a plane overhead, so they crowd together toward the horizon.
    let far = 1.0 / (dir.1.max(0.0) + 0.11);
    let (u, v) = (1.35 * dir.0 * far, 2.55 * far);
    let warp = fbm(1.05 * dir.0 * far + 4.0, 1.05 * far, 3);
    let cloud = |u: f32, v: f32| fbm(u + warp * 1.4, v + warp * 0.9, 6);
    let here = cloud(u, v);
    let cover = smoothstep(0.43, 0.76, here) * smoothstep(0.015, 0.10, dir.1);
    // A cloud is lit where it thins out toward the sun.
    let lit = (here - cloud(u + 0.09, v - 0.27)) * 4.0 + 0.45;
    let shade = Vec3(0.36, 0.29, 0.40).mix(Vec3(0.55, 0.36, 0.34), toward.powi(4));
    let light = Vec3(1.05, 0.64, 0.46).mix(Vec3(1.5, 0.82, 0.42), toward.powi(12));
    let clouds = shade.mix(light, lit) + glow(toward) * 0.5;
    (clear + glow(toward) + disc).mix(clouds, cover * 0.85)
}

/// Lays the air in front of a place over its light: haze, and mist low in the valley.
fn through_air(light: Vec3, dir: Vec3, height: f32, distance: f32) -> Vec3 {
    let toward = dir.dot(SUN).max(0.0);
    let wisps = fbm(dir.0 * distance / 500.0, distance / 900.0, 3);
    let wisps = 0.4 + 1.2 * smoothstep(0.35, 0.70, wisps);
    let mist = (-height / 110.0).exp() * smoothstep(700.0, 4_500.0, distance) * wisps;
    // A little air already behind the foreground sets its silhouettes off.
    let veil = 0.07 * smoothstep(300.0, 800.0, distance);
    let depth = veil + distance * (0.000_030 + 0.000_20 * mist);
    let warmth =
        0.07 + 0.9 * toward.powi(26) * (0.4 + 0.6 * smoothstep(1_000.0, 6_000.0, distance));
    let air = Vec3(0.28, 0.34, 0.52).mix(Vec3(1.00, 0.60, 0.32), warmth) + glow(toward) * 0.6;
    light.mix(air, 1.0 - (-depth).exp()) + glow(toward) * 0.05
}

/// All that one vertical line of the picture can see, from near to far.
struct Column {
    /// Metres to the right per metre ahead.
    across: f32,
    depths: Vec<f32>,
    tops: Vec<f32>,
}

impl Column {
    fn new(across: f32) -> Self {
        let count = ((FAR / NEAR).ln() / STRIDE) as usize;
        let depths: Vec<f32> = (0..count).map(|i| NEAR * (STRIDE * i as f32).exp()).collect();
        let tops = depths.iter().map(|&z| Place::at(across * z, z).top()).collect();
        Self { across, depths, tops }
    }

    fn land(&self, z: f32) -> Vec3 {
        Place::at(self.across * z, z).lit()
    }

    /// Light and dark of the foliage on an upright face, which a height map cannot know.
    fn leaves(&self, z: f32, height: f32) -> f32 {
        let near = 1.0 - smoothstep(700.0, 2_200.0, z);
        1.0 + 0.9 * near * (noise(self.across * z * 1.1, height * 1.5 + z * 0.3) - 0.5)
    }

    /// The water at distance `z`, just before sample `first`: what it mirrors over its own green.
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
        // Facets too small to draw still flash where the sun can reach them.
        let glints = Vec3(4.0, 2.3, 0.9) * (dir.dot(SUN).max(0.0).powi(420) * (0.5 + chop).powi(3));
        let seen = mirrored.times(Vec3(1.05, 0.97, 0.88)) + glints;
        Vec3(0.020, 0.050, 0.055).mix(seen, 0.14 + 0.86 * grazing)
    }

    /// The first sample that a ray rising from the water at `z` runs into.
    fn mirrored(&self, first: usize, z: f32, slope: f32) -> Option<usize> {
        let rise = |i: usize| slope * (self.depths[i] - z);
        // Ripples blur the distance anyway, so steps may grow.
        iter::successors(Some(first), |i| Some(i + 1 + (i - first) / 60))
            .take_while(|&i| i < self.depths.len() && rise(i) < 3_500.0)
            .find(|&i| self.tops[i] > rise(i) + 0.2)
    }

    /// Goes through the samples' rows from the bottom up and gives each row's light to `paint`.
    fn paint(&self, mut paint: impl FnMut(usize, Vec3)) {
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
                    // Water is flat, so its distance need not be rounded to a sample's.
                    let z = (-EYE / slope).min(z);
                    through_air(self.water(i, z), dir, 0.0, z)
                };
                paint(row, light);
            }
        }
        (0..row).for_each(|row| paint(row, sky(direction(row))));
    }
}

const DARK: Vec3 = Vec3(0.009, 0.013, 0.013);
const GOLD: Vec3 = Vec3(0.34, 0.20, 0.08);
/// Column and row of the tips of the firs close to the eye.
const FIRS: [(f32, f32); 5] =
    [(92.0, 190.0), (-15.0, 60.0), (212.0, 520.0), (1_560.0, 330.0), (1_455.0, 600.0)];

/// A fir's light at a pixel, if it covers it: boughs that droop, with needles hanging from them.
fn fir_at(px: f32, py: f32, (x, y): (f32, f32)) -> Option<Vec3> {
    const GAP: f32 = 0.05;
    let size = 0.37 * (HEIGHT as f32 - y);
    let (u, v) = ((px - x) / size, (py - y) / size);
    if v < 0.0 || u.abs() > 0.1 + 0.4 * v {
        return None;
    }
    let side = x as i32 + if u > 0.0 { 1 } else { 2 };
    let last = (v / GAP) as i32 + 1;
    for k in ((last - 9).max(0)..=last).rev() {
        let root = (k as f32 + 0.9 * hash(k, side + 50)) * GAP;
        let length = (0.03 + 0.22 * root) * (0.55 + 0.7 * hash(k, side));
        let along = (u.abs() / length).min(1.0);
        let droop = 0.45 + 0.5 * hash(k, side + 90);
        let below = v - root - length * (droop * along - 0.45 * along * along);
        let comb = noise(px * 0.55 + k as f32 * 5.3, py * 0.10);
        let tuft = noise(px * 0.16, k as f32 * 3.1);
        let needles = (0.02 + 0.30 * length) * (0.1 + 0.55 * comb + 0.5 * tuft);
        if below > -0.022 * (1.0 - along) * comb && below < needles * (1.0 - along).powf(0.6) {
            let sunward = if (u > 0.0) == (x < 1_000.0) { 0.30 } else { 0.10 };
            let rim = smoothstep(0.45, 1.0, along) * (1.0 - below / needles) * comb * tuft;
            return Some(DARK.mix(GOLD, sunward * rim));
        }
    }
    (u.abs() < 0.004 + 0.012 * v).then_some(DARK)
}

/// The grassy brow on which the viewer stands, higher in both corners.
fn grass_at(px: f32, py: f32) -> Option<Vec3> {
    let brow = |x: f32| {
        let rise = 120.0 * smoothstep(560.0, -60.0, x) + 90.0 * smoothstep(1_180.0, 1_640.0, x);
        1_022.0 - rise - 14.0 * fbm(x / 60.0, 3.0, 3)
    };
    let below = py - brow(px);
    if below > 0.0 {
        let blades = smoothstep(0.35, 0.75, fbm(px / 3.0 + py / 9.0, py / 26.0, 3));
        let lit = smoothstep(0.0, 30.0, below) * smoothstep(120.0, 10.0, below);
        return Some(DARK.mix(Vec3(0.085, 0.070, 0.030), lit * blades));
    }
    let cell = (px / 4.0).floor() as i32;
    let mut blades = (cell - 8..=cell + 8).filter(|_| below > -90.0);
    blades.find_map(|i| {
        let root = (i as f32 + hash(i, 1)) * 4.0;
        let t = (brow(root) - py) / (16.0 + 60.0 * hash(i, 2) * hash(i, 3));
        let bend = (hash(i, 4) - 0.42) * 44.0 * t * t;
        let ear = if hash(i, 5) > 0.6 { 2.6 - ((t - 0.88) / 0.075).powi(2) } else { 0.0 };
        let half = 1.5 * (1.0 - t) + ear.max(0.0);
        let hit = (0.0..1.0).contains(&t) && (px - root - bend).abs() < half;
        hit.then(|| DARK.mix(GOLD, t * t * t))
    })
}

/// A loose line of birds on their way home.
fn bird_at(px: f32, py: f32) -> Option<Vec3> {
    let hit = (0..6).any(|i| {
        let (span, k) = (8.0 + 5.0 * hash(i, 21), i as f32);
        let u = (px - 905.0 - 36.0 * k) / span;
        let v = (py - 150.0 + 9.0 * k - 40.0 * hash(i, 22)) / span;
        let (a, roll) = (u.abs(), 0.5 * hash(i, 23) - 0.25);
        a < 1.0 && (v + 0.9 * a - 0.75 * a * a - roll * u).abs() < 0.02 + 0.13 * (1.0 - a)
    });
    hit.then_some(Vec3(0.06, 0.055, 0.07))
}

/// Somebody paddles home too; below the waterline the same shape is mirrored, bent by ripples.
fn canoe_at(px: f32, py: f32) -> Option<Vec3> {
    let (u, v) = ((px - 752.0) / 13.0, (py - 814.0) / 13.0);
    let mirrored = v > 0.0;
    let (u, v) = (if mirrored { u + 0.16 * (v * 11.0).sin() } else { u }, v.abs());
    let hull = u.abs() < 1.0 && v < 0.12 + 0.16 * u.powi(4);
    let body = ((u + 0.1) / 0.13).powi(2) + ((v - 0.36) / 0.34).powi(2) < 1.0;
    let head = (u + 0.08).powi(2) + (v - 0.82).powi(2) < 0.016;
    let paddle = (v - 0.39 + 0.9 * (u - 0.2)).abs() < 0.045 && u > -0.25 && u < 0.6;
    let light = if mirrored { Vec3(0.10, 0.10, 0.12) } else { Vec3(0.035, 0.025, 0.02) };
    (hull || body || head || paddle).then_some(light)
}

/// What stands in front of the landscape at a pixel, if anything does.
fn foreground(px: f32, py: f32) -> Option<Vec3> {
    let firs = || FIRS.iter().find_map(|&fir| fir_at(px, py, fir));
    let far = || bird_at(px, py).or_else(|| canoe_at(px, py));
    grass_at(px, py).or_else(firs).or_else(far)
}

/// Compresses light to 0..1 with soft shadows and highlights, then to a display's gamma.
fn develop(light: Vec3) -> Vec3 {
    let tone = |x: f32| {
        let response = x.max(0.0).powf(1.43);
        (response / (response + 0.325)).powf(1.0 / 2.2)
    };
    Vec3(tone(light.0), tone(light.1), tone(light.2))
}

/// The finished colours of one column of pixels, from the top down.
fn pixel_column(x: usize) -> Vec<Vec3> {
    let mut pixels = vec![Vec3(0.0, 0.0, 0.0); HEIGHT];
    let centre = |i: usize| (i as f32 + 0.5) / SUPER as f32;
    for px in (0..SUPER).map(|sub| centre(x * SUPER + sub)) {
        Column::new((px - WIDTH as f32 / 2.0) / FOCAL).paint(|row, light| {
            let light = foreground(px, centre(row)).unwrap_or(light);
            let pixel = &mut pixels[row / SUPER];
            // Developed before it is averaged, or the sun would fray every edge in front of it.
            *pixel = *pixel + develop(light) * (1.0 / (SUPER * SUPER) as f32);
        });
    }
    pixels
}

/// All pixels as rows of RGB bytes; the columns are shared out among the processor's cores.
fn draw() -> Result<Vec<u8>, &'static str> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let strips = thread::scope(|scope| {
        let columns = |first| (first..WIDTH).step_by(workers).map(pixel_column).collect();
        let threads: Vec<_> = (0..workers).map(|w| scope.spawn(move || columns(w))).collect();
        threads.into_iter().map(|t| t.join()).collect::<Result<Vec<Vec<_>>, _>>()
    })
    .map_err(|_| "a drawing thread failed")?;
    let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    let colours = places.map(|(x, y)| strips[x % workers][x / workers][y]);
    Ok(colours.flat_map(|c| [c.0, c.1, c.2]).map(|c| (c * 255.0 + 0.5) as u8).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../river.webp");
    let path = env::args_os().nth(1).map_or(default, PathBuf::from);
    let pixels = draw()?;
    let mut config = webp::WebPConfig::new().map_err(|()| "cannot configure the encoder")?;
    config.quality = QUALITY;
    config.method = 6;
    // Keeps the colour of thin twigs and grass, which plain chroma subsampling washes out.
    config.use_sharp_yuv = 1;
    // Spends bits on the smooth sky, whose blocks would show, not on the woods.
    config.sns_strength = 100;
    config.autofilter = 1;
    let encoder = webp::Encoder::from_rgb(&pixels, WIDTH as u32, HEIGHT as u32);
    let image = encoder.encode_advanced(&config).map_err(|e| format!("cannot encode: {e:?}"))?;
    fs::write(&path, &*image).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(())
}
