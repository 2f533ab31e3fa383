//! The land: hills, a snowy mountain range, the river's valley, and trees.

use crate::math::{Vec3, fbm, hash, noise, ridges, smoothstep};

/// The unit vector toward the light that shapes the land. It comes more from the side than the visible
/// sun. With light from behind, every slope would be a flat shadow.
const KEY_LIGHT: Vec3 = Vec3(0.799, 0.399, 0.449);
/// The size of the square that holds at most one tree, in meters.
const TREE_SPACING: f32 = 8.5;

/// Returns the distance from the nearest bank in meters. It is negative in the river.
fn shore_distance(x: f32, z: f32) -> f32 {
    // The phase grows with the logarithm of the distance, so that all bends look equally long.
    let center = 0.13 * z * (3.37 * (z.ln() - 6.507)).sin();
    let wobble = (fbm(x / 60.0, z / 90.0, 3) - 0.5) * 34.0;
    ((x - center).abs() - 34.0 - 0.014 * z) * 0.9 + wobble
}

/// Returns the height of the bare ground above the water, in meters.
fn ground_height(x: f32, z: f32, shore: f32) -> f32 {
    let bank = if shore < 0.0 { shore * 0.2 } else { 2.5 * (1.0 - (-shore / 9.0).exp()) };
    let inland = smoothstep(40.0, 1_100.0 + 0.1 * z, shore);
    let hills = inland * (90.0 + 520.0 * fbm(x / 820.0 + 3.7, z / 820.0 + 1.2, 5));
    let range = smoothstep(6_000.0, 15_000.0, z + 0.35 * x.abs());
    let peaks = if range > 0.0 { ridges(x / 6_800.0 + 8.45, z / 6_800.0 + 4.2, 6) } else { 0.0 };
    // The mountains are lower below the sun, so that its light reaches the valley.
    let saddle = 1.0 - 0.62 * (-((x / z - 0.155) / 0.085).powi(2)).exp();
    bank + hills + range * saddle * 4_150.0 * peaks
}

/// The crown of a tree above a place.
#[derive(Clone, Copy, Default)]
struct Crown {
    /// The height in meters, or 0 if there is no tree.
    height: f32,
    tint: f32,
    is_broadleaf: bool,
}

/// Returns the highest crown above a place. `density` is the share of squares with a tree, and
/// `leafy` is the share of broadleaf trees.
fn crown(x: f32, z: f32, density: f32, leafy: f32) -> Crown {
    let ragged = 0.75 + 0.5 * noise(x * 1.1, z * 1.1);
    let (cx, cz) = ((x / TREE_SPACING).floor() as i32, (z / TREE_SPACING).floor() as i32);
    let squares = (cx - 1..=cx + 1).flat_map(|i| (cz - 1..=cz + 1).map(move |j| (i, j)));
    let crowns = squares.filter(|&(i, j)| hash(i, j) < density).map(|(i, j)| {
        let dx = x - (i as f32 + hash(i + 9173, j)) * TREE_SPACING;
        let dz = z - (j as f32 + hash(i, j + 6101)) * TREE_SPACING;
        let (size, r) = (hash(i + 557, j + 811), dx.hypot(dz) * ragged);
        let dome = (7.0 + 7.0 * size) * (1.0 - (r / 5.4).powi(2));
        let cone = (12.0 + 16.0 * size) * (1.0 - r / 4.4);
        let is_broadleaf = hash(i + 313, j + 97) < leafy;
        // Trees at the edge of a wood are smaller. Otherwise, the edge would cut through crowns.
        let grown = smoothstep(0.0, 0.12, density - hash(i, j));
        let height = grown * if is_broadleaf { dome } else { cone };
        Crown { height, tint: hash(i + 71, j + 3001), is_broadleaf }
    });
    crowns.fold(Crown::default(), |best, next| if next.height > best.height { next } else { best })
}

/// A place in the landscape.
pub struct Place {
    x: f32,
    z: f32,
    shore: f32,
    ground: f32,
    crown: Crown,
}

