//! Rendered products: data sets in MVTec LOCO AD's layout whose anomalies are known exactly, for the demo, the
//! tests and anyone without images of their own. Pictures look like an inspection camera's: light, pose, texture
//! and noise differ from part to part, and each anomaly comes easy, medium and hard.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod canvas;
mod coverage;
mod dataset;
mod fastener_tray;
mod fuse_box;
mod ground;
mod juice_bottle;
mod light;
mod noise;
mod overlay;
mod product;
mod shape;
mod shot;
mod structural;
mod woven_cloth;

pub use dataset::{DatasetPlan, RenderedProduct, SynthError, render};
pub use shot::PictureCounts;
