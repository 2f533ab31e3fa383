//! Vectors and noise.

use std::ops::{Add, Mul};

/// A point, a direction, or linear red, green and blue light.
#[derive(Clone, Copy)]
pub struct Vec3(pub f32, pub f32, pub f32);

impl Add for Vec3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0, self.1 + o.1, self.2 + o.2)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, k: f32) -> Self {
        Self(self.0 * k, self.1 * k, self.2 * k)
    }
}

impl Vec3 {
    pub fn dot(self, o: Self) -> f32 {
        self.0 * o.0 + self.1 * o.1 + self.2 * o.2
    }

    /// Returns the light that a color reflects.
    pub fn times(self, o: Self) -> Self {
        Self(self.0 * o.0, self.1 * o.1, self.2 * o.2)
    }

    /// Returns the unit vector with the same direction.
    pub fn unit(self) -> Self {
        self * self.dot(self).sqrt().recip()
    }

    /// Returns a mixture: `self` if `t` is 0, `o` if `t` is 1.
    pub fn mix(self, o: Self, t: f32) -> Self {
        let t = t.clamp(0.0, 1.0);
        self * (1.0 - t) + o * t
    }
}

/// Rises smoothly from 0 at `a` to 1 at `b`. Either of them may be greater.
pub fn smoothstep(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Returns a pseudorandom number between 0 and 1 for a point of the lattice.
pub fn hash(x: i32, y: i32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    ((h ^ (h >> 15)) >> 8) as f32 / 16_777_216.0
}

/// Returns smooth value noise between 0 and 1.
pub fn noise(x: f32, y: f32) -> f32 {
    let (ix, iy) = (x.floor() as i32, y.floor() as i32);
    let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (u, v) = (fade(x - x.floor()), fade(y - y.floor()));
    let row = |iy| hash(ix, iy) * (1.0 - u) + hash(ix + 1, iy) * u;
    row(iy) * (1.0 - v) + row(iy + 1) * v
}

/// Returns the sum of several octaves of noise. Each is rotated, so that the lattice is not visible.
pub fn octaves(mut x: f32, mut y: f32, count: u32, mut shape: impl FnMut(f32) -> f32) -> f32 {
    let (mut sum, mut weight) = (0.0, 0.5);
    for _ in 0..count {
        sum += weight * shape(noise(x, y));
        weight *= 0.5;
        (x, y) = (1.6 * x - 1.2 * y + 17.3, 1.2 * x + 1.6 * y + 5.1);
    }
    sum / (1.0 - 2.0 * weight)
}

/// Returns fractal noise between 0 and 1, which looks like clouds.
pub fn fbm(x: f32, y: f32, count: u32) -> f32 {
    octaves(x, y, count, |n| n)
}

/// Returns noise that looks like mountain ridges: rough on the heights and smooth in the valleys.
pub fn ridges(x: f32, y: f32, count: u32) -> f32 {
    let mut carry = 1.0_f32;
    octaves(x, y, count, |n| {
        // The small constant rounds the crest. A sharp crest could be between two steps.
        let crest = carry * (1.0 - ((2.0 * n - 1.0).powi(2) + 0.009).sqrt()).powi(2);
        carry = (0.25 + crest * 1.3).min(1.0);
        crest
    })
}
