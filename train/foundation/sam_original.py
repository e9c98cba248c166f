"""SAM, SAM-HQ and MobileSAM in the original layout: `sam/encoder.onnx` and `sam/decoder.onnx`.

The networks come from the authors' packages, which load the authors' checkpoints. Mask 0 is the one for a box or
several points, masks 1 to 3 are those for a single point. SAM-HQ's masks each have its fine mask added, as its authors
add it to the one they choose.
"""

import torch
from segment_anything import modeling as plain
from segment_anything.build_sam import sam_model_registry
from segment_anything_hq import modeling as fine
from segment_anything_hq.build_sam import sam_model_registry as fine_registry

import checkpoint
from failure import ExportError
from onnx_file import Graph

SIZES = ("vit_h", "vit_l", "vit_b")
# Which network a checkpoint is of, by the width of its table of positions `[1, 64, 64, width]`.
WIDTHS = {1280: "vit_h", 1024: "vit_l", 768: "vit_b"}
# TinyViT recomputes which bias each pair of positions reads; MobileSAM's file has no masks of the fine head.
COMPUTED = ("attention_bias_idxs",)


def from_checkpoint(path, kind):
    """The network of `sam_vit_*.pth`, `sam_hq_vit_*.pth` or `mobile_sam.pt`; `kind` is `sam`, `sam-hq` or `mobile-sam`.

    Raises ExportError where the file is another's.
    """
    tensors = checkpoint.read(path)
    if kind == "mobile-sam":
        model = mobile_sam()
    else:
        table = tensors.get("image_encoder.pos_embed")
        size = WIDTHS.get(table.shape[-1]) if table is not None else None
        if size is None and kind == "sam-hq" and "image_encoder.patch_embed.seq.0.c.weight" in tensors:
            size = "vit_tiny"
        if size is None:
            raise ExportError(f"{path}: not a checkpoint of {kind}: its encoder is none of {', '.join(SIZES)}")
        model = {"sam": sam_model_registry, "sam-hq": fine_registry}[kind][size]()
    checkpoint.load(model, tensors, path, computed=COMPUTED)
    return model.eval()


def mobile_sam():
    """SAM's decoder behind TinyViT, whose code is that of the light SAM-HQ."""
    light = fine_registry["vit_tiny"]()
    width = light.prompt_encoder.embed_dim
    transformer = plain.TwoWayTransformer(depth=2, embedding_dim=width, mlp_dim=2048, num_heads=8)
    decoder = plain.MaskDecoder(num_multimask_outputs=3, transformer=transformer, transformer_dim=width)
    return plain.Sam(light.image_encoder, light.prompt_encoder, decoder)


def is_fine(model):
    return isinstance(model.mask_decoder, fine.MaskDecoderHQ)


class Encoder(torch.nn.Module):
    """`[1, 3, S, S]` to embeddings, and for SAM-HQ the early features `[1, 1, h, w, width]` that its decoder takes."""

    def __init__(self, model):
        super().__init__()
        self.encoder = model.image_encoder
        self.fine = is_fine(model)

    def forward(self, image):
        found = self.encoder(image)
        embeddings, early = found if isinstance(found, tuple) else (found, None)
        return (embeddings, early[0][None]) if self.fine else embeddings


