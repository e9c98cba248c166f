// How scores, rejects and p-values develop over days, hour by hour.

import { get } from "./api.js";
import { card, el, say } from "./dom.js";
import { recall, remember, t, when } from "./language.js";
import { attempt } from "./notices.js";
import { pChart, rateChart, scoreChart, tenthsChart } from "./trend_charts.js";

const DAYS = [1, 7, 30];
const KEY = "aecsad.days";

export function create() {
  let days = DAYS.includes(Number(recall(KEY))) ? Number(recall(KEY)) : 7;
  let trend = { hours: [], changes: [] };
  const model = () => ({ ...trend, days });
  const charts = [scoreChart(model), rateChart(model), pChart(model), tenthsChart(model)];
  const [scores, rejects, means, tenths] = charts;
  const empty = el("p", { class: "empty card", hidden: true }, t("trend.none"));
  const buttons = DAYS.map((each) =>
    el(
      "button",
      {
        type: "button",
        "aria-pressed": String(each === days),
        onclick: () => {
          days = each;
          remember(KEY, each);
          DAYS.forEach((one, n) => buttons[n].setAttribute("aria-pressed", String(one === each)));
          load();
        },
      },
      t("trend.days", { n: each }),
    ),
  );
  const changes = el("ul", { class: "changes" });
  const verdict = el("p", {});
  const body = el(
    "div",
    { class: "trend-body" },
    card(t("trend.scores"), { class: "wide" }, legend(), scores.element, changes),
    card(t("trend.rejects"), { class: "wide" }, rejects.element),
    card(t("trend.mean_p"), {}, el("p", { class: "muted" }, t("trend.mean_p_why")), means.element),
    card(t("trend.tenths"), {}, el("p", { class: "muted" }, t("trend.tenths_why")), tenths.element, verdict),
  );
  const element = el(
    "div",
    { class: "trend" },
    el("div", { class: "segments", role: "group", "aria-label": t("trend.range") }, buttons),
    empty,
    body,
  );

  async function load() {
    const asked = days;
    await attempt(async () => {
      const answer = await get(`/api/trend?days=${days}`);
      if (asked !== days) return;
      trend = answer;
      empty.hidden = trend.hours.length > 0;
      body.hidden = trend.hours.length === 0;
      changes.replaceChildren(
        ...trend.changes.map((change, n) =>
          el(
            "li",
            {},
            el("b", {}, String(n + 1)),
            el("time", { datetime: new Date(change.at_ms).toISOString() }, when(change.at_ms)),
            el("span", { lang: "en" }, change.what),
          ),
        ),
      );
      for (const one of charts) one.redraw();
      say(verdict, tenths.verdict());
    });
  }

  return { element, show: () => load(), hide() {} };
}

function legend() {
  return el(
    "ul",
    { class: "legend" },
    ["q50", "q90", "q99", "threshold"].map((name) =>
      el("li", { class: name }, el("i", { "aria-hidden": "true" }), t(`trend.${name}`)),
    ),
  );
}
