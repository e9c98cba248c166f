"""The real architectures, small and with seeded random weights: for tests, where the official weights are absent.

They find nothing in an image. What they share with the official ones is every kind of layer, input and output.
"""

from functools import partial

import torch
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    SamConfig,
    SamModel,
    SwinConfig,
)

import ram_plus
import sam_original

TAGS = (
    "anchor bolt bracket cable cap clamp connector disc gear hook lever nut pin plate ring screw spring tray tube "
    "valve washer wheel wire workbench"
).split()


def randomise(model, seed):
    """Weights whose layers keep their inputs' spread; biases and norms near their usual start."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            if parameter.ndim < 2:
                parameter.copy_((1.0 if name.endswith("weight") else 0.0) + 0.1 * noise)
            else:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
    return model.eval()


def widen(parameter, by):
    with torch.no_grad():
        parameter.mul_(by)


def ram(seed):
    settings = ram_plus.Settings(
        image_side=96,
        embed_dim=8,
        depths=(2, 2, 2, 1),
        heads=(1, 2, 2, 4),
        window=6,
        tags=len(TAGS),
        descriptions=3,
        text_width=16,
        hidden=32,
        intermediate=64,
    )
    model = randomise(ram_plus.RamPlus(settings), seed)
    # Enough of the tags' own embeddings reaches the output to distinguish them
    widen(model.wordvec_proj.weight, 6.0)
    widen(model.fc.weight, 2.0)
    return model


def tokenizer(folder):
    """BERT word pieces of our own words, the marks at BERT's places; `vocab.txt` is written into `folder`."""
    pieces = ["[PAD]"] + [f"[unused{i}]" for i in range(99)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [f"[unused{i}]" for i in range(99, 994)]
    pieces += [chr(code) for code in range(ord("!"), ord("~") + 1) if not chr(code).isupper()]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces += [f"##{letter}" for letter in letters + list("0123456789")]
    pieces += [tag for tag in TAGS if tag not in ("connector", "washer", "workbench")]
    pieces += ["connect", "##or", "wash", "##er", "work", "##bench", "grey", "metal"]
    path = folder / "vocab.txt"
    path.write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    made = BertTokenizer(str(path), do_lower_case=True)
    assert made.convert_tokens_to_ids(["[CLS]", "[SEP]", ".", "?"]) == [101, 102, 1012, 1029]
    return made


def grounding_dino(seed, words):
    swin = SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 2, 1, 1],
        num_heads=[1, 2, 2, 4],
        window_size=4,
        mlp_ratio=2.0,
        out_features=["stage2", "stage3", "stage4"],
    )
    bert = BertConfig(
        vocab_size=words,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
    )
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=bert,
        num_queries=24,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        attn_implementation="eager",
    )
    model = randomise(GroundingDinoForObjectDetection(config), seed)
    # Logits, products of two normalised vectors, would otherwise leave probabilities near 0 and 1 only
    widen(model.model.decoder.layer_norm.weight, 0.2)
    return model


def sam(seed):
    """Sides of 128, embeddings of 8×8 and masks of 32×32 in place of 1024, 64×64 and 256×256."""
    vision = dict(
        hidden_size=32,
        output_channels=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=128,
        patch_size=16,
        window_size=4,
        global_attn_indexes=[1],
        mlp_dim=64,
        num_pos_feats=16,
    )
    prompt = dict(hidden_size=32, image_size=128, patch_size=16, mask_input_channels=8, image_embedding_size=8)
    decoder = dict(
        hidden_size=32,
        mlp_dim=64,
        num_attention_heads=2,
        num_hidden_layers=2,
        iou_head_hidden_dim=32,
    )
    config = SamConfig(
        vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder, attn_implementation="eager"
    )
    model = randomise(SamModel(config), seed)
    # Narrow enough for a mask to differ from those of the points around it
    places = model.shared_image_embedding.positional_embedding
    widen(places, 3.0)
    with torch.no_grad():
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(places)
    decoder = model.mask_decoder
    shape_masks(
        [decoder.upscale_conv1, decoder.upscale_conv2], decoder.output_hypernetworks_mlps, "proj_out", sam_probe(model)
    )
    return model


