//! (being built)

mod features;

pub use features::Features;
