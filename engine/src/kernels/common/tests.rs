//! Random layers for the tests of all kernels.

use fastrand::Rng;

use super::geometry::Axis;

/// An axis whose kernel fits, of a kernel of up to `kernel` taps.
pub(crate) fn axis(
    rng: &mut Rng,
    kernel: std::ops::RangeInclusive<usize>,
    most_dilation: usize,
) -> Axis {
    loop {
        let axis = Axis {
            input: rng.usize(1..20),
            output: 0,
            kernel: rng.usize(kernel.clone()),
            stride: rng.usize(1..=3),
            dilation: rng.usize(1..=most_dilation),
            padding: rng.usize(0..6),
        };
        let reach = axis.dilation * (axis.kernel - 1) + 1;
        let padded = axis.input + axis.padding + rng.usize(0..6);
        if padded >= reach {
            let output = (padded - reach) / axis.stride + 1;
            return Axis { output, ..axis };
        }
    }
}

pub(crate) fn areas([rows, columns]: &[Axis; 2]) -> [usize; 3] {
    let area = |of: fn(&Axis) -> usize| of(rows) * of(columns);
    [
        area(|axis| axis.input),
        area(|axis| axis.output),
        area(|axis| axis.kernel),
    ]
}

/// Calls `tap(cell, output cell, index of the tap)` for each tap that reads a cell of the map.
pub(crate) fn each_tap([rows, columns]: &[Axis; 2], mut tap: impl FnMut(usize, usize, usize)) {
    let place = |axis: &Axis, output: usize, tap: usize| {
        let place = (output * axis.stride + tap * axis.dilation).checked_sub(axis.padding);
        place.filter(|place| *place < axis.input)
    };
    for output in 0..rows.output * columns.output {
        for index in 0..rows.kernel * columns.kernel {
            let row = place(rows, output / columns.output, index / columns.kernel);
            let column = place(columns, output % columns.output, index % columns.kernel);
            if let (Some(row), Some(column)) = (row, column) {
                tap(row * columns.input + column, output, index);
            }
        }
    }
}
