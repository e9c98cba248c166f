//! The foundation models: which files each has, where they come from, and under which licence.

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Tags,
    Boxes,
    Masks,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Tags, Role::Boxes, Role::Masks];

    /// Its folder among the models.
    pub fn folder(self) -> &'static str {
        match self {
            Role::Tags => "ram",
            Role::Boxes => "grounding_dino",
            Role::Masks => "sam",
        }
    }

    /// The sets of files that it can consist of; the first is what is missing where none is there.
    pub fn layouts(self) -> &'static [&'static [&'static str]] {
        match self {
            Role::Tags => &[&["model.onnx", "tags.txt", "thresholds.txt"]],
            Role::Boxes => &[
                &["model.onnx", "tokenizer.json"],
                &["model.onnx", "vocab.txt"],
            ],
            Role::Masks => &[
                &["encoder.onnx", "decoder.onnx"],
                &["vision_encoder.onnx", "prompt_encoder_mask_decoder.onnx"],
            ],
        }
    }
}

/// A published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub name: &'static str,
    pub role: Role,
    /// Who publishes it, and how it gets here.
    pub source: &'static str,
    pub licence: &'static str,
    /// Of the download, about.
    pub megabytes: u32,
    /// Files that are published as ONNX, with their names here; none where export.py makes them.
    pub onnx: &'static [(&'static str, &'static str)],
}

const FROM: &str = "https://huggingface.co/onnx-community/grounding-dino-tiny-ONNX/resolve/main/";

/// GroundingDINO alone has a public ONNX file that serves as it is. SAM's public decoders take points or boxes but not both,
/// and RAM++ has no public export: train/foundation/export.py makes theirs of the official checkpoints.
pub const PUBLISHED: [Published; 5] = [
    Published {
        name: "RAM++ (Swin-L)",
        role: Role::Tags,
        source: "ram_plus_swin_large_14m.pth of github.com/xinyu1205/recognize-anything, by export.py",
        licence: "Apache-2.0",
        megabytes: 3010,
        onnx: &[],
    },
    Published {
        name: "GroundingDINO-T",
        role: Role::Boxes,
        source: FROM,
        licence: "Apache-2.0",
        megabytes: 700,
        onnx: &[
            ("onnx/model.onnx", "model.onnx"),
            ("tokenizer.json", "tokenizer.json"),
        ],
    },
    Published {
        name: "MobileSAM",
        role: Role::Masks,
        source: "mobile_sam.pt of github.com/ChaoningZhang/MobileSAM, by export.py",
        licence: "Apache-2.0",
        megabytes: 40,
        onnx: &[],
    },
    Published {
        name: "SAM (ViT-H)",
        role: Role::Masks,
        source: "sam_vit_h_4b8939.pth of github.com/facebookresearch/segment-anything, by export.py",
        licence: "Apache-2.0",
        megabytes: 2560,
        onnx: &[],
    },
    Published {
        name: "SAM-HQ (ViT-H)",
        role: Role::Masks,
        source: "sam_hq_vit_h.pth of github.com/SysCV/sam-hq, by export.py",
        licence: "Apache-2.0",
        megabytes: 2570,
        onnx: &[],
    },
];
