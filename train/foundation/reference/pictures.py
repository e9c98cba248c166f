"""The pictures of the reference: loose parts on a tray, drawn from a seed."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def draw(width, height, seed):
    """An RGB picture of bolts, washers and brackets on a lighter tray over a dark bench."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (width, height), (52, 54, 60))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0.1 * width, 0.12 * height, 0.92 * width, 0.9 * height), fill=(188, 184, 172))
    scale = min(width, height)
    for part in range(7):
        x, y = random.uniform((0.2, 0.2), (0.8, 0.8)) * (width, height)
        r = random.uniform(0.06, 0.12) * scale
        colour = tuple(int(c) for c in random.integers(20, 150, 3))
        if part % 3 == 0:
            pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
            pen.ellipse((x - r / 2, y - r / 2, x + r / 2, y + r / 2), fill=(188, 184, 172))
        elif part % 3 == 1:
            pen.rectangle((x - 1.6 * r, y - r / 3, x + 1.6 * r, y + r / 3), fill=colour)
            pen.rectangle((x - 1.9 * r, y - r / 1.5, x - 1.3 * r, y + r / 1.5), fill=colour)
        else:
            pen.polygon(
                [
                    (x - r, y + r),
                    (x - r, y - r),
                    (x - r / 3, y - r),
                    (x - r / 3, y + r / 3),
                    (x + r, y + r / 3),
                    (x + r, y + r),
                ],
                fill=colour,
            )
    picture = picture.filter(ImageFilter.GaussianBlur(0.6))
    grain = random.normal(0, 3, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))
