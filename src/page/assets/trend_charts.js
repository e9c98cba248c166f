// The four drawings of the trend view. All have hours on the horizontal axis, but for the tenths of p-values.

import { chart, gridLines, path, scale } from "./chart.js";
import { svg } from "./dom.js";
import { clock, day, number, percent, score, t, when } from "./language.js";

const LEFT = 56;
const RIGHT = 12;
const TOP = 22;
const BOTTOM = 30;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function timeScale({ hours, days }, width) {
  const end = (hours.at(-1)?.from_ms ?? Date.now()) + HOUR_MS;
  return scale(Math.min(hours[0]?.from_ms ?? end, end - days * DAY_MS + HOUR_MS), end, LEFT, width - RIGHT);
}

/** Midnights, or every few hours of a single day, as many as fit. */
function timeTicks(x, days, width, height) {
  const step = days === 1 ? 3 * HOUR_MS : Math.ceil(days / Math.max(2, Math.floor(width / 90))) * DAY_MS;
  const first = new Date(x.low);
  first.setHours(0, 0, 0, 0);
  const found = [];
  for (let at = first.getTime(); at <= x.high; at += step) {
    if (at < x.low) continue;
    found.push(
      svg("line", { class: "grid", x1: x(at), x2: x(at), y1: TOP, y2: height - BOTTOM }),
      svg(
        "text",
        { class: "tick", x: x(at), y: height - 8, "text-anchor": days === 1 ? "middle" : "start" },
        days === 1 ? clock(at) : day(at),
      ),
    );
  }
  return found;
}

/** Numbered marks where bundle or threshold changed; the list below the chart says what. */
function changeMarks(x, changes, height) {
  return changes.flatMap((change, n) => {
    if (change.at_ms < x.low || change.at_ms > x.high) return [];
    const at = x(change.at_ms);
    return [
      svg("line", { class: "change", x1: at, x2: at, y1: TOP - 4, y2: height - BOTTOM }),
      svg("circle", { class: "change-sign", cx: at, cy: 10, r: 10 }),
      svg(
        "text",
        { class: "change-number", x: at, y: 14, "text-anchor": "middle" },
        String(n + 1),
        svg("title", {}, `${when(change.at_ms)}: ${change.what}`),
      ),
    ];
  });
}

/** Points of hours, interrupted where hours are missing. */
function points(hours, x, y, read) {
  const found = [];
  hours.forEach((hour, n) => {
    if (n > 0 && hour.from_ms - hours[n - 1].from_ms > 2 * HOUR_MS) found.push(null);
    const value = read(hour);
    found.push(value === null || value === undefined ? null : [x(hour.from_ms + HOUR_MS / 2), y(value)]);
  });
  return found;
}

const lone = (list) =>
  list
    .filter((point, n) => point && !list[n - 1] && !list[n + 1])
    .map(([cx, cy]) => svg("circle", { cx, cy, r: 2.5, class: "lone" }));

function line(name, list) {
  return svg("g", { class: `series ${name}` }, svg("path", { d: path(list) }), ...lone(list));
}

const known = (hours, names) =>
  hours.flatMap((hour) => names.map((name) => hour[name])).filter((value) => Number.isFinite(value));

export function scoreChart(model) {
  return chart(
    300,
    () => {
      const last = model().hours.at(-1);
      return t("trend.scores_summary", {
        q50: score(last?.q50),
        q99: score(last?.q99),
        threshold: score(last?.threshold),
      });
    },
    (content, width, height) => {
      const { hours, changes, days } = model();
      const x = timeScale(model(), width);
      const values = known(hours, ["q50", "q90", "q99", "threshold"]);
      const y = scale(Math.min(0, ...values), Math.max(1, ...values) * 1.08, height - BOTTOM, TOP);
      content.append(
        ...gridLines(y, width - RIGHT, LEFT, 5, (value) => number(value, 1)),
        ...timeTicks(x, days, width, height),
      );
      for (const name of ["q50", "q90", "q99", "threshold"])
        content.append(
          line(
            name,
            points(hours, x, y, (hour) => hour[name]),
          ),
        );
      content.append(...changeMarks(x, changes, height));
    },
  );
}

