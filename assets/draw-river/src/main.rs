//! Draws a river at golden hour and writes it as a WebP file:
//! `cargo run --release --manifest-path assets/draw-river/Cargo.toml [-- OUTPUT]`
//!
//! The landscape is a function of a place, which is `x` meters to the right and `z` meters ahead. For
//! every column of samples, the program does the following:
//!
//! 1. It computes the height of the land along the line of sight, from near to far ([`land`]).
//! 2. From the bottom up, each row shows the nearest place that is high enough ([`column`]): land, or
//!    water, which reflects land or sky.
//! 3. The air in between adds haze, mist and the glow around the sun ([`sky`]).
//! 4. The rows above the land show the sky.
//! 5. Grass, firs, birds and a canoe cover parts of the picture ([`foreground`]).
//!
//! The random numbers are hashes of coordinates, so that each run draws the same picture.

mod column;
mod foreground;
mod land;
mod math;
mod sky;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs, thread};

use column::{Column, FOCAL};
use foreground::foreground;
use math::Vec3;

/// The size of the picture, in pixels.
const WIDTH: usize = 1600;
const HEIGHT: usize = 1000;
/// The number of samples per pixel, along each axis.
const SUPER: usize = 2;
/// The quality at which the file has about 160 kB.
const QUALITY: f32 = 77.0;

/// Maps light to the range 0 to 1, with soft shadows and highlights and the gamma of a display.
fn develop(light: Vec3) -> Vec3 {
    let tone = |x: f32| {
        let response = x.max(0.0).powf(1.43);
        (response / (response + 0.325)).powf(1.0 / 2.2)
    };
    Vec3(tone(light.0), tone(light.1), tone(light.2))
}

/// Returns the colors of one column of pixels, from the top down.
fn pixel_column(x: usize) -> Vec<Vec3> {
    let mut pixels = vec![Vec3(0.0, 0.0, 0.0); HEIGHT];
    let center = |i: usize| (i as f32 + 0.5) / SUPER as f32;
    for px in (0..SUPER).map(|sub| center(x * SUPER + sub)) {
        Column::new((px - WIDTH as f32 / 2.0) / FOCAL).paint(|row, light| {
            let light = foreground(px, center(row)).unwrap_or(light);
            let pixel = &mut pixels[row / SUPER];
            // The samples are developed before the average. Otherwise, edges in front of the sun
            // would be ragged.
            *pixel = *pixel + develop(light) * (1.0 / (SUPER * SUPER) as f32);
        });
    }
    pixels
}

/// Returns all pixels as rows of RGB bytes. Each core of the processor draws a part of the columns.
fn draw() -> Vec<u8> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut columns = vec![Vec::new(); WIDTH];
    let width = WIDTH.div_ceil(cores);
    thread::scope(|scope| {
        for (start, part) in (0..).step_by(width).zip(columns.chunks_mut(width)) {
            let draw_part =
                move || (start..).zip(part).for_each(|(x, column)| *column = pixel_column(x));
            scope.spawn(draw_part);
        }
    });
    let colors = (0..HEIGHT).flat_map(|y| columns.iter().map(move |column| column[y]));
    colors.flat_map(|c| [c.0, c.1, c.2]).map(|c| (c * 255.0 + 0.5) as u8).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../river.webp");
    let path = env::args_os().nth(1).map_or(default, PathBuf::from);
    let pixels = draw();
    let mut config = webp::WebPConfig::new().map_err(|()| "cannot configure the encoder")?;
    config.quality = QUALITY;
    config.method = 6;
    // Without it, thin branches and grass would lose their color.
    config.use_sharp_yuv = 1;
    // Gives more bits to the smooth sky, where blocks would be visible, and fewer to the woods.
    config.sns_strength = 100;
    config.autofilter = 1;
    let encoder = webp::Encoder::from_rgb(&pixels, WIDTH as u32, HEIGHT as u32);
    let image = encoder
        .encode_advanced(&config)
        .map_err(|e| format!("cannot encode the picture: {e:?}"))?;
    fs::write(&path, &*image).map_err(|e| format!("cannot write `{}`: {e}", path.display()))?;
    Ok(())
}
