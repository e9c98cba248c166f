// The histogram of scores with the threshold as a line that can be dragged, or moved by keys.

import { chart, gridLines, path, quantile, scale, ticks } from "./chart.js";
import { svg } from "./dom.js";
import { number, percent, score, t } from "./language.js";

const HEIGHT = 380;
const LEFT = 52;
const RIGHT = 16;
const TOP = 44;
const BOTTOM = 74;
const BINS = 72;

/**
 * The range that the axis shows: good parts, the threshold with room around it, and the lower half of bad ones, as far as
 * that leaves room to drag. Scores beyond it stand in the last bin.
 */
export function range(known, threshold) {
  const all = [...known.parts, ...known.validation, ...known.reviewed_good, threshold];
  const low = Math.min(...all);
  const ends = [quantile(known.parts, 0.995), known.validation.at(-1), quantile(known.reviewed_bad, 0.5)];
  const wanted = Math.max(
    threshold + (threshold - low) * 0.6,
    ...ends.filter((end) => end !== null && end !== undefined),
  );
  const high = Math.min(wanted, threshold + (threshold - low) * 1.5);
  const room = (high - low || 1) * 0.03;
  return [low - room, high + room];
}

function shares(scores, low, high) {
  const bins = new Array(BINS).fill(0);
  for (const value of scores)
    bins[Math.min(BINS - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * BINS)))] += 1;
  return bins.map((count) => count / (scores.length || 1));
}

/**
 * The chart. `model()` gives `{known, value, range, text}`: the scores, the place of the line, the axis, and what the
 * line's place means. `move(value)` is called while it is dragged.
 */
export function histogram(model, move) {
  let x = scale(0, 1, 0, 1);
  const handle = svg("g", {
    class: "handle",
    role: "slider",
    tabindex: 0,
    "aria-label": t("threshold.line"),
    "aria-orientation": "horizontal",
  });
  const drawing = chart(HEIGHT, () => "", draw);
  // The slider inside must be reachable, so the drawing is a group and no picture.
  drawing.drawing.setAttribute("role", "group");
  drawing.drawing.classList.add("histogram");

  function draw(content, width, height) {
    const {
      known,
      range: [low, high],
    } = model();
    drawing.drawing.setAttribute("aria-label", t("threshold.histogram"));
    const floor = height - BOTTOM;
    x = scale(low, high, LEFT, width - RIGHT);
    const parts = shares(known.parts, low, high);
    const validation = shares(known.validation, low, high);
    const most = Math.max(0.01, ...parts, ...validation);
    const y = scale(0, most * 1.05, floor, TOP);
    const step = (width - RIGHT - LEFT) / BINS;
    // A bin with a single part must be seen: it is where thresholds are decided.
    const top = (share) => (share > 0 ? Math.min(y(share), floor - 4) : floor);
    content.append(...gridLines(y, width - RIGHT, LEFT, 4, percent));
    content.append(
      ...parts.map((share, n) =>
        svg("rect", {
          class: "bar",
          x: LEFT + n * step + 0.5,
          width: Math.max(1, step - 1),
          y: top(share),
          height: floor - top(share),
        }),
      ),
    );
    if (known.validation.length) {
      content.append(
        svg("path", {
          class: "outline",
          d: path(
            validation.flatMap((share, n) => [
              [LEFT + n * step, top(share)],
              [LEFT + (n + 1) * step, top(share)],
            ]),
          ),
        }),
      );
    }
    content.append(svg("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: floor, y2: floor }));
    for (const value of ticks(low, high, 9)) {
      content.append(
        svg("text", { class: "tick", x: x(value), y: height - 8, "text-anchor": "middle" }, number(value, 2)),
      );
    }
    content.append(
      ...marks(known.reviewed_good, "good", floor + 18),
      ...marks(known.reviewed_bad, "bad", floor + 38),
      handle,
    );
    place();
  }

  function marks(scores, kind, at) {
    const sign = (place) =>
      kind === "good"
        ? svg("circle", { class: "mark good", cx: place, cy: at, r: 4.5 })
        : svg("path", { class: "mark bad", d: `M${place - 4} ${at - 4}l8 8m0-8l-8 8` });
    return scores.map((value) => {
      const mark = sign(x(clip(value)));
      mark.append(svg("title", {}, `${t(`review.${kind}`)}: ${score(value)}`));
      return mark;
    });
  }

  /** Moves the line alone, which is what changes while it is dragged. */
  function place() {
    const {
      value,
      range: [low, high],
      text,
    } = model();
    const at = x(value);
    handle.replaceChildren(
      svg("rect", { class: "grip-room", x: at - 22, width: 44, y: 0, height: HEIGHT - BOTTOM + 44 }),
      svg("rect", {
        class: "reject-zone",
        x: at,
        width: Math.max(0, x.to - at),
        y: TOP,
        height: HEIGHT - BOTTOM - TOP,
      }),
      svg("line", { x1: at, x2: at, y1: TOP - 6, y2: HEIGHT - BOTTOM + 44 }),
      svg("rect", { class: "grip", x: at - 40, width: 80, y: 4, height: 34, rx: 8 }),
      svg("text", { class: "grip-value", x: at, y: 27, "text-anchor": "middle" }, score(value)),
    );
    handle.setAttribute("aria-valuemin", low.toFixed(2));
    handle.setAttribute("aria-valuemax", high.toFixed(2));
    handle.setAttribute("aria-valuenow", value.toFixed(2));
    handle.setAttribute("aria-valuetext", text);
  }

  const clip = (value) => {
    const [low, high] = model().range;
    return Math.min(Math.max(value, low), high);
  };

  function follow(event) {
    const left = drawing.drawing.getBoundingClientRect().left;
    move(clip(x.back(event.clientX - left)));
  }

  handle.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    handle.focus();
    handle.setPointerCapture(event.pointerId);
    handle.addEventListener("pointermove", follow);
  });
  for (const end of ["pointerup", "pointercancel"])
    handle.addEventListener(end, () => handle.removeEventListener("pointermove", follow));

  handle.addEventListener("keydown", (event) => {
    const [low, high] = model().range;
    const small = (high - low) / 200;
    const steps = {
      ArrowRight: small,
      ArrowUp: small,
      ArrowLeft: -small,
      ArrowDown: -small,
      PageUp: 10 * small,
      PageDown: -10 * small,
    };
    const by = steps[event.key];
    const value =
      event.key === "Home" ? low : event.key === "End" ? high : by === undefined ? null : model().value + by;
    if (value === null) return;
    event.preventDefault();
    move(clip(value));
  });

  return { element: drawing.element, redraw: drawing.redraw, place };
}
