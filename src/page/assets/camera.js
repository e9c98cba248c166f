// The camera's picture for setting up: the region drawn over it, and how sharp it is, now and in the last minute.

import { get, picture } from "./api.js";
import { chart, path, scale } from "./chart.js";
import { card, el, say, svg } from "./dom.js";
import { number, t } from "./language.js";

const EACH_MS = 700;
const MOST = 90;

export function cameraCard() {
  const image = el("img", { class: "layer", alt: t("camera.picture"), hidden: true });
  const region = svg("svg", { class: "layer region", "aria-hidden": "true", preserveAspectRatio: "xMidYMid meet" });
  const nothing = el("p", { class: "nothing" }, t("camera.none"));
  const value = el("strong", { class: "score-value" });
  const best = el("span", { class: "muted" });
  const size = el("p", { class: "muted" });
  const needle = el("meter", { min: 0, max: 1, value: 0, "aria-label": t("camera.sharpness") });
  let history = [];
  let most = 0;
  let running = 0;
  let url = null;
  const row = chart(
    80,
    () => t("camera.summary", { now: number(history.at(-1) ?? 0, 1), best: number(most, 1) }),
    (content, width, height) => {
      const x = scale(0, MOST - 1, 2, width - 2);
      const y = scale(Math.min(most, ...history) * 0.9, most * 1.02 || 1, height - 4, 4);
      content.append(
        svg("line", { class: "threshold", x1: 0, x2: width, y1: y(most), y2: y(most) }),
        svg(
          "g",
          { class: "series q50" },
          svg("path", { d: path(history.map((one, n) => [x(n + MOST - history.length), y(one)])) }),
        ),
      );
    },
  );
  const again = el(
    "button",
    {
      type: "button",
      onclick: () => {
        history = history.slice(-1);
        most = history[0] ?? 0;
        tell();
      },
    },
    t("camera.again"),
  );
  const element = card(
    t("camera.heading"),
    { class: "camera-card" },
    el("div", { class: "stage" }, image, region, nothing),
    size,
    el("div", { class: "score-line" }, el("span", { class: "label" }, t("camera.sharpness")), value, best, again),
    needle,
    row.element,
    el("p", { class: "muted" }, t("camera.how")),
  );

  function tell() {
    const now = history.at(-1);
    say(value, now === undefined ? "–" : number(now, 1));
    say(best, t("camera.best", { best: number(most, 1) }));
    needle.value = most ? now / most : 0;
    row.redraw();
  }

  function draw({ width, height, region: frame }) {
    region.setAttribute("viewBox", `0 0 ${width} ${height}`);
    say(
      size,
      frame
        ? t("camera.region", { width, height, region: frame.map((each) => number(each)).join(" · ") })
        : t("camera.whole", { width, height }),
    );
    const stroke = Math.max(2, width / 300);
    region.replaceChildren(
      ...(frame
        ? [
            svg("path", {
              class: "outside",
              "fill-rule": "evenodd",
              d: `M0 0H${width}V${height}H0ZM${frame[0]} ${frame[1]}h${frame[2]}v${frame[3]}h${-frame[2]}Z`,
            }),
            svg("rect", { x: frame[0], y: frame[1], width: frame[2], height: frame[3], "stroke-width": stroke }),
          ]
        : []),
    );
  }

  async function look(mine) {
    if (mine !== running) return;
    if (!document.hidden) {
      // A camera that is away has no picture; the next look may find one.
      const [camera, frame] = await Promise.all([
        get("/api/camera").catch(() => null),
        picture("/api/live/frame.jpg").catch(() => null),
      ]);
      if (url) URL.revokeObjectURL(url);
      url = frame?.url ?? null;
      image.hidden = !url;
      region.toggleAttribute("hidden", !url);
      nothing.hidden = Boolean(url);
      if (url) image.src = url;
      if (camera) draw(camera);
      if (Number.isFinite(camera?.sharpness)) {
        history = [...history.slice(1 - MOST), camera.sharpness];
        most = Math.max(most, camera.sharpness);
      }
      tell();
    }
    setTimeout(() => look(mine), EACH_MS);
  }

  return {
    element,
    start: () => look((running += 1)),
    stop: () => (running += 1),
  };
}