export function rateChart(model) {
  const share = (hour, name) => (hour.parts ? hour[name] / hour.parts : 0);
  return chart(
    190,
    () => {
      const parts = model().hours.reduce((sum, hour) => sum + hour.parts, 0);
      const bad = model().hours.reduce((sum, hour) => sum + hour.bad, 0);
      return t("trend.rejects_summary", { share: percent(parts ? bad / parts : 0), n: parts });
    },
    (content, width, height) => {
      const { hours, changes, days } = model();
      const x = timeScale(model(), width);
      const most = Math.max(0.005, ...hours.map((hour) => share(hour, "bad") + share(hour, "other")));
      const y = scale(0, most * 1.1, height - BOTTOM, TOP);
      const wide = Math.max(1, x(x.low + HOUR_MS) - LEFT - 1);
      content.append(...gridLines(y, width - RIGHT, LEFT, 3, percent), ...timeTicks(x, days, width, height));
      for (const hour of hours) {
        const bad = y(share(hour, "bad"));
        const all = y(share(hour, "bad") + share(hour, "other"));
        const title = svg(
          "title",
          {},
          t("trend.hour", { time: when(hour.from_ms), bad: hour.bad, other: hour.other, n: hour.parts }),
        );
        content.append(
          svg(
            "g",
            {},
            svg("rect", { class: "rate bad", x: x(hour.from_ms), width: wide, y: bad, height: height - BOTTOM - bad }),
            svg("rect", { class: "rate none", x: x(hour.from_ms), width: wide, y: all, height: bad - all }),
            title,
          ),
        );
      }
      content.append(...changeMarks(x, changes, height));
    },
  );
}

export function pChart(model) {
  return chart(
    210,
    () => t("trend.mean_p_summary", { mean: number(model().hours.at(-1)?.mean_p ?? 0, 2) }),
    (content, width, height) => {
      const { hours, changes, days } = model();
      const x = timeScale(model(), width);
      const y = scale(0, 1, height - BOTTOM, TOP);
      content.append(
        ...gridLines(y, width - RIGHT, LEFT, 4, (value) => number(value, 2)),
        ...timeTicks(x, days, width, height),
        svg("line", { class: "threshold", x1: LEFT, x2: width - RIGHT, y1: y(0.5), y2: y(0.5) }),
        line(
          "q50",
          points(hours, x, y, (hour) => hour.mean_p),
        ),
        ...changeMarks(x, changes, height),
      );
    },
  );
}

/** How many parts fall in each tenth of the p-values, of all hours together. */
export function tenthsChart(model) {
  const counts = () =>
    model().hours.reduce((sums, hour) => sums.map((sum, n) => sum + (hour.p_tenths?.[n] ?? 0)), new Array(10).fill(0));
  const drawing = chart(
    210,
    () => verdict(),
    (content, width, height) => {
      const tenths = counts();
      const all = tenths.reduce((sum, count) => sum + count, 0) || 1;
      const y = scale(0, Math.max(0.2, ...tenths.map((count) => count / all)) * 1.05, height - BOTTOM, TOP);
      const x = scale(0, 10, LEFT, width - RIGHT);
      content.append(...gridLines(y, width - RIGHT, LEFT, 4, percent));
      tenths.forEach((count, n) =>
        content.append(
          svg("rect", {
            class: "bar",
            x: x(n) + 2,
            width: x(1) - x(0) - 4,
            y: y(count / all),
            height: height - BOTTOM - y(count / all),
          }),
        ),
      );
      for (let n = 0; n <= 10; n += 2)
        content.append(
          svg("text", { class: "tick", x: x(n), y: height - 8, "text-anchor": "middle" }, number(n / 10, 1)),
        );
      content.append(svg("line", { class: "threshold", x1: LEFT, x2: width - RIGHT, y1: y(0.1), y2: y(0.1) }));
    },
  );

  // Twice the even share in the lowest tenth is what a person should look at; less is within what light does in a day.
  function verdict() {
    const tenths = counts();
    const all = tenths.reduce((sum, count) => sum + count, 0);
    if (all === 0) return "";
    const share = tenths[0] / all;
    return t(share > 0.2 ? "trend.tenths_high" : "trend.tenths_fine", { share: percent(share) });
  }

  return { ...drawing, verdict };
}
