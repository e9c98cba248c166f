//! The frozen encoder's side of the frame's way.

pub mod features;

pub use features::Features;
