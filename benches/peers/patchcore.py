"""PatchCore (Roth et al., CVPR 2022): distance of each patch to its nearest neighbour in a coreset of good patches.

The settings are anomalib's: stride-8 and stride-16 features after 3x3 average pooling, a 10 % greedy k-center
coreset (of at most 12,000 patches: the paper has 1 % as well), the worst patch's distance re-weighted by 9 neighbours as the image's score, the map enlarged and blurred with
sigma 4. The coreset is chosen in a random projection to 128 dimensions, as in the paper's own code.
"""
import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter, zoom
from scipy.special import softmax
from sklearn.neighbors import NearestNeighbors
from sklearn.random_projection import GaussianRandomProjection

CORESET_SHARE = 0.1
MOST_KEPT = 12000  # the time of the coreset grows with the square of the number of patches
PROJECTED = 128
NEIGHBOURS = 9
SIGMA = 4


class PatchCore:
    name = "PatchCore"

    def __init__(self, seed, side):
        self.seed, self.side = seed, side

    def embed(self, features):
        """[(side / 8)² patches, 152 channels]."""
        fine, coarse = (uniform_filter(level, (1, 3, 3), mode="constant") for level in features[1:])
        factor = fine.shape[-1] / coarse.shape[-1]
        raised = zoom(coarse, (1, factor, factor), order=1, mode="nearest", grid_mode=True)
        return np.concatenate([fine, raised]).reshape(len(fine) + len(raised), -1).T

    def fit(self, features):
        """`features` yields each training image's three levels."""
        patches = np.concatenate([self.embed(levels) for levels in features])
        share = min(CORESET_SHARE, MOST_KEPT / len(patches))
        self.bank = patches[coreset(patches, share, self.seed)]
        self.index = NearestNeighbors(algorithm="brute").fit(self.bank)

    def judge(self, features):
        """The image's score and its [side, side] map."""
        patches = self.embed(features)
        distance, nearest = (found[:, 0] for found in self.index.kneighbors(patches, 1))
        worst = distance.argmax()
        # The score shrinks where the nearest good patch is itself in a crowded place (equation 7 of the paper)
        support = self.index.kneighbors(self.bank[[nearest[worst]]], min(NEIGHBOURS, len(self.bank)),
                                        return_distance=False)[0]
        weight = 1 - softmax(np.linalg.norm(self.bank[support] - patches[worst], axis=1))[0]
        grid = int(np.sqrt(len(distance)))
        raised = distance.reshape(grid, grid).repeat(self.side // grid, 0).repeat(self.side // grid, 1)
        return float(weight * distance[worst]), gaussian_filter(raised.astype(np.float32), SIGMA, mode="mirror")


def coreset(patches, share, seed):
    """Indices of greedily chosen patches, each the farthest from those before it."""
    projected = GaussianRandomProjection(min(PROJECTED, patches.shape[1]), random_state=seed).fit_transform(patches)
    projected = np.ascontiguousarray(projected, np.float32)
    squares = np.einsum("ij,ij->i", projected, projected)
    chosen = [int(np.random.default_rng(seed).integers(len(patches)))]
    farthest = np.full(len(patches), np.inf, np.float32)
    for _ in range(max(int(len(patches) * share), 1) - 1):
        centre = projected[chosen[-1]]
        np.minimum(farthest, squares - 2 * (projected @ centre) + centre @ centre, out=farthest)
        farthest[chosen[-1]] = -np.inf
        chosen.append(int(farthest.argmax()))
    return chosen
