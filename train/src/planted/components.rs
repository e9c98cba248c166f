//! The connected pieces of a class map.

use ndarray::Array2;

/// Cells, as (row, column), of each 4-connected piece of one class, background (class 0) left out; in reading order
/// of their first cell.
pub fn components(classes: &Array2<u8>) -> Vec<Vec<(usize, usize)>> {
    let (rows, columns) = classes.dim();
    let mut seen = Array2::from_elem((rows, columns), false);
    let mut pieces = Vec::new();
    for start in ndarray::indices((rows, columns)) {
        let class = classes[start];
        if class == 0 || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut piece = vec![start];
        let mut next = 0;
        while let Some(&(y, x)) = piece.get(next) {
            next += 1;
            let around = [
                (y.wrapping_sub(1), x),
                (y + 1, x),
                (y, x.wrapping_sub(1)),
                (y, x + 1),
            ];
            for at in around {
                if classes.get(at) == Some(&class) && !seen[at] {
                    seen[at] = true;
                    piece.push(at);
                }
            }
        }
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn diagonal_neighbours_are_two_pieces_and_classes_do_not_mix() {
        let map = array![[1u8, 0, 2], [0, 1, 2], [3, 3, 2]];
        let sizes: Vec<usize> = components(&map).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 3, 1, 2]);
    }
}
