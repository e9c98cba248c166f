//! Lists and reads image files, as [`Frame`](crate::frame::Frame)s.

pub mod container;
mod decode;
mod error;
mod folder;
mod jpeg;
mod samples;
mod tiff;

pub use decode::{
    MAX_PIXELS, MIN_SIDE, brightest_of_16_bits, decode, image_size, is_jpeg, read_image,
    read_image_by_content, read_image_of_depth, unless_it_breaks,
};
pub use error::ImageError;
pub use folder::{EXTENSIONS, list_images, list_images_flat};
pub use samples::{BIT_DEPTHS, FULL_RANGE_FROM, narrowest_depth};
