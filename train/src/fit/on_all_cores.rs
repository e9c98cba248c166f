//! The same work on many images, on all cores: each core has a worker of its own, since networks and their buffers serve
//! one image at a time.

use rayon::prelude::*;

use super::FitError;

/// What `of` makes of each index below `count`, in order.
///
/// # Errors
/// The first one of `worker` or `of`.
pub fn on_all_cores<W: Send, T: Send>(
    count: usize,
    worker: impl Fn() -> Result<W, FitError>,
    of: impl Fn(usize, &mut W) -> Result<T, FitError> + Sync,
) -> Result<Vec<T>, FitError> {
    let share = count.div_ceil(rayon::current_num_threads()).max(1);
    let shares = (0..count)
        .step_by(share)
        .map(|start| Ok((start..(start + share).min(count), worker()?)))
        .collect::<Result<Vec<_>, FitError>>()?;
    let parts: Vec<Result<Vec<T>, FitError>> = shares
        .into_par_iter()
        .map(|(indices, mut worker)| indices.map(|index| of(index, &mut worker)).collect())
        .collect();
    let mut all = Vec::with_capacity(count);
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_an_error_ends_it() {
        for count in [0, 1, 7, 100] {
            let squares = on_all_cores(count, || Ok(2), |index, two| Ok(index * *two)).unwrap();
            assert!(squares.into_iter().eq((0..count).map(|index| 2 * index)));
        }
        let failed = on_all_cores(
            9,
            || Ok(()),
            |index, ()| match index {
                5 => Err(FitError::Interrupted),
                _ => Ok(index),
            },
        );
        assert!(matches!(failed, Err(FitError::Interrupted)));
    }
}
