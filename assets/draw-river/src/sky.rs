//! The sky, the sun, and the air between the eye and the land.

use crate::math::{Vec3, fbm, smoothstep};

/// The unit vector toward the visible sun.
pub const SUN: Vec3 = Vec3(0.150, 0.132, 0.9798);

/// Returns the scattered light around the sun. `toward` is the cosine of the angle to the sun.
fn glow(toward: f32) -> Vec3 {
    Vec3(1.0, 0.50, 0.16) * (0.42 * toward.powi(44))
        + Vec3(1.0, 0.64, 0.28) * (0.7 * toward.powi(1100))
}

/// Returns the light of the sky in a direction.
pub fn sky(dir: Vec3) -> Vec3 {
    let toward = dir.dot(SUN).max(0.0);
    let low = Vec3(0.72, 0.48, 0.47).mix(Vec3(0.96, 0.54, 0.26), toward.powi(6));
    let middle = Vec3(0.42, 0.42, 0.52).mix(Vec3(0.92, 0.54, 0.30), 0.6 * toward.powi(22));
    let clear = low.mix(middle, smoothstep(0.0, 0.17, dir.1));
    let clear = clear.mix(Vec3(0.12, 0.22, 0.42), smoothstep(0.08, 0.42, dir.1));
    let disc = Vec3(12.0, 9.0, 5.0) * smoothstep(0.99986, 0.99996, toward);
    // Clouds are on a plane, so that they are closer together toward the horizon.
    let far = 1.0 / (dir.1.max(0.0) + 0.11);
    let (u, v) = (1.35 * dir.0 * far, 2.55 * far);
    let warp = fbm(1.05 * dir.0 * far + 4.0, 1.05 * far, 3);
    let cloud = |u: f32, v: f32| fbm(u + warp * 1.4, v + warp * 0.9, 6);
    let here = cloud(u, v);
    let cover = smoothstep(0.43, 0.76, here) * smoothstep(0.015, 0.10, dir.1);
    // A cloud is bright where it is thinner toward the sun.
    let lit = (here - cloud(u + 0.09, v - 0.27)) * 4.0 + 0.45;
    let shade = Vec3(0.36, 0.29, 0.40).mix(Vec3(0.55, 0.36, 0.34), toward.powi(4));
    let light = Vec3(1.05, 0.64, 0.46).mix(Vec3(1.5, 0.82, 0.42), toward.powi(12));
    let clouds = shade.mix(light, lit) + glow(toward) * 0.5;
    (clear + glow(toward) + disc).mix(clouds, cover * 0.85)
}

/// Adds the air in front of a place to its light: haze, and mist low in the valley.
pub fn through_air(light: Vec3, dir: Vec3, height: f32, distance: f32) -> Vec3 {
    let toward = dir.dot(SUN).max(0.0);
    let wisps = fbm(dir.0 * distance / 500.0, distance / 900.0, 3);
    let wisps = 0.4 + 1.2 * smoothstep(0.35, 0.70, wisps);
    let mist = (-height / 110.0).exp() * smoothstep(700.0, 4_500.0, distance) * wisps;
    // A little haze close to the eye separates the foreground from the land.
    let veil = 0.07 * smoothstep(300.0, 800.0, distance);
    let depth = veil + distance * (0.000_030 + 0.000_20 * mist);
    let warmth =
        0.07 + 0.9 * toward.powi(26) * (0.4 + 0.6 * smoothstep(1_000.0, 6_000.0, distance));
    let air = Vec3(0.28, 0.34, 0.52).mix(Vec3(1.00, 0.60, 0.32), warmth) + glow(toward) * 0.6;
    light.mix(air, 1.0 - (-depth).exp()) + glow(toward) * 0.05
}
