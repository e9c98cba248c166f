"""Swin Transformer (Liu et al., 2021, arXiv 2103.14030) as RAM++ uses it: square images, no absolute positions.

Parameters have the names of the official checkpoints, so that these load without renaming. Position indices and the
masks of shifted windows follow from the sizes; they are computed here rather than loaded.
"""

import torch
from torch import nn


def windows(x, side):
    """`[B, H, W, C]` cut into `[B·H/side·W/side, side², C]`."""
    b, h, w, c = x.shape
    x = x.view(b, h // side, side, w // side, side, c).transpose(2, 3)
    return x.reshape(-1, side * side, c)


def from_windows(x, side, h, w):
    """The inverse of `windows`: `[B, H, W, C]`."""
    c = x.shape[-1]
    x = x.view(-1, h // side, w // side, side, side, c).transpose(2, 3)
    return x.reshape(-1, h, w, c)


def relative_position_index(side):
    """`[side², side²]`: which row of the bias table each pair of positions reads."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack([y.flatten(), x.flatten()])
    apart = places[:, :, None] - places[:, None, :] + side - 1
    return apart[0] * (2 * side - 1) + apart[1]


def shift_mask(size, side, shift):
    """`[windows, side², side²]`: -100 between positions that only the cyclic shift made neighbours, else 0."""
    zone = torch.zeros(size)
    zone[size - side : size - shift] = 1
    zone[size - shift :] = 2
    zones = (zone[:, None] * 3 + zone[None, :]).view(1, size, size, 1)
    zones = windows(zones, side).squeeze(-1)
    return (zones[:, :, None] != zones[:, None, :]).float() * -100.0


class WindowAttention(nn.Module):
    def __init__(self, dim, side, heads):
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_position_index(side), persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, mask):
        """`x` `[B·windows, n, dim]`; `mask` `[windows, n, n]` or None."""
        n, dim = x.shape[1:]
        q, k, v = self.qkv(x).view(-1, n, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index]
        scores = scores + bias.permute(2, 0, 1)
        if mask is not None:
            scores = scores.view(-1, mask.shape[0], self.heads, n, n) + mask[:, None]
            scores = scores.view(-1, self.heads, n, n)
        x = (scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, n, dim)
        return self.proj(x)


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, size, heads, side, shifted):
        super().__init__()
        self.size = size
        self.side = min(side, size)
        self.shift = self.side // 2 if shifted and size > side else 0
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, self.side, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, 4 * dim)
        mask = shift_mask(size, self.side, self.shift) if self.shift else None
        self.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, x):
        dim = x.shape[-1]
        y = self.norm1(x).view(-1, self.size, self.size, dim)
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
        y = self.attn(windows(y, self.side), self.attn_mask)
        y = from_windows(y, self.side, self.size, self.size)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + y.view(-1, self.size * self.size, dim)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """Halves the sides and doubles the channels."""

    def __init__(self, dim, size):
        super().__init__()
        self.size = size
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x):
        dim = x.shape[-1]
        x = x.view(-1, self.size, self.size, dim)
        quarters = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        x = torch.cat(quarters, -1).view(-1, (self.size // 2) ** 2, 4 * dim)
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    def __init__(self, dim, size, depth, heads, side, last):
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, size, heads, side, i % 2 == 1) for i in range(depth))
        self.downsample = None if last else PatchMerging(dim, size)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=4, stride=4)
        self.norm = nn.LayerNorm(dim)

    def forward(self, image):
        return self.norm(self.proj(image).flatten(2).transpose(1, 2))


class SwinTransformer(nn.Module):
    def __init__(self, image_side, embed_dim, depths, heads, window):
        super().__init__()
        self.patch_embed = PatchEmbed(embed_dim)
        stages = len(depths)
        self.layers = nn.ModuleList(
            Stage(embed_dim * 2**i, image_side // 4 // 2**i, depths[i], heads[i], window, i == stages - 1)
            for i in range(stages)
        )
        self.width = embed_dim * 2 ** (stages - 1)
        self.norm = nn.LayerNorm(self.width)

    def forward(self, image):
        """`[B, 3, S, S]` to `[B, 1 + n, width]`: the mean of the positions first, then each of the n positions."""
        x = self.patch_embed(image)
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return torch.cat([x.mean(1, keepdim=True), x], 1)
