// The latest parts as a row of scores against the threshold. Outcomes differ by shape as well as by colour.

import { chart, scale } from "./chart.js";
import { svg } from "./dom.js";
import { number, score, t, when } from "./language.js";
import { look, verdictWord } from "./verdict.js";

const LEFT = 8;
const RIGHT = 92;

const SHAPES = {
  good: (x, y) => svg("circle", { class: "dot good", cx: x, cy: y, r: 4.5 }),
  bad: (x, y) => svg("path", { class: "dot bad", d: `M${x - 6} ${y - 6}l12 12m0-12l-12 12` }),
  none: (x, y) => svg("path", { class: "dot none", d: `M${x} ${y - 7}l7 12h-14z` }),
};

/**
 * A chart of up to `room` parts, the latest at the right. `parts()` gives them; touching one calls `open(part)`;
 * `current()` is the part to mark.
 */
export function strip(height, room, parts, open, current = () => null) {
  let spots = [];
  const drawing = chart(
    height,
    () => summary(parts()),
    (content, width) => {
      const shown = parts().slice(-room);
      const threshold = shown.findLast((part) => part.threshold !== null && part.threshold !== undefined)?.threshold;
      const scores = shown.map((part) => part.score).filter((value) => value !== null && value !== undefined);
      const high = threshold > 0 ? threshold * 2 : Math.max(1, ...scores);
      const y = scale(Math.min(0, ...scores), high, height - 12, 12);
      const step = (width - LEFT - RIGHT) / Math.max(room, 1);
      spots = shown.map((part, n) => ({ part, x: LEFT + step * (n + room - shown.length + 0.5) }));
      if (threshold !== undefined) {
        content.append(
          svg("rect", {
            class: "reject-zone",
            x: LEFT,
            width: width - LEFT - RIGHT,
            y: 0,
            height: Math.max(0, y(threshold)),
          }),
          svg("line", { class: "threshold", x1: LEFT, x2: width - RIGHT, y1: y(threshold), y2: y(threshold) }),
          svg("text", { class: "tick strong", x: width - RIGHT + 8, y: y(threshold) + 4 }, score(threshold)),
          svg("text", { class: "tick", x: width - RIGHT + 8, y: y(threshold) + 20 }, t("threshold")),
        );
      }
      const marked = current();
      for (const { part, x } of spots) {
        const at = part.score === null || part.score === undefined ? 14 : y(part.score);
        const dot = SHAPES[look(part)](Math.round(x), Math.round(at));
        if (marked && marked.run === part.run && marked.part === part.part) {
          content.append(svg("line", { class: "marker", x1: x, x2: x, y1: 0, y2: height }));
        }
        dot.append(
          svg("title", {}, `${part.part} · ${verdictWord(part)} · ${score(part.score)} · ${when(part.captured_ms)}`),
        );
        content.append(dot);
      }
    },
  );
  drawing.drawing.addEventListener("click", (event) => {
    const x = event.clientX - drawing.drawing.getBoundingClientRect().left;
    const near = spots.toSorted((one, other) => Math.abs(one.x - x) - Math.abs(other.x - x))[0];
    if (near) open(near.part);
  });
  drawing.drawing.classList.add("touchable");
  return drawing;
}

function summary(parts) {
  const bad = parts.filter((part) => look(part) !== "good").length;
  return t("strip.summary", { n: parts.length, bad: number(bad) });
}
