// Who did what at this station, and from where.

import { get } from "./api.js";
import { card, el } from "./dom.js";
import { t, when } from "./language.js";
import { attempt } from "./notices.js";

const COLUMNS = ["time", "user", "from", "action", "change", "reason"];

export function actionsCard() {
  const rows = el("tbody", {});
  const empty = el("p", { class: "empty" }, t("actions.none"));
  const table = el(
    "table",
    {},
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        COLUMNS.map((name) => el("th", { scope: "col" }, t(`actions.${name}`))),
      ),
    ),
    rows,
  );
  const element = card(
    t("actions.heading"),
    { class: "actions-card" },
    empty,
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("actions.heading") }, table),
  );

  const load = () =>
    attempt(async () => {
      const { actions } = await get("/api/actions?limit=200");
      empty.hidden = actions.length > 0;
      table.hidden = actions.length === 0;
      rows.replaceChildren(
        ...actions.map((action) =>
          el(
            "tr",
            {},
            el("td", {}, when(action.at_ms)),
            el("td", {}, action.user ?? "–"),
            el("td", {}, action.from ?? "–"),
            el("td", {}, action.action),
            el("td", {}, [action.before, action.after].map((one) => one ?? "–").join(" → ")),
            el("td", {}, action.reason ?? ""),
          ),
        ),
      );
    });

  return { element, load };
}
