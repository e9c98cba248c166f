//! Which samples a step sees and where its random numbers come from. Both are functions of the seed and the step,
//! so a resumed run needs no saved generator to continue exactly.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Streams of one seed, apart so that a change in one use never shifts another.
const SHUFFLE_STREAM: u64 = 1 << 32;
const NOISE_STREAM: u64 = 2 << 32;

fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// The samples of `step`: every one of `count` comes once an epoch, in an order shuffled anew each epoch.
pub fn batch(count: usize, size: usize, step: usize, seed: u64) -> Vec<usize> {
    let mut shuffled: Option<(usize, Vec<usize>)> = None;
    (step * size..(step + 1) * size)
        .map(|position| {
            let epoch = position / count;
            let order = match &shuffled {
                Some((of, order)) if *of == epoch => order,
                _ => {
                    let mut order: Vec<usize> = (0..count).collect();
                    order.shuffle(&mut generator(seed, SHUFFLE_STREAM + epoch as u64));
                    &shuffled.insert((epoch, order)).1
                }
            };
            order[position % count]
        })
        .collect()
}

/// The generator for augmentation and dropout of one shard of one step.
pub fn noise_source(seed: u64, step: usize, shard: usize) -> ChaCha8Rng {
    let mut rng = generator(seed, NOISE_STREAM + step as u64);
    // 2^40 words for each shard: far more than a step can use.
    rng.set_word_pos((shard as u128) << 40);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_holds_every_sample_once() {
        let mut seen: Vec<usize> = (0..5).flat_map(|step| batch(10, 4, step, 7)).collect();
        seen[..10].sort();
        assert_eq!(seen[..10], (0..10).collect::<Vec<_>>());
        seen[10..].sort();
        assert_eq!(seen[10..], (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn epochs_and_seeds_differ() {
        assert_ne!(batch(100, 100, 0, 7), batch(100, 100, 1, 7));
        assert_ne!(batch(100, 100, 0, 7), batch(100, 100, 0, 8));
        assert_eq!(batch(100, 100, 3, 7), batch(100, 100, 3, 7));
    }

    #[test]
    fn a_batch_may_be_larger_than_the_set() {
        let samples = batch(3, 8, 0, 1);
        assert_eq!(samples.len(), 8);
        assert!(samples.iter().all(|&sample| sample < 3));
    }
}
