//! The options that say where the regions come from that become components; `fit`, `label` and `export` share them.

use std::path::PathBuf;

use aecsad_program::ExitCode;
use aecsad_program::inputs::InputPath;
use clap::ValueEnum;

use super::Failure;
use crate::fit::ProposalSource;
use crate::foundation::folder::ModelFolder;
use crate::foundation::settings::Settings;
use crate::foundation::{FoundationError, FoundationOptions, tags};
use crate::paper::{Device, weights};
use crate::pseudo_label::Clustering;

/// Where the regions come from that become classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RegionSource {
    /// Found in the images by colour and texture; needs nothing else
    Builtin,
    /// Drawn or generated elsewhere: a folder of indexed or grey PNGs named after the images
    Masks,
    /// Found by RAM++, GroundingDINO and SAM, as in the paper; `aecsad-train models` says what is needed
    Foundation,
}

/// How regions that look alike are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClusteringName {
    /// Ward's linkage; as many clusters as are found again in half of the images
    Ward,
    /// The paper's; as many clusters as the bandwidth makes
    MeanShift,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProposalArgs {
    /// Where the regions come from that become components
    #[arg(long, value_enum, default_value_t = RegionSource::Builtin)]
    proposals: RegionSource,
    /// Folder of masks, `000.png` for image `000.*`; 0 is background, each other value one mask
    #[arg(long, value_name = "DIR", required_if_eq("proposals", "masks"))]
    masks: Option<InputPath>,
    /// How regions that look alike are grouped; `label` compares both
    #[arg(long, value_enum, default_value_t = ClusteringName::Ward)]
    clustering: ClusteringName,
    /// MeanShift's bandwidth: larger makes fewer kinds of component [default: from the regions; `label` prints it]
    #[arg(long, value_name = "RADIUS", value_parser = radius)]
    bandwidth: Option<f32>,
    /// With --proposals foundation: the folder of RAM++, GroundingDINO and SAM [default: that of `aecsad-train models`]
    #[arg(long, value_name = "DIR", help_heading = FOUNDATION)]
    models: Option<InputPath>,
    /// ONNX Runtime's library, libonnxruntime.so [default: that of ORT_DYLIB_PATH, or the system's]
    #[arg(long, value_name = "FILE", help_heading = FOUNDATION)]
    onnxruntime: Option<InputPath>,
    /// What the images show, in place of RAM++: "bolt, washer, tray:background". Name each kind of part, and what the parts
    /// lie on
    #[arg(long, value_name = "TAGS", help_heading = FOUNDATION)]
    tags: Option<String>,
    /// Which of RAM++'s words are no parts [default: tag_filter.toml of the models' folder, or the one built in, which
    /// `aecsad-train models tag-filter` prints]
    #[arg(long, value_name = "FILE", conflicts_with = "tags", help_heading = FOUNDATION)]
    tag_filter: Option<InputPath>,
    /// How sure GroundingDINO must be of a box [default: 0.3]
    #[arg(long, value_name = "0..1", value_parser = share, help_heading = FOUNDATION)]
    box_threshold: Option<f32>,
    /// How sure GroundingDINO must be of a box's tag [default: 0.25]
    #[arg(long, value_name = "0..1", value_parser = share, help_heading = FOUNDATION)]
    text_threshold: Option<f32>,
    /// Points along each side of the picture that SAM is prompted with; fewer are faster and miss small parts [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=64), help_heading = FOUNDATION)]
    points: Option<u8>,
}

const FOUNDATION: &str = "Foundation models";

impl ProposalArgs {
    /// Whether the foundation models are wanted, which run on a GPU too.
    pub fn of_models(&self) -> bool {
        self.proposals == RegionSource::Foundation
    }

    pub fn clustering(&self) -> Result<Clustering, Failure> {
        match (self.clustering, self.bandwidth) {
            (ClusteringName::Ward, None) => Ok(Clustering::Ward),
            (ClusteringName::Ward, Some(_)) => Err(Failure::new(
                "--bandwidth is for MeanShift: add --clustering mean-shift, or leave it out",
                ExitCode::Input,
            )),
            (ClusteringName::MeanShift, bandwidth) => Ok(Clustering::MeanShift { bandwidth }),
        }
    }

    /// `backbone` is what distinguishes the parts; the cached WideResNet-50-2 if none.
    pub fn source(
        &self,
        device: Device,
        backbone: Option<PathBuf>,
    ) -> Result<ProposalSource, Failure> {
        if !self.of_models() {
            self.refuse_the_models()?;
            return Ok(match &self.masks {
                Some(masks) => ProposalSource::Masks(masks.clone().into()),
                None => ProposalSource::Builtin,
            });
        }
        if self.masks.is_some() {
            return Err(Failure::new(
                "--masks are regions themselves: leave --proposals foundation out, or the masks",
                ExitCode::Input,
            ));
        }
        let refused = |error: FoundationError| Failure::new(&error, error.exit_code());
        let tags = self.tags.as_deref().map(tags::parse);
        let models = match &self.models {
            Some(models) => models.clone().into(),
            None => ModelFolder::usual().map_err(refused)?,
        };
        let mut settings = Settings::default();
        let boxes = &mut settings.boxes;
        boxes.threshold = self.box_threshold.unwrap_or(boxes.threshold);
        boxes.text_threshold = self.text_threshold.unwrap_or(boxes.text_threshold);
        let points = self.points.map(usize::from);
        settings.automatic.points = points.unwrap_or(settings.automatic.points);
        Ok(ProposalSource::Foundation(Box::new(FoundationOptions {
            models,
            onnxruntime: self.onnxruntime.clone().map(Into::into),
            device,
            tags: tags.transpose().map_err(refused)?,
            tag_filter: self.tag_filter.clone().map(Into::into),
            backbone: backbone.or_else(|| weights::cached().ok()),
            settings,
        })))
    }

    /// An option that only the models read would be ignored without a word.
    fn refuse_the_models(&self) -> Result<(), Failure> {
        let given = [
            ("--models", self.models.is_some()),
            ("--onnxruntime", self.onnxruntime.is_some()),
            ("--tags", self.tags.is_some()),
            ("--tag-filter", self.tag_filter.is_some()),
            ("--box-threshold", self.box_threshold.is_some()),
            ("--text-threshold", self.text_threshold.is_some()),
            ("--points", self.points.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::new(
                format!(
                    "{option} is for the foundation models: add --proposals foundation, or leave it out"
                ),
                ExitCode::Input,
            )),
            None => Ok(()),
        }
    }
}

fn radius(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(radius) if radius.is_finite() && radius > 0.0 => Ok(radius),
        Ok(_) => Err("must be above 0".to_owned()),
        Err(_) => Err("not a number".to_owned()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        Ok(_) => Err("must be at least 0 and below 1".to_owned()),
        Err(_) => Err("not a number".to_owned()),
    }
}
