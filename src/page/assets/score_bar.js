// A part's score as a bar against its threshold, which stands in the middle.

import { el, say } from "./dom.js";
import { score, t } from "./language.js";
import { look } from "./verdict.js";

/** The bar; `show(part)` sets it. */
export function scoreBar() {
  const value = el("strong", { class: "score-value" });
  const limit = el("span", { class: "muted" });
  const fill = el("div", { class: "fill" });
  const meter = el("div", { class: "score-bar", role: "img" }, fill, el("div", { class: "limit" }));
  const element = el(
    "div",
    { class: "score" },
    el("div", { class: "score-line" }, el("span", { class: "label" }, t("part.score")), value, limit),
    meter,
  );

  function show(part) {
    const known = part.score !== null && part.score !== undefined;
    const most = part.threshold > 0 ? 2 * part.threshold : 1;
    const share = known ? Math.min(Math.max(part.score / most, 0.01), 1) : 0;
    fill.style.width = `${100 * share}%`;
    meter.className = `score-bar ${look(part)}`;
    meter.classList.toggle("over", known && part.score > most);
    say(value, score(part.score));
    say(limit, `${t("threshold")} ${score(part.threshold)}`);
    meter.setAttribute(
      "aria-label",
      `${t("part.score")} ${score(part.score)}, ${t("threshold")} ${score(part.threshold)}`,
    );
  }

  return { element, show };
}
