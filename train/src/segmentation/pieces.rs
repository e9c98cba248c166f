//! The connected pieces of a class map. Shares say how much of a component there is, pieces how many there are.

use ndarray::Array2;

/// Buffers that are reused between frames.
#[derive(Clone, Debug, Default)]
pub struct PieceScratch {
    seen: Vec<bool>,
    piece: Vec<usize>,
}

/// Calls `found` with the class and the cells (row · columns + column) of each 4-connected piece, background (class 0)
/// left out, in reading order of the first cells. `classes` in standard layout.
///
/// *Shapes*: `classes` is `[rows, columns]`.
pub fn for_each(
    classes: &Array2<u8>,
    scratch: &mut PieceScratch,
    mut found: impl FnMut(u8, &[usize]),
) {
    let (rows, columns) = classes.dim();
    let Some(cells) = classes.as_slice() else {
        return;
    };
    scratch.seen.clear();
    scratch.seen.resize(cells.len(), false);
    for start in 0..cells.len() {
        let class = cells[start];
        if class == 0 || scratch.seen[start] {
            continue;
        }
        scratch.seen[start] = true;
        scratch.piece.clear();
        scratch.piece.push(start);
        let mut next = 0;
        while let Some(&cell) = scratch.piece.get(next) {
            next += 1;
            let (row, column) = (cell / columns, cell % columns);
            let around = [
                (row > 0).then(|| cell - columns),
                (row + 1 < rows).then(|| cell + columns),
                (column > 0).then(|| cell - 1),
                (column + 1 < columns).then(|| cell + 1),
            ];
            for neighbour in around.into_iter().flatten() {
                if cells[neighbour] == class && !scratch.seen[neighbour] {
                    scratch.seen[neighbour] = true;
                    scratch.piece.push(neighbour);
                }
            }
        }
        found(class, &scratch.piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn diagonal_neighbours_are_two_pieces_and_classes_do_not_mix() {
        let map = array![[1u8, 0, 2], [0, 1, 2], [3, 3, 2]];
        let mut pieces = Vec::new();
        for_each(&map, &mut PieceScratch::default(), |class, cells| {
            pieces.push((class, cells.len()));
        });
        assert_eq!(pieces, [(1, 1), (2, 3), (1, 1), (3, 2)]);
    }
}
