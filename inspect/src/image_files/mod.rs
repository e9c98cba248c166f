//! Lists and reads image files, as [`Frame`](crate::frame::Frame)s.

pub mod container;
mod decode;
mod folder;
mod jpeg;
mod tiff;

pub use decode::{
    BIT_DEPTHS, FULL_RANGE_FROM, ImageError, MAX_PIXELS, MIN_SIDE, brightest_of_16_bits, decode,
    image_size, is_jpeg, narrowest_depth, read_image, read_image_by_content, read_image_of_depth,
    unless_it_breaks,
};
pub use folder::{EXTENSIONS, list_images, list_images_flat};
