"""The peers' arithmetic against plainer ways to the same numbers: a rival that is wrong would be no rival.

    target/peers-venv/bin/python -m unittest discover -s benches/peers
"""
import pathlib
import tempfile
import unittest

import numpy as np
from PIL import Image
from scipy.spatial.distance import cdist, mahalanobis

from category import Region
from encoder import Encoder
from metrics import spro
from padim import CHANNELS, REGULARISATION, Padim
from patchcore import NEIGHBOURS, PatchCore, coreset


SIDE = 64
MODEL = pathlib.Path(__file__).parents[2] / "models/efficientnet-lite0/encoder.onnx"


def features(generator):
    """One image's three levels, coarser than the real ones to be quick."""
    return [generator.random((channels, side, side), np.float32) for channels, side in ((24, 16), (40, 8), (112, 4))]


class PadimTest(unittest.TestCase):
    def test_distance_is_mahalanobis_at_each_position(self):
        generator = np.random.default_rng(1)
        train, test = [features(generator) for _ in range(12)], features(generator)
        padim = Padim(seed=1, side=SIDE)
        padim.fit(iter(train))
        bank = np.stack([padim.embed(levels) for levels in train])
        deviation = padim.embed(test) - padim.mean
        for position in (0, 37, 255):
            covariance = np.cov(bank[:, position], rowvar=False) + REGULARISATION * np.eye(CHANNELS)
            expected = mahalanobis(padim.embed(test)[position], bank[:, position].mean(0), np.linalg.inv(covariance))
            found = np.linalg.norm(padim.whitener[position] @ deviation[position])
            self.assertAlmostEqual(found, expected, delta=1e-3 * expected)

    def test_a_changed_place_is_where_the_map_peaks(self):
        generator = np.random.default_rng(2)
        padim = Padim(seed=1, side=SIDE)
        padim.fit(features(generator) for _ in range(30))
        test = features(generator)
        test[0][:, 4, 11] += 5
        _, anomaly_map = padim.judge(test)
        row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        self.assertEqual((row * 16 // SIDE, column * 16 // SIDE), (4, 11))


class PatchCoreTest(unittest.TestCase):
    def test_the_score_is_the_papers_equations_6_and_7(self):
        generator = np.random.default_rng(3)
        method, test = PatchCore(seed=1, side=SIDE), features(generator)
        method.fit(features(generator) for _ in range(6))
        score, anomaly_map = method.judge(test)
        patches = method.embed(test)
        distances = cdist(patches, method.bank)
        worst = distances.min(1).argmax()
        nearest = method.bank[distances[worst].argmin()]
        support = method.bank[np.argsort(cdist([nearest], method.bank)[0])[:NEIGHBOURS]]
        exponents = np.exp(cdist([patches[worst]], support)[0])
        expected = (1 - exponents[0] / exponents.sum()) * distances[worst].min()
        self.assertAlmostEqual(score, expected, delta=1e-4 * expected)
        self.assertEqual(anomaly_map.shape, (SIDE, SIDE))

    def test_the_coreset_reaches_into_every_cluster_and_holds_no_patch_twice(self):
        generator = np.random.default_rng(4)
        centres = 100 * generator.standard_normal((10, 152))
        patches = np.repeat(centres, [500, *[5] * 9], axis=0) + generator.standard_normal((545, 152))
        chosen = coreset(patches.astype(np.float32), 10 / 545, seed=1)
        self.assertEqual(len(set(chosen)), 10)
        self.assertEqual({int(cdist([patches[index]], centres).argmin()) for index in chosen}, set(range(10)))


class EncoderTest(unittest.TestCase):
    def test_a_larger_side_gives_larger_maps_of_the_same_image(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "grey.png"
            Image.new("RGB", (96, 96), (90, 120, 150)).save(path)
            coarse, fine = (Encoder(MODEL, side)(path) for side in (64, 128))
        self.assertEqual([level.shape for level in fine], [(24, 32, 32), (40, 16, 16), (112, 8, 8)])
        # Far from the borders a plain image looks the same at any size
        np.testing.assert_allclose(fine[0][:, 16, 16], coarse[0][:, 8, 8], atol=1e-3)


class SproTest(unittest.TestCase):
    def test_every_threshold_in_turn_gives_the_same_area(self):
        generator = np.random.default_rng(5)
        maps = generator.integers(0, 60, (3, 20, 30)).astype(np.float32)
        masks = [(0, np.s_[2:6, 3:9], 10), (0, np.s_[10:14, 20:29], 36), (1, np.s_[0:5, 0:5], 25)]
        regions, negative = [[], [], []], np.ones(maps.shape, bool)
        for image, box, saturation in masks:
            mask = np.zeros(maps.shape[1:], bool)
            mask[box] = True
            maps[image][box] += 20
            negative[image] &= ~mask
            regions[image].append(Region(np.flatnonzero(mask), saturation))
        curve = [(0.0, 0.0)]
        for threshold in np.unique(maps)[::-1]:
            raised = maps >= threshold
            shares = [min(raised[image].ravel()[region.pixels].sum() / region.saturation_px, 1.0)
                      for image in range(3) for region in regions[image]]
            curve.append(((raised & negative).sum() / negative.sum(), np.mean(shares)))
        rate, overlap = map(np.array, zip(*curve))
        for limit in (0.05, 0.3):
            inside = np.searchsorted(rate, limit)
            share = (limit - rate[inside - 1]) / (rate[inside] - rate[inside - 1])
            at_limit = overlap[inside - 1] + share * (overlap[inside] - overlap[inside - 1])
            expected = np.trapezoid([*overlap[:inside], at_limit], [*rate[:inside], limit]) / limit
            self.assertAlmostEqual(spro(lambda: zip(maps, regions), limit), expected, delta=1e-9)


if __name__ == "__main__":
    unittest.main()
