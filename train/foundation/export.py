"""Turns the official checkpoints of the foundation models into the ONNX files that `--proposals foundation` reads."""

import argparse
import math
import sys
import warnings
from pathlib import Path

from failure import ExportError

EPILOG = """\
examples:
  export.py ram --checkpoint ram_plus_swin_large_14m.pth --tags ram_tag_list.txt \\
      --thresholds ram_tag_list_threshold.txt --out models
  export.py grounding-dino --checkpoint grounding-dino-tiny --image 1600x1200 --out models
  export.py sam-hq --checkpoint sam_hq_vit_h.pth --out models
  export.py mobile-sam --checkpoint mobile_sam.pt --out models

MODEL is one of
  ram              RAM++                      -> OUT/ram
  grounding-dino   a Hugging Face folder      -> OUT/grounding_dino
  sam              sam_vit_{b,l,h}_*.pth or a Hugging Face folder -> OUT/sam
  sam-hq           sam_hq_vit_{b,l,h,tiny}.pth                    -> OUT/sam
  mobile-sam       mobile_sam.pt                                  -> OUT/sam

Each graph is run by ONNX Runtime and by PyTorch; where they differ by over 1e-3 nothing is written. A folder is
written whole or not at all. README.md beside this file says where each checkpoint is, its licence and its size."""

# The folder of OUT that each network fills; the last three are alternatives.
FOLDERS = {"ram": "ram", "grounding-dino": "grounding_dino", "sam": "sam", "sam-hq": "sam", "mobile-sam": "sam"}


def arguments(given=None):
    parser = argparse.ArgumentParser(
        prog="export.py", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", choices=FOLDERS, help="which network (see below)")
    parser.add_argument(
        "--checkpoint", required=True, type=Path, metavar="FILE", help="the authors' file, or a Hugging Face folder"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder that --models will name")
    parser.add_argument("--replace", action="store_true", help="replace what OUT already has of this network")
    parser.add_argument("--tags", type=Path, metavar="FILE", help="ram: the authors' list of tags, one a line")
    parser.add_argument("--thresholds", type=Path, metavar="FILE", help="ram: the authors' threshold for each tag")
    parser.add_argument(
        "--layout",
        choices=("huggingface", "original"),
        default="huggingface",
        help="grounding-dino: names of the inputs (default: huggingface)",
    )
    parser.add_argument(
        "--image",
        type=image_size,
        default=(1600, 1200),
        metavar="WxH",
        help="grounding-dino: size of the camera's images, which fixes the network's input; others are scaled to fit "
        "and padded (default: 1600x1200)",
    )
    options = parser.parse_args(given)
    if options.model == "ram" and not (options.tags and options.thresholds):
        parser.error("ram needs --tags and --thresholds: the checkpoint has neither; README.md says where they are")
    return options


def image_size(text):
    try:
        width, height = (int(part) for part in text.lower().split("x"))
        if 32 <= width <= 20000 and 32 <= height <= 20000:
            return width, height
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no image size such as 1600x1200 (32 to 20000 pixels a side)")


def detector_size(width, height, shortest=800, longest=1333):
    """Height and width at which GroundingDINO was trained: the short side 800, but the long side at most 1333."""
    scale = min(shortest / min(width, height), longest / max(width, height))
    return math.ceil(height * scale - 1e-6), math.ceil(width * scale - 1e-6)


def prepare(options):
    """The graphs and texts of a network's folder."""
    # Imported here, so that --help and a wrong argument don't wait for PyTorch
    if options.model == "ram":
        import ram_export

        model = ram_export.from_checkpoint(options.checkpoint)
        texts = ram_export.lists(options.tags, options.thresholds, model.settings.tags)
        return ram_export.graphs(model), texts
    if options.model == "grounding-dino":
        import grounding_dino

        model, tokenizer = grounding_dino.from_checkpoint(options.checkpoint)
        size = detector_size(*options.image)
        graphs = grounding_dino.graphs(model, tokenizer, options.layout, *size)
        return graphs, grounding_dino.companions(tokenizer, options.layout, *size)
    if options.model == "sam" and options.checkpoint.is_dir():
        import sam_huggingface

        model = sam_huggingface.from_checkpoint(options.checkpoint)
        texts = sam_huggingface.companions(model.config.vision_config.image_size)
        return sam_huggingface.graphs(model), texts
    import sam_original

    return sam_original.graphs(sam_original.from_checkpoint(options.checkpoint, options.model)), {}


def main():
    options = arguments()
    # The libraries warn of their own affairs at import and tracing; what matters here is an ExportError
    warnings.simplefilter("ignore")
    try:
        import export_files

        folder = options.out / FOLDERS[options.model]
        export_files.refuse_existing(folder, options.replace)
        graphs, texts = prepare(options)
        export_files.write(folder, graphs, texts)
    except ExportError as error:
        sys.exit(f"export.py: {error}")
    except OSError as error:
        sys.exit(f"export.py: {error.filename or options.out}: {error.strerror}; nothing was written")


if __name__ == "__main__":
    main()
