//! `aecsad rollback`: the station goes back to the bundle in the other slot.

use super::print_lines;
use super::slots::SlotsArgs;
use crate::cli::error::Result;
use crate::slots::Slots;

pub fn run(args: &SlotsArgs) -> Result<()> {
    let slots = Slots::lock(&args.resolve()?.folder)?;
    let (product, version) = slots.roll_back()?;
    print_lines(&format!(
        "{product} is back at version {version}, from the next start on; a station that runs takes it between two parts\n"
    ))
}
