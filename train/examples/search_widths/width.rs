//! What is searched, and the widths that are tried.

use std::fmt;

use aecsad_inspect::branches::Branch;
use aecsad_train::lgst::LocalWidths;
use aecsad_train::segmentation::DecoderWidths;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Searched {
    Decoder,
    /// The local student; the global one is trained beside it as it is.
    Students,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Width {
    Decoder(DecoderWidths),
    Local(LocalWidths),
}

impl Searched {
    /// From narrow to wide, where most of the work is in multiples of 16: a register and a block of bytes hold as many
    /// channels, and the engine is slow on what is left over.
    pub fn widths(self) -> Vec<Width> {
        let decoder = |[branch, trunk, detail]: [usize; 3]| {
            Width::Decoder(DecoderWidths {
                branch,
                trunk,
                detail,
            })
        };
        let local = |[stem, trunk]: [usize; 2]| Width::Local(LocalWidths { stem, trunk });
        match self {
            Self::Decoder => [[16, 16, 16], [16, 32, 16], [32, 48, 24], [48, 64, 32]]
                .map(decoder)
                .to_vec(),
            Self::Students => [[16, 32], [16, 48], [32, 64], [48, 80]].map(local).to_vec(),
        }
    }

    /// The branches that read it.
    pub fn branches(self) -> &'static [Branch] {
        match self {
            Self::Decoder => &[Branch::Histogram],
            Self::Students => &[Branch::Local, Branch::Global],
        }
    }
}

impl Width {
    /// Whether `fit` trains it.
    pub fn in_use(self) -> bool {
        match self {
            Self::Decoder(widths) => widths == DecoderWidths::EDGE,
            Self::Local(widths) => widths == LocalWidths::EDGE,
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Decoder(DecoderWidths {
                branch,
                trunk,
                detail,
            }) => format!("{branch}-{trunk}-{detail}"),
            Self::Local(LocalWidths { stem, trunk }) => format!("{stem}-{trunk}"),
        };
        f.pad(&text)
    }
}
