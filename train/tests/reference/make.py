#!/usr/bin/env python3
"""Makes the arrays that train/tests/parity.rs compares with: narrow networks, losses and ten training steps in PyTorch.

    python3 -m venv venv && venv/bin/pip install torch torchvision safetensors
    venv/bin/python train/tests/reference/make.py            # the committed arrays
    venv/bin/python train/tests/reference/make.py --full DIR # full-size WideResNet-50-2, 276 MB, not committed
    AECSAD_FULL_REFERENCE=DIR cargo tests -E 'binary(parity)'
    venv/bin/pip install onnx onnxruntime && venv/bin/python train/tests/reference/make.py --check DIR

Names of tensors are those of the Rust modules. Large inputs are not stored: both sides compute `wave`.
"""

import argparse
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).parent


def wave(*shape, scale=1.0):
    """The same values as `wave` in parity.rs: double precision, then float32."""
    index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (torch.sin(index * 0.37 + 0.1 * torch.sin(index * 0.011)) * scale).float().reshape(shape)


def seeded(module, seed):
    torch.manual_seed(seed)
    for name, parameter in module.named_parameters():
        if parameter.dim() == 4:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        else:
            nn.init.uniform_(parameter, 0.5, 1.0) if name.endswith("norm.weight") else nn.init.uniform_(parameter, -0.2, 0.2)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            nn.init.uniform_(buffer, -0.3, 0.3)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 1.5)
    return module


def save(name, tensors):
    from safetensors.torch import save_file  # not at the top: benches/gpu needs the networks only

    save_file({key: value.detach().float().contiguous() for key, value in tensors.items()}, HERE / f"{name}.safetensors")


def without_counters(module):
    return {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}


def gradients(module):
    return {f"gradient.{name}": parameter.grad for name, parameter in module.named_parameters()}


# --- WideResNet with torchvision's names, as narrow as one likes


class Bottleneck(nn.Module):
    def __init__(self, inputs, planes, widening, stride, first):
        super().__init__()
        width, outputs = planes * widening, planes * 4
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if first else None
        )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class WideResNet(nn.Module):
    def __init__(self, stem, widening, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem)
        inputs = stem
        for stage, count in enumerate(blocks):
            planes = stem << stage
            layers = []
            for block in range(count):
                stride = 2 if block == 0 and stage > 0 else 1
                layers.append(Bottleneck(inputs, planes, widening, stride, block == 0))
                inputs = planes * 4
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        outputs = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            outputs.append(x)
        return outputs


def backbone():
    network = seeded(WideResNet(3, 2, [2, 1, 1, 1]), 1).eval()
    torch.save(network.state_dict(), HERE / "backbone.pth")
    names = ["stride4", "stride8", "stride16", "stride32"]
    with torch.no_grad():
        save("backbone", dict(zip(names, network(wave(2, 3, 64, 64)))))


# --- the decoder


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, rate):
        super().__init__()
        self.layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 * rate, dilation=rate, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.norm(self.layer(x)))


class Decoder(nn.Module):
    def __init__(self, classes, stride4, stride16, branch, width, detail, rates):
        super().__init__()
        self.branches = nn.ModuleList([Block(stride16, branch, 1, 1)] + [Block(stride16, branch, 3, r) for r in rates])
        self.pooled = nn.Conv2d(stride16, branch, 1)
        self.fuse = Block(branch * (len(rates) + 2), width, 1, 1)
        self.detail = Block(stride4, detail, 1, 1)
        self.refine = nn.ModuleList([Block(width + detail, width, 3, 1), Block(width, width, 3, 1)])
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, stride4, stride16):
        pyramid = [branch(stride16) for branch in self.branches]
        pooled = F.relu(self.pooled(stride16.mean((2, 3), keepdim=True)))
        pyramid.append(pooled.expand(-1, -1, *stride16.shape[2:]))
        context = F.interpolate(self.fuse(torch.cat(pyramid, 1)), size=(64, 64), mode="bilinear", align_corners=False)
        joined = torch.cat([context, self.detail(stride4)], 1)
        for block in self.refine:
            joined = block(joined)
        return self.classify(joined)


