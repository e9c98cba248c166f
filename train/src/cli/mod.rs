//! The command line, one file a subcommand.

pub mod keygen;
pub mod sign;
