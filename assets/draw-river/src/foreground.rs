//! The foreground: firs, grass, birds and a canoe. They have a position in the picture, not in the
//! landscape.

use crate::HEIGHT;
use crate::math::{Vec3, fbm, hash, noise, smoothstep};

const DARK: Vec3 = Vec3(0.009, 0.013, 0.013);
const GOLD: Vec3 = Vec3(0.34, 0.20, 0.08);
/// The distance between two branches, as a share of the size of the fir.
const BRANCH_GAP: f32 = 0.05;
/// The column and the row of the top of each fir.
const FIRS: [(f32, f32); 5] =
    [(92.0, 190.0), (-15.0, 60.0), (212.0, 520.0), (1_560.0, 330.0), (1_455.0, 600.0)];

/// Returns the light of a fir, which has hanging branches with needles.
fn fir_at(px: f32, py: f32, (x, y): (f32, f32)) -> Option<Vec3> {
    let size = 0.37 * (HEIGHT as f32 - y);
    let (u, v) = ((px - x) / size, (py - y) / size);
    if v < 0.0 || u.abs() > 0.1 + 0.4 * v {
        return None;
    }
    let side = x as i32 + if u > 0.0 { 1 } else { 2 };
    let last = (v / BRANCH_GAP) as i32 + 1;
    for k in ((last - 9).max(0)..=last).rev() {
        let root = (k as f32 + 0.9 * hash(k, side + 50)) * BRANCH_GAP;
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

/// Returns the light of the grassy hill at the bottom. It is higher in both corners.
fn grass_at(px: f32, py: f32) -> Option<Vec3> {
    let hill = |x: f32| {
        let rise = 120.0 * smoothstep(560.0, -60.0, x) + 90.0 * smoothstep(1_180.0, 1_640.0, x);
        1_022.0 - rise - 14.0 * fbm(x / 60.0, 3.0, 3)
    };
    let below = py - hill(px);
    if below > 0.0 {
        let blades = smoothstep(0.35, 0.75, fbm(px / 3.0 + py / 9.0, py / 26.0, 3));
        let lit = smoothstep(0.0, 30.0, below) * smoothstep(120.0, 10.0, below);
        return Some(DARK.mix(Vec3(0.085, 0.070, 0.030), lit * blades));
    }
    let cell = (px / 4.0).floor() as i32;
    let mut blades = (cell - 8..=cell + 8).filter(|_| below > -90.0);
    blades.find_map(|i| {
        let root = (i as f32 + hash(i, 1)) * 4.0;
        let t = (hill(root) - py) / (16.0 + 60.0 * hash(i, 2) * hash(i, 3));
        let bend = (hash(i, 4) - 0.42) * 44.0 * t * t;
        let ear = if hash(i, 5) > 0.6 { 2.6 - ((t - 0.88) / 0.075).powi(2) } else { 0.0 };
        let half = 1.5 * (1.0 - t) + ear.max(0.0);
        let hit = (0.0..1.0).contains(&t) && (px - root - bend).abs() < half;
        hit.then(|| DARK.mix(GOLD, t * t * t))
    })
}

/// Returns the light of the birds, which fly in a line.
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

/// Returns the light of the canoe, and of its wavy reflection below.
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

/// Returns the light of the foreground at a pixel, or `None` if the landscape is visible there.
pub fn foreground(px: f32, py: f32) -> Option<Vec3> {
    let firs = || FIRS.iter().find_map(|&fir| fir_at(px, py, fir));
    let far = || bird_at(px, py).or_else(|| canoe_at(px, py));
    grass_at(px, py).or_else(firs).or_else(far)
}