def original_sam(seed, fine=False):
    """The same sizes with the authors' packages; `fine`: SAM-HQ, whose decoder takes early features too."""
    package = sam_original.fine if fine else sam_original.plain
    encoder = package.ImageEncoderViT(
        img_size=128,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        out_chans=32,
        use_rel_pos=True,
        window_size=4,
        global_attn_indexes=(0,) if fine else (1,),
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    prompts = package.PromptEncoder(32, (8, 8), (128, 128), mask_in_chans=8)
    transformer = package.TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=2)
    extra = {"vit_dim": 32} if fine else {}
    decoder = (package.MaskDecoderHQ if fine else package.MaskDecoder)(
        transformer=transformer, transformer_dim=32, iou_head_depth=3, iou_head_hidden_dim=32, **extra
    )
    model = randomise(package.Sam(encoder, prompts, decoder), seed)
    prompts.pe_layer.positional_encoding_gaussian_matrix.copy_(
        0.75 * torch.randn(2, 16, generator=torch.Generator().manual_seed(seed))
    )
    upscaling = [decoder.output_upscaling[0], decoder.output_upscaling[3]]
    shape_masks(upscaling, decoder.output_hypernetworks_mlps, "layers", original_probe(model))
    return model


def soft_noise(side):
    """`[1, 3, side, side]` of flat areas, as pictures have them."""
    noise = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, (side, side), mode="bilinear")


def original_probe(model):
    def probe():
        side = model.image_encoder.img_size
        places = (torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)) + 0.5) * side / 8
        found = model.image_encoder(soft_noise(side))
        embeddings, *early = found if isinstance(found, tuple) else (found,)
        early = [early[0][0][None]] if early else []
        sparse, dense = model.prompt_encoder((places[:, None], torch.ones(64, 1)), None, None)
        masks, _ = sam_original.predict(
            model.mask_decoder, embeddings, model.prompt_encoder.get_dense_pe(), sparse, dense, *early
        )
        return masks

    return probe


def sam_probe(model):
    """Gives the decoder's four masks `[P, 4, h, w]` of a grid of points on noise."""

    def probe():
        prompt = model.prompt_encoder
        side = model.config.vision_config.image_size
        places = (torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)) + 0.5) * side / 8
        dense = prompt.no_mask_embed.weight.reshape(1, -1, 1, 1)
        found = []
        for multiple in (False, True):
            masks, _ = model.mask_decoder(
                image_embeddings=model.vision_encoder(soft_noise(side)).last_hidden_state,
                image_positional_embeddings=model.get_image_wide_positional_embeddings(),
                sparse_prompt_embeddings=prompt._embed_points(places[None, :, None], torch.ones(1, 64, 1), pad=True),
                dense_prompt_embeddings=dense,
                multimask_output=multiple,
            )
            found.append(masks[0])
        return torch.cat(found, 1)

    return probe


@torch.no_grad()
def shape_masks(upscaling, heads, last, probe):
    """Makes masks blobs that cover part of an image, where plain random weights give speckle or everything at once.

    The four pixels that one pixel becomes are made alike. Channel 0 of the upscaled image is made constant, so that
    each head can shift its logits; their mean and spread over `probe` are then set.
    """
    spread, below = 40.0, 0.6
    for layer in upscaling:
        layer.weight.copy_(2 * layer.weight.mean((2, 3), keepdim=True) + 0.05 * layer.weight)
    upscaling[-1].weight[:, 0] = 0.0
    upscaling[-1].bias[0] = 2.0
    constant = float(torch.nn.functional.gelu(torch.tensor(2.0)))
    outputs = [resolve(head, last) for head in heads]
    for output in outputs:
        output.weight[0] = 0.0
        output.bias[0] = 0.0
    # Twice, for what SAM-HQ's fine mask adds to each is no part of the head
    for _ in range(2):
        masks = probe()
        for at, output in enumerate(outputs):
            scale = spread / float(masks[:, at].std())
            output.weight.mul_(scale)
            output.bias.mul_(scale)
            output.bias[0] -= (scale * float(masks[:, at].mean()) + below * spread) / constant


def resolve(head, last):
    return head.layers[-1] if last == "layers" else getattr(head, last)
