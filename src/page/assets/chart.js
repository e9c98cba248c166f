// What all charts share: a drawing that follows its width, scales, ticks and axes.

import { el, svg } from "./dom.js";

/**
 * A drawing of this height in pixels that calls `draw(svg, width, height)` when its width changes and on `redraw()`.
 * What it shows is said by `label`, a function, since a picture says nothing to a screen reader.
 */
export function chart(height, label, draw) {
  const drawing = svg("svg", { class: "chart", role: "img", height });
  const element = el("div", { class: "chart-box" }, drawing);
  let width = 0;
  const redraw = () => {
    if (width < 40) return;
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("aria-label", label());
    const content = svg("g", {});
    draw(content, width, height);
    drawing.replaceChildren(...content.childNodes);
  };
  new ResizeObserver(([entry]) => {
    const fresh = Math.floor(entry.contentRect.width);
    if (fresh === width) return;
    width = fresh;
    redraw();
  }).observe(element);
  return { element, drawing, redraw, width: () => width };
}

/** A linear scale from values to pixels, which clips. */
export function scale(low, high, from, to) {
  const span = high - low || 1;
  const at = (value) => from + ((Math.min(Math.max(value, low), high) - low) / span) * (to - from);
  at.back = (pixel) => low + ((pixel - from) / (to - from)) * span;
  at.low = low;
  at.high = high;
  at.to = to;
  return at;
}

/** Round values between two bounds, about so many. */
export function ticks(low, high, about) {
  const raw = (high - low) / Math.max(about, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((each) => each >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value + 0);
  return found;
}

/** Horizontal grid lines with their values at the left. */
export function gridLines(y, width, left, about, write) {
  return ticks(y.low, y.high, about).flatMap((value) => [
    svg("line", { class: "grid", x1: left, x2: width, y1: y(value), y2: y(value) }),
    svg("text", { class: "tick", x: left - 8, y: y(value) + 4, "text-anchor": "end" }, write(value)),
  ]);
}

/** A line through the points that are known; a null interrupts it. */
export function path(points) {
  let pen = "M";
  let drawn = "";
  for (const point of points) {
    if (!point || !Number.isFinite(point[1])) {
      pen = "M";
      continue;
    }
    drawn += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    pen = "L";
  }
  return drawn || "M0 0";
}

/** The value below which a share of ascending values lies. */
export function quantile(ascending, share) {
  if (ascending.length === 0) return null;
  return ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))];
}
