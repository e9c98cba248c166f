// How many parts a threshold rejects, from ascending scores. A part is rejected if its score is above the threshold.

import { number, percent, t } from "./language.js";

/** How many ascending scores are above the threshold. */
export function above(scores, threshold) {
  let low = 0;
  let high = scores.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (scores[middle] > threshold) high = middle;
    else low = middle + 1;
  }
  return scores.length - low;
}

/** The threshold that rejects at most this share of ascending scores; null without scores. */
export function thresholdFor(scores, share) {
  if (scores.length === 0) return null;
  return scores[Math.max(0, scores.length - 1 - Math.floor(share * scores.length))];
}

/** What a threshold does, as one sentence for each kind of part there is. */
export function sentences(known, threshold) {
  const kinds = ["parts", "reviewed_bad", "reviewed_good", "validation"].filter((kind) => known[kind].length > 0);
  return kinds.map((kind) => {
    const all = known[kind].length;
    const rejected = above(known[kind], threshold);
    return {
      kind,
      rejected,
      all,
      text: t(`count.${kind}`, {
        n: all,
        rejected: number(rejected),
        all: number(all),
        share: percent(rejected / all),
      }),
    };
  });
}