def decoder():
    network = seeded(Decoder(3, 4, 6, 4, 6, 3, [6, 12, 18]), 2)
    stride4, stride16 = wave(2, 4, 64, 64), wave(2, 6, 16, 16, scale=0.7)
    save("decoder.weights", without_counters(network))
    with torch.no_grad():
        evaluated = network.eval()(stride4, stride16)
    trained = network.train()(stride4, stride16)
    (trained * wave(*trained.shape)).mean().backward()
    # Every third row and column is enough to compare by.
    save("decoder", {"evaluated": evaluated[:, :, ::3, ::3], "trained": trained[:, :, ::3, ::3], **gradients(network)})


# --- the losses of eq. 1


def masks(batch, size, classes):
    index = torch.arange(batch * size * size).reshape(batch, size, size)
    labels = (index * 7 // 3 + index // 11) % classes
    labels[:, 0, :3] = 255
    return labels


def losses():
    classes, labels = 4, masks(2, 8, 4)
    known = labels != 255
    one_hot = F.one_hot(labels.where(known, torch.tensor(0)), classes).permute(0, 3, 1, 2).float() * known[:, None]
    cells = one_hot.sum((0, 2, 3))
    balance = 1 / cells / (1 / cells).sum()
    shares = one_hot.sum((2, 3)) / known.sum((1, 2))[:, None]

    def dice(p):
        p = p * known[:, None]
        overlap, extent = (p * one_hot).sum((0, 2, 3)), (p + one_hot).sum((0, 2, 3))
        return 1 - 2 * (balance * overlap).sum() / (balance * extent).sum()

    terms = {
        "cross_entropy": lambda z: F.cross_entropy(z, labels, ignore_index=255),
        "dice": lambda z: dice(z.softmax(1)),
        "focal": lambda z: -((1 - z.softmax(1)) ** 2 * z.log_softmax(1) * one_hot).sum() / known.sum(),
        "histogram": lambda z: (z.softmax(1).mean((2, 3)) - shares).abs().mean(),
        "entropy": lambda z: -(z.softmax(1) * z.log_softmax(1)).sum(1).mean(),
    }
    stored = {}
    for name, term in terms.items():
        logits = wave(2, classes, 8, 8, scale=2.0).requires_grad_()
        value = term(logits)
        value.backward()
        stored |= {name: value.reshape(1), f"gradient.{name}": logits.grad}
    save("losses", stored)


# --- the students


class Local(nn.Module):
    def __init__(self, stem, width, channels):
        super().__init__()
        self.trunk = nn.ModuleList([
            nn.Conv2d(3, stem, 4, padding=3),
            nn.Conv2d(stem, width, 4, padding=3),
            nn.Conv2d(width, width, 1),
            nn.Conv2d(width, width, 3, padding=1),
            nn.Conv2d(width, width, 4),
        ])
        self.teacher_head, self.global_head = nn.Conv2d(width, channels, 1), nn.Conv2d(width, channels, 1)

    def forward(self, x):
        for index, layer in enumerate(self.trunk):
            x = F.relu(layer(x))
            if index < 2:
                x = F.avg_pool2d(x, 2, 2, 1)
        x = F.interpolate(x, size=(64, 64), mode="bilinear", align_corners=False) if x.shape[2] != 64 else x
        return self.teacher_head(x), self.global_head(x)


class Attention(nn.Module):
    def __init__(self, channels, keys):
        super().__init__()
        self.query, self.key = nn.Conv2d(channels, keys, 1), nn.Conv2d(channels, keys, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        q, k, v = (layer(x).flatten(2).transpose(1, 2) for layer in (self.query, self.key, self.value))
        weights = (q @ k.transpose(1, 2) / k.shape[2] ** 0.5).softmax(2)
        return x + self.gain * (weights @ v).transpose(1, 2).reshape(x.shape)


class Global(nn.Module):
    def __init__(self, encoder, bottleneck, width, channels, keys):
        super().__init__()
        inputs = [3, *encoder]
        self.halvings = nn.ModuleList([nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(inputs, inputs[1:])])
        self.bottleneck = nn.Conv2d(encoder[-1], width, bottleneck)
        self.encoder_attention = nn.ModuleList([Attention(encoder[3], keys), Attention(encoder[4], keys)])
        self.sizes = [3, 8, 15, 32, 63, 127, 64]
        self.decoder = nn.ModuleList([nn.Conv2d(width, width, 4, padding=2) for _ in range(6)])
        self.decoder.append(nn.Conv2d(width, width, 3, padding=1))
        self.decoder_attention = nn.ModuleList([Attention(width, keys), Attention(width, keys)])
        self.head = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x):
        for index, layer in enumerate(self.halvings):
            x = F.relu(layer(x))
            if index in (3, 4):
                x = self.encoder_attention[index - 3](x)
        x = self.bottleneck(x)
        for index, (layer, size) in enumerate(zip(self.decoder, self.sizes)):
            x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
            x = F.relu(layer(x))
            if index in (2, 4):
                x = self.decoder_attention[index // 4](x)
        return self.head(x)


class Students(nn.Module):
    def __init__(self):
        super().__init__()
        self.local = Local(4, 6, 5)
        self.add_module("global", Global([3, 4, 4, 5, 5], 2, 6, 5, 3))

    def forward(self, image, changed):
        return *self.local(image), getattr(self, "global")(changed)


def lgst_loss(teacher, local, local_of_global, of_global):
    return F.mse_loss(local, teacher), F.mse_loss(of_global, teacher), F.mse_loss(of_global, local_of_global)


def students():
    network = seeded(Students(), 3)
    save("students.weights", without_counters(network))
    image, changed, teacher = wave(2, 3, 64, 64), wave(2, 3, 64, 64, scale=0.8), wave(2, 5, 64, 64, scale=1.5)
    maps = network(image, changed)
    terms = lgst_loss(teacher, *maps)
    sum(terms).backward()
    stored = {name: value[:, :, ::3, ::3] for name, value in zip(["local", "local_of_global", "global"], maps)}
    stored |= {f"loss.{name}": value.reshape(1) for name, value in zip(["local", "global", "fusion"], terms)}
    save("students", stored | gradients(network))


def steps():
    """Ten steps with the paper's optimiser and schedule, as the engine takes them, on the local student."""
    network = seeded(Local(4, 6, 5), 4)
    save("steps.weights", without_counters(network))
    image, teacher = wave(2, 3, 64, 64), wave(2, 5, 64, 64, scale=1.5)
    count, first, last = 10, 1e-4, 1e-6
    optimiser = torch.optim.Adam(network.parameters(), lr=first, weight_decay=1e-4)
    recorded = []
    for step in range(count + 1):
        rate = last + (first - last) * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / count)).item())
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        local, local_of_global = network(image)
        loss = F.mse_loss(local, teacher) + local_of_global.square().mean()
        recorded.append(loss.detach())
        if step < count:
            loss.backward()
            optimiser.step()
    save("steps", {"losses": torch.stack(recorded), **without_counters(network)})


