// The threshold in counts: where it stands among the scores, what another place would do, and who moved it before.

import { get, post } from "./api.js";
import { askReason } from "./ask.js";
import { card, el, field, say, select } from "./dom.js";
import { sentences, thresholdFor } from "./counting.js";
import { histogram, range } from "./histogram.js";
import { number, percent, recall, remember, score, t, when } from "./language.js";
import { attempt, toast } from "./notices.js";
import { actionButton, whyLine } from "./rights.js";

const LAST = ["500", "2000", "10000"];
const RATES = [0.001, 0.005, 0.01, 0.05];
const KEY = "aecsad.last";

export function create() {
  let last = LAST.includes(recall(KEY)) ? recall(KEY) : "2000";
  let known = null;
  let value = 0;
  let axis = [0, 1];

  const drawing = histogram(() => ({ known: known ?? NOTHING, value, range: axis, text: spoken() }), set);
  const counts = el("ul", { class: "counts", "aria-live": "polite" });
  const exact = el("input", {
    type: "number",
    step: "any",
    inputmode: "decimal",
    onchange: () => Number.isFinite(exact.valueAsNumber) && set(exact.valueAsNumber, true),
  });
  const now = el("p", { class: "muted" });
  const apply = actionButton(t("threshold.apply"), { class: "primary" }, askApply);
  const reset = el("button", { type: "button", onclick: () => set(known.value, true) }, t("threshold.back"));
  const undo = actionButton(t("threshold.undo"), {}, askUndo);
  const rates = el("div", { class: "buttons rates" });
  const changes = el("div", { class: "scroll" });
  const none = el("p", { class: "empty", hidden: true }, t("threshold.no_parts"));
  const bundle = el("span", { class: "muted" });
  const choose = (count) => {
    last = count;
    remember(KEY, count);
    load();
  };
  const head = el(
    "div",
    { class: "card-head" },
    el("h2", {}, t("threshold.heading")),
    bundle,
    select(
      LAST.map((count) => [count, t("threshold.last", { n: Number(count) })]),
      last,
      choose,
      { "aria-label": t("threshold.which") },
    ),
  );
  const element = el(
    "div",
    { class: "threshold-view" },
    card(null, { class: "histogram-card" }, head, legend(), drawing.element, none),
    card(
      t("threshold.effect"),
      { class: "effect-card" },
      counts,
      el("div", { class: "at" }, field(t("threshold.value"), exact), now),
      el("div", {}, el("span", { class: "label" }, t("threshold.rates")), rates),
      el("div", { class: "buttons" }, apply, reset),
      whyLine(),
    ),
    card(
      null,
      { class: "changes-card" },
      el("div", { class: "card-head" }, el("h2", {}, t("threshold.changes")), undo),
      changes,
    ),
  );

  // Nothing is shown before the scores are there: an empty chart would look like an answer.
  element.classList.add("waiting");

  const spoken = () =>
    known
      ? `${score(value)}: ${sentences(known, value)
          .map(({ text }) => text)
          .join(" ")}`
      : "";
  const moved = () => Math.abs(value - known.value) > 1e-9;

  /** Moves the line; a value from outside the axis makes it longer. */
  function set(to, widen = false) {
    value = to;
    if (widen && (to < axis[0] || to > axis[1])) {
      axis = [Math.min(axis[0], to), Math.max(axis[1], to * 1.05)];
      drawing.redraw();
    }
    drawing.place();
    tell();
  }

  function tell() {
    counts.replaceChildren(
      ...sentences(known, value).map(({ kind, rejected, all, text }) => {
        const before = sentences(known, known.value).find((other) => other.kind === kind).rejected;
        const note = moved() && before !== rejected ? ` ${t("threshold.before", { before })}` : "";
        return el(
          "li",
          { class: kind },
          el("strong", {}, `${number(rejected)} / ${number(all)}`),
          el("span", {}, text + note),
        );
      }),
    );
    exact.value = String(Math.ceil(value * 1e4) / 1e4);
    say(now, moved() ? t("threshold.now", { value: score(known.value) }) : t("threshold.is_now"));
    reset.disabled = !moved();
    apply.classList.toggle("idle", !moved());
  }

  function take(fresh) {
    element.classList.remove("waiting");
    known = fresh;
    value = known.value;
    axis = range(known, value);
    none.hidden = known.parts.length + known.validation.length > 0;
    say(bundle, t("threshold.own", { bundle: known.bundle, own: score(known.own) }));
    rates.replaceChildren(
      ...RATES.map((rate) =>
        el(
          "button",
          {
            type: "button",
            disabled: known.parts.length === 0,
            onclick: () => set(thresholdFor(known.parts, rate), true),
          },
          percent(rate),
        ),
      ),
    );
    undo.hidden = known.changes.length === 0;
    changes.replaceChildren(table(known.changes));
    drawing.redraw();
    tell();
  }

  async function load() {
    const asked = last;
    await attempt(async () => {
      const answer = await get(`/api/threshold?last=${asked}`);
      if (asked === last) take(answer);
    });
  }

  function askApply() {
    if (!moved()) {
      toast(t("threshold.not_moved"), "failed");
      return;
    }
    // Rounded up: no more parts are rejected than the counts say.
    const wanted = Math.ceil(value * 1e4) / 1e4;
    const effect = sentences(known, wanted)
      .map(({ text }) => text)
      .join(" ");
    askReason(
      t("threshold.ask", { from: score(known.value), to: score(wanted) }),
      effect,
      t("threshold.apply"),
      async (reason) => {
        take(await post("/api/threshold", { value: wanted, reason }));
        toast(t("threshold.applied", { value: score(known.value) }));
      },
    );
  }

  function askUndo() {
    const before = known.changes[1]?.value ?? known.own;
    askReason(
      t("threshold.undo"),
      t("threshold.undo_to", { value: score(before) }),
      t("threshold.undo"),
      async (reason) => {
        take(await post("/api/threshold/undo", { reason }));
        toast(t("threshold.applied", { value: score(known.value) }));
      },
    );
  }

  return { element, show: () => load(), hide() {} };
}

const NOTHING = { parts: [], validation: [], reviewed_good: [], reviewed_bad: [] };

function legend() {
  const kinds = ["parts", "validation", "reviewed_good", "reviewed_bad"];
  return el(
    "ul",
    { class: "legend" },
    kinds.map((kind) => el("li", { class: kind }, el("i", { "aria-hidden": "true" }), t(`legend.${kind}`))),
  );
}

function table(changes) {
  if (changes.length === 0) return el("p", { class: "empty" }, t("threshold.no_changes"));
  const heads = ["time", "user", "value", "reason", "bundle"].map((name) =>
    el("th", { scope: "col", class: name === "value" ? "number" : null }, t(`change.${name}`)),
  );
  const rows = changes.map((change) =>
    el(
      "tr",
      {},
      el("td", {}, when(change.at_ms)),
      el("td", {}, change.user ?? "–"),
      el("td", { class: "number" }, score(change.value)),
      el("td", {}, change.reason ?? ""),
      el("td", {}, change.bundle ?? ""),
    ),
  );
  return el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows));
}
