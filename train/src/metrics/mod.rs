//! How well scores and maps separate good parts from bad ones. Nothing here knows a network or a file.

mod anomaly_map;
mod overlap;
mod ranking;

pub use anomaly_map::at_size;
pub use overlap::{DefectRegion, Located, PRO_LIMIT, SPRO_LIMIT, pro, spro};
pub use ranking::{Roc, auroc, average_precision, rank_correlation};