impl Place {
    /// Returns the place `x` meters to the right and `z` meters ahead.
    pub fn at(x: f32, z: f32) -> Self {
        let shore = shore_distance(x, z);
        let ground = ground_height(x, z, shore);
        // There are groves in the valley, dense woods on the slopes, and no trees above 760 m.
        let groves = smoothstep(0.44, 0.60, fbm(x / 170.0 + 9.0, z / 170.0, 3));
        let woods = groves.max(0.92 * smoothstep(18.0, 70.0, ground)).min(0.94);
        let density = woods * smoothstep(5.0, 16.0, shore) * smoothstep(760.0, 480.0, ground);
        let leafy = 0.03 + 0.27 * smoothstep(40.0, 4.0, ground);
        Self { x, z, shore, ground, crown: crown(x, z, density, leafy) }
    }

    /// Returns the height of the treetop, the ground or the water.
    pub fn top(&self) -> f32 {
        (self.ground + self.crown.height).max(0.0)
    }

    /// Returns the color of the tree, the meadow or the gravel.
    fn cover(&self) -> Vec3 {
        let Self { x, z, crown: Crown { height, tint, is_broadleaf }, .. } = *self;
        if height > 0.3 {
            let stand = 0.5 * tint + 1.6 * fbm(x / 260.0, z / 260.0 + 7.0, 3) - 0.65;
            let fir = Vec3(0.022, 0.044, 0.038).mix(Vec3(0.075, 0.085, 0.036), stand);
            let leaf = Vec3(0.24, 0.125, 0.035).mix(Vec3(0.12, 0.12, 0.045), tint);
            return (if is_broadleaf { leaf } else { fir })
                * (0.4 + 0.8 * smoothstep(0.0, 14.0, height));
        }
        let dry = fbm(x / 75.0, z / 75.0, 4) * 1.3 - 0.1;
        let meadow = Vec3(0.13, 0.14, 0.045).mix(Vec3(0.30, 0.22, 0.08), dry);
        let meadow = meadow * (0.85 + 0.3 * fbm(x / 9.0, z / 14.0, 3));
        let beach = 12.0 * noise(x / 70.0, z / 70.0 + 5.0) - 3.0;
        Vec3(0.24, 0.20, 0.14).mix(meadow, smoothstep(beach, beach + 4.0, self.shore))
    }

    /// Returns the light that the place reflects.
    pub fn light(&self) -> Vec3 {
        let Self { x, z, ground, .. } = *self;
        let (step, top) = ((z * 0.0012).max(0.5), self.top());
        let (right, behind) = (Self::at(x + step, z).top(), Self::at(x, z + step).top());
        let normal = Vec3(top - right, step, top - behind).unit();
        let rock = Vec3(0.12, 0.12, 0.16) * (0.6 + 0.8 * fbm(x / 420.0, ground / 70.0, 4));
        let snowline = 1_850.0 - 700.0 * fbm(x / 420.0, z / 420.0, 5);
        let snow = smoothstep(snowline - 250.0, snowline + 250.0, ground);
        let snow = snow * smoothstep(0.25, 0.55, normal.1);
        let bare = self.cover().mix(rock, smoothstep(560.0, 900.0, ground));
        let color = bare.mix(Vec3(0.85, 0.85, 0.92), snow);
        // The low sun lights all heights, but only parts of the valley.
        let patches = smoothstep(0.40, 0.62, fbm(x / 420.0 + 40.0, z / 700.0, 3));
        let reach = 0.18 + 0.82 * patches.max(smoothstep(160.0, 420.0, ground));
        let sunlight = Vec3(3.1, 1.75, 0.85) * (normal.dot(KEY_LIGHT).max(0.0) * reach);
        // The blue sky opposite the sun lights the shadows.
        let fill = normal.dot(Vec3(-0.75, 0.45, -0.5)).max(0.0) * (0.5 - 0.2 * snow);
        color.times(sunlight + Vec3(0.30, 0.42, 0.72) * (0.16 + 0.22 * normal.1 + fill))
    }
}
