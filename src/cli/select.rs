//! `aecsad select`: the station changes over to another installed product.

use clap::Args;

use super::print_lines;
use super::slots::SlotsArgs;
use crate::cli::error::Result;
use crate::slots::Slots;

#[derive(Args)]
pub struct SelectArgs {
    /// The product, as `aecsad slots` names it
    #[arg(value_name = "PRODUCT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub product: String,
    #[command(flatten)]
    pub place: SlotsArgs,
}

pub fn run(args: &SelectArgs) -> Result<()> {
    let slots = Slots::lock(&args.place.resolve()?.folder)?;
    slots.select(&args.product)?;
    print_lines(&format!(
        "{} is selected, from the next start on; a station that runs changes over between two parts\n",
        args.product
    ))
}
