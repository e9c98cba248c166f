//! A full Gaussian of the low-rank vector at each position of a view. Strong where parts lie in fixed places;
//! registration brings them there.

use super::shared::aligned_part::AlignedPart;
use super::shared::low_rank::GRID;
use super::shared::map::{AnomalyMap, MapBuffer};
use super::shared::position_gaussian::{PositionGaussian, Positions};
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel, View};
use crate::arrays::Arrays;

/// The branch: the Gaussians and the latest part's map.
#[derive(Clone, Debug)]
pub struct Position {
    gaussian: PositionGaussian,
    sees: View,
    map: MapBuffer,
}

impl Position {
    pub fn new(gaussian: PositionGaussian, sees: View) -> Self {
        let Positions { rows, columns, .. } = gaussian.positions();
        Position {
            map: match sees {
                View::Whole => MapBuffer::new(GRID),
                View::Fine => MapBuffer::fine((rows, columns)),
            },
            gaussian,
            sees,
        }
    }
}

impl BranchModel for Position {
    fn branch(&self) -> Branch {
        match self.sees {
            View::Whole => Branch::Position,
            View::Fine => Branch::FinePosition,
        }
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        part.place(&mut self.map);
        let vectors = match self.sees {
            View::Whole => part.vectors(),
            View::Fine => part.fine(),
        };
        self.gaussian.map(vectors, &mut self.map.values);
        self.map.score()
    }

    fn map(&self) -> Option<AnomalyMap<'_>> {
        Some(self.map.map())
    }

    fn write(&self, arrays: &mut Arrays) {
        let prefix = self.sees.prefix();
        self.gaussian.write(arrays, &format!("{prefix}position"));
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("position.mean", || {
        let gaussian = source.position_gaussian("position", Positions::WHOLE, source.rank())?;
        Ok(Position::new(gaussian, View::Whole))
    })
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read_fine(
    source: &ArraySource<'_>,
) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("fine.position.mean", || {
        let (cells, rank) = source.fine()?;
        let gaussian = source.position_gaussian("fine.position", Positions::fine(cells), rank)?;
        Ok(Position::new(gaussian, View::Fine))
    })
}
