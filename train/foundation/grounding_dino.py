"""GroundingDINO as `grounding_dino/model.onnx`, in Hugging Face's layout or the original export's.

The weights are read from Hugging Face's folder (`config.json`, `model.safetensors`, tokenizer), which the authors
publish themselves. Deformable attention is traced as GridSample, so no custom kernel is needed.
"""

import json
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoTokenizer, GroundingDinoForObjectDetection
from transformers.models.grounding_dino import modeling_grounding_dino as library

from failure import ExportError
from onnx_file import Graph

LAYOUTS = ("huggingface", "original")
# [CLS], [SEP], "." and "?" of BERT's vocabulary, between which the phrases of a prompt stand.
STOPS = (101, 102, 1012, 1029)


def from_checkpoint(folder):
    """The network and tokenizer of a Hugging Face folder. Raises ExportError where either is incomplete."""
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise ExportError(
                f"{folder / name}: no such file; give the folder of IDEA-Research/grounding-dino-tiny or -base"
            )
    try:
        model, report = GroundingDinoForObjectDetection.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, attn_implementation="eager"
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise ExportError(
            f"{folder}: not a GroundingDINO of Hugging Face ({str(error).splitlines()[0][:200]})"
        ) from error
    wrong = [name for key in ("missing_keys", "mismatched_keys") for name in report[key]]
    if wrong:
        raise ExportError(f"{folder}: {len(wrong)} tensors missing or of another shape (first {wrong[0]})")
    return model, tokenizer


class LibraryLayout(torch.nn.Module):
    """Hugging Face's layout as the library runs it, to compare with."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values, pixel_mask, input_ids, token_type_ids, attention_mask):
        found = self.model(
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            input_ids=input_ids,
            token_type_ids=token_type_ids,
            attention_mask=attention_mask,
        )
        return found.logits, found.pred_boxes


class HuggingFaceLayout(LibraryLayout):
    """The same with masks between the stops in operations that ONNX has."""

    def forward(self, pixel_values, pixel_mask, input_ids, token_type_ids, attention_mask):
        with given_masks(*phrase_masks(input_ids)):
            return super().forward(pixel_values, pixel_mask, input_ids, token_type_ids, attention_mask)


class OriginalLayout(torch.nn.Module):
    """The same network, given the masks between the stops and the positions instead of computing them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, img, input_ids, attention_mask, position_ids, token_type_ids, text_token_mask):
        with given_masks(text_token_mask, position_ids):
            found = self.model(
                pixel_values=img,
                input_ids=input_ids,
                token_type_ids=token_type_ids,
                attention_mask=attention_mask,
            )
        return found.logits, found.pred_boxes


@contextmanager
def given_masks(masks, positions):
    """While it lasts, the library takes these masks and positions in place of its own, and sizes as plain numbers:
    traced sizes turn its grids into float64, for which ONNX Runtime has no GridSample."""
    encoder, whole = library.GroundingDinoEncoder, library.GroundingDinoModel
    own_masks = library.generate_masks_with_special_tokens_and_transfer_map
    own_points, own_proposals = encoder.get_reference_points, whole.generate_encoder_output_proposals
    library.generate_masks_with_special_tokens_and_transfer_map = lambda *_, **__: (masks, positions)
    encoder.get_reference_points = staticmethod(lambda shapes, *rest, **more: own_points(plain(shapes), *rest, **more))
    whole.generate_encoder_output_proposals = lambda self, found, padding, shapes: own_proposals(
        self, found, padding, plain(shapes)
    )
    try:
        yield
    finally:
        library.generate_masks_with_special_tokens_and_transfer_map = own_masks
        encoder.get_reference_points = staticmethod(own_points)
        whole.generate_encoder_output_proposals = own_proposals


def plain(shapes):
    return [(int(height), int(width)) for height, width in shapes]


def phrase_masks(input_ids):
    """Masks `[1, L, L]` and positions `[1, L]`: a token sees its own phrase, stop included, and counts its place from
    the phrase's first token. Tokens that no inner stop follows, such as both ends, see themselves."""
    length = input_ids.shape[1]
    place = torch.arange(length)
    stop = (input_ids[..., None] == torch.tensor(STOPS)).any(-1)[:, None]
    earlier = stop & (place[None, :] < place[:, None])
    later = stop & (place[None, :] >= place[:, None])
    last = torch.where(earlier, place, -1).max(-1).values
    following = torch.where(later, place, length).min(-1).values
    inner = (following > 0) & (following < length - 1)
    seen = (following[:, :, None] == following[:, None]) & inner[:, None]
    seen = seen | (place[:, None] == place[None, :])
    return seen, torch.where(inner, place - last - 1, 0)


def example(layout, prompt_ids, height, width, padding=0):
    """Named inputs; `padding` columns at the right stand for a narrower image in a Hugging Face batch."""
    generator = torch.Generator().manual_seed(height * width + padding)
    image = torch.randn(1, 3, height, width, generator=generator)
    ids = torch.tensor([prompt_ids])
    types = torch.zeros_like(ids)
    if layout == "huggingface":
        mask = torch.ones(1, height, width, dtype=torch.long)
        mask[:, :, width - padding :] = 0
        return {
            "pixel_values": image,
            "pixel_mask": mask,
            "input_ids": ids,
            "token_type_ids": types,
            "attention_mask": torch.ones_like(ids),
        }
    seen, positions = phrase_masks(ids)
    return {
        "img": image,
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids, dtype=torch.bool),
        "position_ids": positions,
        "token_type_ids": types,
        "text_token_mask": seen,
    }


def graphs(model, tokenizer, layout, height, width):
    """One graph for images of `height`×`width`, which the trace fixes, and prompts of any length."""
    model.config.disable_custom_kernels = True
    prompts = [tokenizer(text)["input_ids"] for text in ("bolt. tray.", "metal washer. cable. ring. wire.")]
    paddings = (0, width // 4 if layout == "huggingface" else 0)
    examples = [example(layout, ids, height, width, padding) for ids, padding in zip(prompts, paddings, strict=True)]
    dynamic = {name: {1: "tokens"} for name in ("input_ids", "token_type_ids", "attention_mask")}
    if layout == "huggingface":
        module, wanted, boxes = HuggingFaceLayout(model), LibraryLayout(model), "pred_boxes"
    else:
        module, wanted, boxes = OriginalLayout(model), None, "boxes"
        dynamic |= {"position_ids": {1: "tokens"}, "text_token_mask": {1: "tokens", 2: "tokens"}}
    return [Graph("model.onnx", module, examples, ["logits", boxes], dynamic, ranked=True, wanted=wanted)]


def companions(tokenizer, layout, height, width):
    """Texts of the files beside the graph: the word pieces, and how images are resized and padded."""
    resize = {
        "size": {"max_height": height, "max_width": width},
        "pad_size": {"height": height, "width": width},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 2,
    }
    files = {"preprocessor_config.json": json.dumps(resize, indent=2) + "\n"}
    if layout == "huggingface":
        files["tokenizer.json"] = tokenizer.backend_tokenizer.to_str(pretty=True) + "\n"
    else:
        by_id = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
        files["vocab.txt"] = "".join(f"{piece}\n" for piece, _ in by_id)
    return files
