//! How wide the decoder and the local student of the `edge` profile should be: AUROC on planted anomalies against the
//! engine's milliseconds, width by width, on good images alone. Each training is printed when it is done, at the end the
//! means over all.
//!
//!     cargo run --release -p aecsad-train --example search_widths -- decoder --seeds 2 --effort 25 DIR…

#[path = "search_widths/front.rs"]
mod front;
#[path = "search_widths/product.rs"]
mod product;
#[path = "search_widths/time.rs"]
mod time;
#[path = "search_widths/width.rs"]
mod width;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use front::Front;
use product::MeasuredProduct;
use width::Searched;

/// Trains edge networks of several widths on good images and measures them on planted anomalies.
#[derive(Parser)]
struct Arguments {
    searched: Searched,
    /// Categories; `train/good` and `validation/good` alone are read
    #[arg(required = true)]
    categories: Vec<PathBuf>,
    /// Trainings of each width on each category
    #[arg(long, default_value_t = 2)]
    seeds: u64,
    /// Percent of the profile's training steps
    #[arg(long, default_value_t = 100)]
    effort: usize,
    /// Keeps checkpoints: the same command goes on from there
    #[arg(long, default_value = "search_widths.work")]
    work: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments {
        searched,
        categories,
        seeds,
        effort,
        work,
    } = Arguments::parse();
    let products = categories
        .iter()
        .map(|folder| MeasuredProduct::open(folder))
        .collect::<Result<Vec<_>, _>>()?;
    let widths = searched.widths();
    let mut front = Front::new(&widths);
    for seed in 1..=seeds {
        for product in &products {
            let training = format!("{}-{seed}", product.name);
            let mut networks = Vec::new();
            for (index, width) in widths.iter().enumerate() {
                let folder = work.join(format!("{training}-{effort}-{width}"));
                let trained = product.train(*width, seed, effort, &folder)?;
                let ranks = product.rank(&trained, searched.branches(), seed, &folder)?;
                front.ranked(&training, index, ranks);
                networks.push(trained);
            }
            let milliseconds = time::in_turns(product, &networks)?;
            front.timed(&training, milliseconds);
        }
    }
    front.print();
    Ok(())
}
