"""SAM in Hugging Face's layout: `sam/vision_encoder.onnx` and `sam/prompt_encoder_mask_decoder.onnx`.

Public exports of this layout take points only: labels 2 and 3, the corners of a box, fall through. Here these labels
mean what they mean in the original, so one decoder serves points and boxes; its metadata says so.
"""

import json
from pathlib import Path

import torch
from transformers import SamModel

from failure import ExportError
from onnx_file import Graph

# Decoders that lack this entry take no boxes.
BOXES = {"box_prompts": "labels 2 and 3"}


def from_checkpoint(folder):
    """The network of a Hugging Face folder. Raises ExportError where it is incomplete."""
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise ExportError(
                f"{folder / name}: no such file; give the folder of facebook/sam-vit-base, -large or -huge"
            )
    try:
        model, report = SamModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, attn_implementation="eager"
        )
    except Exception as error:
        raise ExportError(f"{folder}: not a SAM of Hugging Face ({str(error).splitlines()[0][:200]})") from error
    wrong = [name for key in ("missing_keys", "mismatched_keys") for name in report[key]]
    if wrong:
        raise ExportError(f"{folder}: {len(wrong)} tensors missing or of another shape (first {wrong[0]})")
    return model


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        embeddings = self.model.vision_encoder(pixel_values).last_hidden_state
        return embeddings, self.model.get_image_wide_positional_embeddings()


class Decoder(torch.nn.Module):
    """Points `[1, P, N, 2]` with labels: 0 outside, 1 inside, 2 and 3 a box's corners, -1 none, -10 padding."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_points, input_labels, image_embeddings, image_positional_embeddings):
        prompts = self.model.prompt_encoder
        dense = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(image_embeddings)
        masks, scores = self.model.mask_decoder(
            image_embeddings=image_embeddings,
            image_positional_embeddings=image_positional_embeddings,
            sparse_prompt_embeddings=self.embed(input_points, input_labels),
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return scores, masks

    def embed(self, points, labels):
        """`[1, P, N or N + 1, width]`: points alone are followed by an empty one, boxes are not."""
        prompts = self.model.prompt_encoder
        embedded = prompts._embed_points(points, labels, pad=True)
        for label in (2, 3):
            corner = (labels == label)[..., None] * prompts.point_embed[label].weight[0]
            embedded = torch.cat([embedded[:, :, :-1] + corner, embedded[:, :, -1:]], 2)
        boxed = (labels >= 2).any().long()
        return embedded[:, :, : labels.shape[2] + 1 - boxed]


class LibraryDecoder(torch.nn.Module):
    """The library's own way from the same inputs, to compare with."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_points, input_labels, image_embeddings, image_positional_embeddings):
        prompt = {"input_points": input_points, "input_labels": input_labels}
        if bool((input_labels >= 2).any()):
            prompt = {"input_boxes": input_points.flatten(2)}
        found = self.model(image_embeddings=image_embeddings, multimask_output=True, **prompt)
        return found.iou_scores, found.pred_masks


def prompts(model, kind, count):
    """Named inputs of the decoder: `count` points of one place each, or boxes."""
    generator = torch.Generator().manual_seed(count)
    side = model.config.vision_config.image_size
    width = model.config.prompt_encoder_config.hidden_size
    grid = model.config.prompt_encoder_config.image_embedding_size
    places = 2 if kind == "boxes" else 1
    points = torch.rand(1, count, places, 2, generator=generator) * side
    if kind == "boxes":
        points = points.sort(2).values
        labels = torch.tensor([2, 3]).expand(1, count, 2)
    else:
        labels = torch.ones(1, count, 1, dtype=torch.long)
    return {
        "input_points": points,
        "input_labels": labels,
        "image_embeddings": torch.randn(1, width, grid, grid, generator=generator),
        "image_positional_embeddings": model.get_image_wide_positional_embeddings().detach(),
    }


def graphs(model):
    side = model.config.vision_config.image_size
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    encoder = Graph(
        "vision_encoder.onnx",
        Encoder(model),
        [{"pixel_values": image}],
        ["image_embeddings", "image_positional_embeddings"],
    )
    free = {1: "prompts", 2: "points"}
    decoder = Graph(
        "prompt_encoder_mask_decoder.onnx",
        Decoder(model),
        [prompts(model, "points", 3), prompts(model, "boxes", 2), prompts(model, "points", 5)],
        ["iou_scores", "pred_masks"],
        {"input_points": free, "input_labels": free, "iou_scores": {1: "prompts"}, "pred_masks": {1: "prompts"}},
        metadata=BOXES,
        wanted=LibraryDecoder(model),
    )
    return [encoder, decoder]


def companions(side):
    """Text of the file that says how images are prepared."""
    resize = {
        "size": {"longest_edge": side},
        "pad_size": {"height": side, "width": side},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 2,
    }
    return {"preprocessor_config.json": json.dumps(resize, indent=2) + "\n"}
