// The station file, read-only: each key with its value, where that comes from, and what it means.

import { get } from "./api.js";
import { card, el, say } from "./dom.js";
import { t } from "./language.js";
import { attempt } from "./notices.js";

export function stationCard() {
  let keys = [];
  const search = el("input", {
    type: "search",
    "aria-label": t("station.search"),
    placeholder: t("station.search"),
    oninput: () => fill(),
  });
  const only = el("input", { type: "checkbox", onchange: () => fill() });
  const path = el("code", { class: "muted" });
  const rows = el("tbody", {});
  const found = el("p", { class: "muted", role: "status" });
  const heads = ["key", "value", "origin", "meaning"].map((name) => el("th", { scope: "col" }, t(`station.${name}`)));
  const element = card(
    null,
    { class: "station-card" },
    el("div", { class: "card-head" }, el("h2", {}, t("station.heading")), path),
    el(
      "div",
      { class: "filters" },
      search,
      el("label", { class: "tick-field" }, only, el("span", {}, t("station.only"))),
    ),
    found,
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": t("station.heading") },
      el("table", {}, el("thead", {}, el("tr", {}, heads)), rows),
    ),
  );

  function fill() {
    const wanted = search.value.trim().toLowerCase();
    const shown = keys.filter(
      (each) =>
        (!only.checked || each.origin !== "default") &&
        `${each.key} ${each.value} ${each.meaning}`.toLowerCase().includes(wanted),
    );
    say(found, t("station.found", { n: shown.length }));
    rows.replaceChildren(
      ...shown.map((each) =>
        el(
          "tr",
          {},
          el("td", {}, el("code", {}, each.key)),
          el("td", {}, el("code", {}, each.value ?? "–"), each.unit ? ` ${each.unit}` : ""),
          el(
            "td",
            {},
            el(
              "span",
              { class: `badge ${each.origin === "default" ? "default" : "own"}` },
              t(each.origin === "default" ? "station.default" : "station.file"),
            ),
          ),
          el("td", { lang: "en" }, each.meaning ?? ""),
        ),
      ),
    );
  }

  const load = () =>
    attempt(async () => {
      const answer = await get("/api/station");
      keys = answer.keys;
      say(path, answer.path ?? "");
      fill();
    });

  return { element, load };
}
