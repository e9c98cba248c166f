//! The networks of the `paper` profile.

use super::backbone::WideResNetConfig;
use crate::lgst::{GlobalStudentConfig, Jitter, LgstConfig, LocalStudentConfig};
use crate::segmentation::{DecoderConfig, SegmentationConfig};

/// How wide the networks are; narrower than the paper's only to try things out.
#[derive(Clone, Debug)]
pub struct PaperNetworks {
    pub backbone: WideResNetConfig,
    pub decoder: DecoderConfig,
    /// Channels of the teacher map.
    pub channels: usize,
    pub local: LocalStudentConfig,
    pub global: GlobalStudentConfig,
}

impl Default for PaperNetworks {
    fn default() -> Self {
        let (decoder, lgst) = (
            SegmentationConfig::paper(2, 1, 1, 0).decoder,
            LgstConfig::paper(1, 1, Jitter::default(), 0),
        );
        Self {
            backbone: WideResNetConfig::new(),
            decoder,
            channels: lgst.channels,
            local: lgst.local,
            global: lgst.global,
        }
    }
}
