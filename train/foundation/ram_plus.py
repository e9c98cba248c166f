"""RAM++ (Huang et al., 2023, arXiv 2310.15200): which of a fixed list of tags an image shows.

Swin gives image tokens. Each tag has several descriptions, embedded by CLIP beforehand and kept in the checkpoint as
`label_embed`; the image's mean token weighs them. The tags then query the image tokens through cross-attention alone
(Query2Label). Modules have the names of `ram_plus_swin_large_14m.pth`.
"""

from dataclasses import dataclass

import torch
from torch import nn

from swin import SwinTransformer


@dataclass(frozen=True)
class Settings:
    """Sizes of the network; the defaults are those of the official checkpoint."""

    image_side: int = 384
    embed_dim: int = 192
    depths: tuple = (2, 2, 18, 2)
    heads: tuple = (6, 12, 24, 48)
    window: int = 12
    tags: int = 4585
    descriptions: int = 51
    text_width: int = 512
    hidden: int = 768
    hidden_heads: int = 4
    intermediate: int = 3072
    decoder_layers: int = 2


class CrossAttention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads = s.hidden_heads
        self.query = nn.Linear(s.hidden, s.hidden)
        self.key = nn.Linear(s.text_width, s.hidden)
        self.value = nn.Linear(s.text_width, s.hidden)

    def forward(self, tags, image):
        q, k, v = self.split(self.query(tags)), self.split(self.key(image)), self.split(self.value(image))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        mixed = scores.softmax(-1) @ v
        return mixed.transpose(1, 2).flatten(2)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class ResidualOutput(nn.Module):
    """BERT's output block: dense, residual, norm."""

    def __init__(self, inner, hidden):
        super().__init__()
        self.dense = nn.Linear(inner, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x, residual):
        return self.LayerNorm(self.dense(x) + residual)


class DecoderLayer(nn.Module):
    def __init__(self, s):
        super().__init__()
        attention = {"self": CrossAttention(s), "output": ResidualOutput(s.hidden, s.hidden)}
        self.crossattention = nn.ModuleDict(attention)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(s.hidden, s.intermediate)})
        self.output = ResidualOutput(s.intermediate, s.hidden)

    def forward(self, tags, image):
        tags = self.crossattention["output"](self.crossattention["self"](tags, image), tags)
        inner = nn.functional.gelu(self.intermediate["dense"](tags))
        return self.output(inner, tags)


class RamPlus(nn.Module):
    def __init__(self, settings=Settings()):
        super().__init__()
        s = self.settings = settings
        self.visual_encoder = SwinTransformer(s.image_side, s.embed_dim, s.depths, s.heads, s.window)
        self.image_proj = nn.Linear(self.visual_encoder.width, s.text_width)
        self.label_embed = nn.Parameter(torch.zeros(s.tags * s.descriptions, s.text_width))
        self.reweight_scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        self.wordvec_proj = nn.Linear(s.text_width, s.hidden)
        layers = nn.ModuleList(DecoderLayer(s) for _ in range(s.decoder_layers))
        self.tagging_head = nn.ModuleDict({"encoder": nn.ModuleDict({"layer": layers})})
        self.fc = nn.Linear(s.hidden, 1)

    def forward(self, image):
        """`[B, 3, S, S]`, ImageNet-normalised RGB, to logits `[B, tags]`."""
        tokens = self.image_proj(self.visual_encoder(image))
        tags = nn.functional.relu(self.wordvec_proj(self.tag_embeddings(tokens[:, 0])))
        for layer in self.tagging_head["encoder"]["layer"]:
            tags = layer(tags, tokens)
        return self.fc(tags)[..., 0]

    def tag_embeddings(self, mean_token):
        """`[B, tags, text_width]`: each tag's descriptions, weighted by their likeness to the image."""
        s = self.settings
        mean_token = mean_token / mean_token.norm(dim=-1, keepdim=True)
        likeness = self.reweight_scale.exp() * mean_token @ self.label_embed.t()
        weights = likeness.view(-1, s.tags, 1, s.descriptions).softmax(-1)
        descriptions = self.label_embed.view(s.tags, s.descriptions, s.text_width)
        return (weights @ descriptions)[:, :, 0]
