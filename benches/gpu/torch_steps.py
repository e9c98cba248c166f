"""The two training steps that `aecsad-train gpu-check` times, in PyTorch: the same networks, batch and loss, Adam, the loss
read after each step. Once with float32 throughout and once with TF32 in convolutions and products, as JSON."""

import json
import pathlib
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(pathlib.Path(__file__).parents[2] / "train/tests/reference"))
import make  # noqa: E402  (the networks are the reference's)

BATCH, CLASSES, WARM_UP, TIMED = 16, 8, 5, 20
DEVICE = "cuda"


class Dropping(make.Global):
    """The reference's global student with dropout after all decoder layers but the last."""

    def forward(self, x):
        for index, layer in enumerate(self.halvings):
            x = F.relu(layer(x))
            if index in (3, 4):
                x = self.encoder_attention[index - 3](x)
        x = self.bottleneck(x)
        for index, (layer, size) in enumerate(zip(self.decoder, self.sizes)):
            x = F.relu(layer(F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)))
            if index in (2, 4):
                x = self.decoder_attention[index // 4](x)
            if index < 6:
                x = F.dropout(x, 0.2)
        return self.head(x)


def timed(step):
    times = []
    for index in range(WARM_UP + TIMED):
        began = time.perf_counter()
        step()
        if index >= WARM_UP:
            times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def students():
    local = make.Local(256, 512, 512).to(DEVICE)
    whole = Dropping([32, 32, 64, 64, 64], 8, 64, 512, 64).to(DEVICE)
    optimiser = torch.optim.Adam([*local.parameters(), *whole.parameters()], lr=1e-4)
    images = torch.rand(BATCH, 3, 256, 256, device=DEVICE)
    teacher = torch.rand(BATCH, 512, 64, 64, device=DEVICE)

    def step():
        optimiser.zero_grad()
        loss = sum(make.lgst_loss(teacher, *local(images), whole(images)))
        loss.backward()
        optimiser.step()
        loss.item()

    return timed(step)


def segmentation():
    encoder = make.WideResNet(64, 2, [3, 4, 6, 3]).to(DEVICE).eval()
    decoder = make.Decoder(CLASSES, 256, 1024, 256, 256, 48, [6, 12, 18]).to(DEVICE)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=1e-4)
    images = torch.rand(BATCH, 3, 256, 256, device=DEVICE)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    labels = torch.stack([(i + y // 8 + x // 8) % CLASSES for i in range(BATCH)]).to(DEVICE)
    one_hot = F.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
    balance = 1 / one_hot.sum((0, 2, 3))

    def step():
        optimiser.zero_grad()
        with torch.no_grad():
            z = F.max_pool2d(F.relu(encoder.bn1(encoder.conv1(images))), 3, 2, 1)
            stride4 = encoder.layer1(z)
            stride16 = encoder.layer3(encoder.layer2(stride4))
        logits = decoder(stride4, stride16)
        p, log_p = logits.softmax(1), logits.log_softmax(1)
        overlap, extent = (p * one_hot).sum((0, 2, 3)), (p + one_hot).sum((0, 2, 3))
        dice = 1 - 2 * (balance * overlap).sum() / (balance * extent).sum()
        focal = -((1 - p) ** 2 * log_p * one_hot).sum() / labels.numel()
        loss = F.cross_entropy(logits, labels) + 0.5 * dice + 0.5 * focal
        loss.backward()
        optimiser.step()
        loss.item()

    return timed(step)


if __name__ == "__main__":
    torch.backends.cudnn.benchmark = True
    results = {}
    for name, tf32 in (("float32", False), ("tf32", True)):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        results[name] = {"students_step_ms": students(), "segmentation_step_ms": segmentation()}
    print(json.dumps(results, indent=2))