def full(folder):
    """torchvision's own WideResNet-50-2 with random weights and statistics."""
    import torchvision
    from safetensors.torch import save_file

    network = torchvision.models.wide_resnet50_2(weights=None)
    torch.manual_seed(7)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            nn.init.uniform_(buffer, -0.1, 0.1)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 1.5)
    network.eval()
    torch.save(network.state_dict(), folder / "wide_resnet50_2.pth")
    with torch.no_grad():
        x = network.maxpool(network.relu(network.bn1(network.conv1(wave(1, 3, 256, 256)))))
        maps = {}
        for index, stage in enumerate((network.layer1, network.layer2, network.layer3, network.layer4)):
            x = stage(x)
            maps[f"stride{4 << index}"] = x.contiguous()
    save_file(maps, folder / "features.safetensors")


def check(folder):
    """The graphs that the tests left in `folder`, by ONNX's checker and in ONNX Runtime."""
    import numpy
    import onnx
    import onnxruntime
    from safetensors.torch import load_file

    features = load_file(folder / "features.safetensors")
    encoded = numpy.concatenate([features[f"stride{s}"].numpy().ravel() for s in (4, 8, 16)])
    for name in ("encoder", "segmentation", "students"):
        onnx.checker.check_model(onnx.load(folder / f"{name}.onnx"), full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx", options)
        inputs = {value.name: wave(*value.shape).numpy() for value in session.get_inputs()}
        found = numpy.concatenate([output.ravel() for output in session.run(None, inputs)])
        expected = encoded if name == "encoder" else numpy.fromfile(folder / f"{name}.outputs", numpy.float32)
        difference = abs(found - expected).max() / abs(expected).max()
        print(f"{name}: opset {onnx.load(folder / f'{name}.onnx').opset_import[0].version}, differs by {difference:.1e}")
        assert difference < 1e-4


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--check", type=pathlib.Path, metavar="DIR")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.full:
        arguments.full.mkdir(parents=True, exist_ok=True)
        full(arguments.full)
    elif arguments.check:
        check(arguments.check)
    else:
        for make in (backbone, decoder, losses, students, steps):
            make()