class Decoder(torch.nn.Module):
    """One prompt of N points to four masks at the size `orig_im_size`, as the authors' own export gives them.

    Labels: 0 outside, 1 inside, 2 and 3 a box's corners, -1 an empty point, of which points without a box need one.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image_embeddings, point_coords, point_labels, mask_input, has_mask_input, orig_im_size, *early):
        prompts, decoder = self.model.prompt_encoder, self.model.mask_decoder
        masked = has_mask_input.reshape(-1, 1, 1, 1)
        dense = masked * prompts.mask_downscaling(mask_input)
        dense = dense + (1 - masked) * prompts.no_mask_embed.weight.reshape(1, -1, 1, 1)
        masks, scores = predict(
            decoder, image_embeddings, prompts.get_dense_pe(), self.embed(point_coords, point_labels), dense, *early
        )
        return self.resize(masks, orig_im_size), scores, masks

    def embed(self, points, labels):
        prompts = self.model.prompt_encoder
        places = (points + 0.5) / self.model.image_encoder.img_size
        embedded = prompts.pe_layer._pe_encoding(places)
        label = labels[..., None]
        embedded = torch.where(label == -1, prompts.not_a_point_embed.weight, embedded)
        for kind, corner in enumerate(prompts.point_embeddings):
            embedded = embedded + (label == kind) * corner.weight
        return embedded

    def resize(self, masks, size):
        """Cuts the padding off and scales to `size` (height, width), both bilinear."""
        side = self.model.image_encoder.img_size
        masks = torch.nn.functional.interpolate(masks, (side, side), mode="bilinear", align_corners=False)
        height, width = torch.floor(size * side / size.max() + 0.5).long()
        masks = masks[..., :height, :width]
        height, width = size.long()
        return torch.nn.functional.interpolate(masks, (height, width), mode="bilinear", align_corners=False)


def predict(decoder, embeddings, places, sparse, dense, *early):
    """All four masks and their predicted IoU."""
    given = dict(
        image_embeddings=embeddings,
        image_pe=places,
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )
    if not early:
        return decoder.predict_masks(**given)
    first = early[0][0].permute(0, 3, 1, 2)
    features = decoder.embedding_encoder(embeddings) + decoder.compress_vit_feat(first)
    masks, scores = decoder.predict_masks(**given, hq_features=features)
    return masks[:, :-1] + masks[:, -1:], scores


class Authors(torch.nn.Module):
    """The same outputs by the packages' own way from prompt to mask, to compare with."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image_embeddings, point_coords, point_labels, mask_input, has_mask_input, orig_im_size, *early):
        encoder = self.model.prompt_encoder
        boxed = bool((point_labels == 2).any())
        inside = point_labels[0] < 2
        inside &= point_labels[0] >= 0
        points = (point_coords[:, inside], point_labels[:, inside]) if bool(inside.any()) else None
        boxes = point_coords[:, point_labels[0] >= 2].reshape(1, 4) if boxed else None
        masks = mask_input if bool(has_mask_input) else None
        sparse, dense = encoder(points=points, boxes=boxes, masks=masks)
        low, scores = predict(self.model.mask_decoder, image_embeddings, encoder.get_dense_pe(), sparse, dense, *early)
        height, width = (int(v) for v in orig_im_size)
        side = self.model.image_encoder.img_size
        scale = side / max(height, width)
        reshaped = int(height * scale + 0.5), int(width * scale + 0.5)
        return self.model.postprocess_masks(low, reshaped, (height, width)), scores, low


def prompt(model, kind, size, seed):
    """Named inputs of the decoder: a point, a box, or two points and a mask."""
    generator = torch.Generator().manual_seed(seed)
    side = model.image_encoder.img_size
    grid = model.prompt_encoder.image_embedding_size
    labels = {"point": [1, -1], "box": [2, 3], "mask": [1, 0, -1]}[kind]
    places = torch.rand(1, len(labels), 2, generator=generator) * side
    places = places.sort(1).values
    inputs = {
        "image_embeddings": torch.randn(1, model.prompt_encoder.embed_dim, *grid, generator=generator),
        "point_coords": places,
        "point_labels": torch.tensor([labels], dtype=torch.float32),
        "mask_input": torch.randn(1, 1, 4 * grid[0], 4 * grid[1], generator=generator),
        "has_mask_input": torch.tensor([float(kind == "mask")]),
        "orig_im_size": torch.tensor(size, dtype=torch.float32),
    }
    if is_fine(model):
        width = model.mask_decoder.compress_vit_feat[0].in_channels
        inputs["interm_embeddings"] = torch.randn(1, 1, *grid, width, generator=generator)
    return inputs


def graphs(model):
    side = model.image_encoder.img_size
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    outputs = ["image_embeddings"] + ["interm_embeddings"] * is_fine(model)
    encoder = Graph("encoder.onnx", Encoder(model), [{"image": image}], outputs)
    examples = [
        prompt(model, "point", (60, 90), 1),
        prompt(model, "box", (80, 50), 2),
        prompt(model, "mask", (77, 131), 3),
    ]
    dynamic = {"point_coords": {1: "points"}, "point_labels": {1: "points"}, "masks": {2: "height", 3: "width"}}
    decoder = Graph(
        "decoder.onnx",
        Decoder(model),
        examples,
        ["masks", "iou_predictions", "low_res_masks"],
        dynamic,
        wanted=Authors(model),
    )
    return [encoder, decoder]
