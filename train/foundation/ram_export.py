"""RAM++ as `ram/model.onnx` with `tags.txt` and `thresholds.txt` beside it."""

from pathlib import Path

import torch

import checkpoint
from failure import ExportError
from onnx_file import Graph
from ram_plus import RamPlus

# Frozen by position and size, so the network computes them; files of either training hold them all the same.
COMPUTED = ("relative_position_index", "attn_mask")
# The checkpoint of the first release names the tagging head otherwise.
RENAMED = (("vision_multi", "tagging_head"),)
# The networks' own prefixes: a leftover under one of them means another architecture, any other served training.
OURS = ("visual_encoder.", "image_proj.", "wordvec_proj.", "fc.", "tagging_head.encoder.")


def from_checkpoint(path):
    """The network of `ram_plus_swin_large_14m.pth`. Raises ExportError where the file is another's."""
    tensors = checkpoint.read(path)
    others = tuple(name for name in tensors if not name.replace(*RENAMED[0]).startswith(OURS))
    model = RamPlus()
    left = checkpoint.load(model, tensors, path, computed=COMPUTED, renamed=RENAMED, trained_with=others or ("\0",))
    if left:
        print(f"left out: {len(left)} tensors that served training only (first {left[0]!r})")
    return model


def graphs(model):
    side = model.settings.image_side
    generator = torch.Generator().manual_seed(0)
    examples = [{"image": torch.randn(batch, 3, side, side, generator=generator)} for batch in (1, 2)]
    dynamic = {"image": {0: "images"}, "logits": {0: "images"}}
    return [Graph("model.onnx", model, examples, ["logits"], dynamic)]


def lists(tags_file, thresholds_file, count):
    """The files' texts, whole and of one length. Raises ExportError with the line that is wrong."""
    tags = lines(tags_file)
    thresholds = lines(thresholds_file)
    for path, found in ((tags_file, tags), (thresholds_file, thresholds)):
        if len(found) != count:
            raise ExportError(
                f"{path}: {len(found)} lines, but the checkpoint has {count} tags; give the list it was trained with"
            )
    for number, text in enumerate(thresholds, 1):
        try:
            if not 0.0 <= float(text) <= 1.0:
                raise ValueError
        except ValueError:
            raise ExportError(f"{thresholds_file}:{number}: {text!r} is no threshold from 0 to 1") from None
    return {"tags.txt": "\n".join(tags) + "\n", "thresholds.txt": "\n".join(thresholds) + "\n"}


def lines(path):
    try:
        return [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: can't be read ({error}); README.md says where the list is") from error
