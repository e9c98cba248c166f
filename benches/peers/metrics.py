"""The figures a detector is judged by: image AUROC, and MVTec LOCO AD's saturated per-region overlap."""
import numpy as np
from scipy.ndimage import zoom
from sklearn.metrics import roc_auc_score


def auroc(samples, scores, kind):
    """AUROC of one kind of anomaly against the good test images; None where there is none of that kind."""
    chosen = [(sample.kind == kind, score) for sample, score in zip(samples, scores) if sample.kind in ("good", kind)]
    labels, values = zip(*chosen)
    return float(roc_auc_score(labels, values)) if any(labels) else None


def at_size(anomaly_map, size):
    """The map at an image's (height, width), bilinearly."""
    factors = [wanted / have for wanted, have in zip(size, anomaly_map.shape)]
    if factors == [1.0, 1.0]:
        return anomaly_map
    return zoom(anomaly_map, factors, order=1, mode="nearest", grid_mode=True)


def spro(located, limit=0.05):
    """Area under mean sPRO over the false-positive rate up to `limit`, divided by it; None without any region.

    `located` is a function that yields (map of non-negative float32 at the image's size, regions) and is called
    twice, so that only the pixels above the threshold at which the rate passes `limit` are ever held at once.
    """
    counts, saturations = np.zeros(1 << 16, np.int64), []
    for anomaly_map, regions in located():
        outside = np.ones(anomaly_map.size, bool)
        for region in regions:
            outside[region.pixels] = False
            saturations.append(region.saturation_px)
        # The upper half of a non-negative float's bits orders as the float does
        bins = np.ascontiguousarray(anomaly_map, np.float32).ravel()[outside].view(np.uint32) >> 16
        counts += np.bincount(bins, minlength=1 << 16)
    negatives = counts.sum()
    if not saturations or not negatives:
        return None
    above = counts[::-1].cumsum()[::-1]
    passed = np.flatnonzero(above > limit * negatives)
    lowest = passed[-1] if len(passed) else 0

    values, rates, overlaps, first = [], [], [], 0
    for anomaly_map, regions in located():
        flat = np.ascontiguousarray(anomaly_map, np.float32).ravel()
        kept = flat.view(np.uint32) >> 16 >= lowest
        outside = kept.copy()
        for number, region in enumerate(regions, first):
            outside[region.pixels] = False
            # A region saturates: its pixels beyond the needed area, highest first, add nothing
            found = np.sort(flat[region.pixels][kept[region.pixels]])[::-1]
            share = np.minimum(np.arange(1, len(found) + 1) / saturations[number], 1.0)
            values.append(found)
            rates.append(np.zeros(len(found)))
            overlaps.append(np.diff(share, prepend=0.0) / len(saturations))
        first += len(regions)
        values.append(flat[outside])
        rates.append(np.full(int(outside.sum()), 1.0 / negatives))
        overlaps.append(np.zeros(int(outside.sum())))
    values, rates, overlaps = (np.concatenate(parts) for parts in (values, rates, overlaps))
    order = np.argsort(-values, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    rate = np.concatenate([[0.0], rates[order].cumsum()[last_of_ties]])
    overlap = np.concatenate([[0.0], overlaps[order].cumsum()[last_of_ties]])
    inside = int(np.searchsorted(rate, limit))
    at_limit = overlap[-1]
    if inside < len(rate):
        step = (limit - rate[inside - 1]) / (rate[inside] - rate[inside - 1])
        at_limit = overlap[inside - 1] + step * (overlap[inside] - overlap[inside - 1])
    rate, overlap = np.append(rate[:inside], limit), np.append(overlap[:inside], at_limit)
    return float(np.trapezoid(overlap, rate) / limit)
