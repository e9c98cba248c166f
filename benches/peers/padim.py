"""PaDiM (Defard et al., ICPR 2021): one Gaussian per position over a random choice of channels of all three levels.

The settings are anomalib's: 100 channels, 0.01 added to the covariance's diagonal, the Mahalanobis distance
upsampled bilinearly and blurred with sigma 4, the map's maximum as the image's score. The grid is the stride-4
feature's own: 64x64 for images of 256 pixels.
"""
import numpy as np
from scipy.ndimage import gaussian_filter, zoom

CHANNELS = 100
REGULARISATION = 0.01
SIGMA = 4
POSITIONS_AT_ONCE = 256  # bounds the covariances held in double precision to 20 MB


class Padim:
    name = "PaDiM"

    def __init__(self, seed, side):
        self.side = side
        self.generator = np.random.default_rng(seed)
        self.channels = None

    def embed(self, features):
        """[positions, CHANNELS]; coarser levels are repeated, not interpolated, as in the paper's code."""
        fine = features[0].shape[-1]
        levels = [level.repeat(fine // level.shape[-1], 1).repeat(fine // level.shape[-1], 2) for level in features]
        stacked = np.concatenate(levels)
        if self.channels is None:
            self.channels = np.sort(self.generator.permutation(len(stacked))[:CHANNELS])
        return stacked[self.channels].reshape(CHANNELS, -1).T

    def fit(self, features):
        """`features` yields each training image's three levels."""
        bank = np.stack([self.embed(levels) for levels in features])
        self.mean = bank.mean(0)
        bank -= self.mean
        self.whitener = np.empty((bank.shape[1], CHANNELS, CHANNELS), np.float32)
        identity = REGULARISATION * np.eye(CHANNELS)
        for start in range(0, bank.shape[1], POSITIONS_AT_ONCE):
            here = slice(start, start + POSITIONS_AT_ONCE)
            centred = bank[:, here].transpose(1, 2, 0).astype(np.float64)
            covariance = centred @ centred.transpose(0, 2, 1) / (len(bank) - 1) + identity
            # |L^-1 d|^2 is d' C^-1 d, and cannot turn negative by rounding
            self.whitener[here] = np.linalg.inv(np.linalg.cholesky(covariance))

    def judge(self, features):
        """The image's score and its [side, side] map."""
        deviation = self.embed(features) - self.mean
        distance = np.linalg.norm((self.whitener @ deviation[:, :, None])[:, :, 0], axis=1)
        grid = int(np.sqrt(len(distance)))
        coarse = distance.reshape(grid, grid)
        raised = zoom(coarse, self.side / grid, order=1, mode="nearest", grid_mode=True)
        anomaly_map = gaussian_filter(raised, SIGMA, mode="mirror")
        return float(anomaly_map.max()), anomaly_map
