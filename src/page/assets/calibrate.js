// Fits scale and threshold to the station's light while good parts pass: start, watch the count, look at the result,
// apply it or give it up.

import { get, post } from "./api.js";
import { askReason, askWhether } from "./ask.js";
import { card, el, field, say } from "./dom.js";
import { number, percent, score, t, when } from "./language.js";
import { attempt, toast } from "./notices.js";
import { actionButton, whyLine } from "./rights.js";

const EACH_MS = 1000;

/** The card; `changed()` is called after an action. */
export function calibrateCard(changed) {
  const inForce = el("p", { class: "muted", lang: "en" });
  const body = el("div", {});
  const bar = el("progress", { max: 1, value: 0, "aria-label": t("calibrate.progress") });
  const count = el("p", { role: "status" });
  const element = card(t("calibrate.heading"), { class: "calibrate-card" }, inForce, body, whyLine());
  let drawn = null;
  let running = 0;

  async function load(mine = running) {
    let state;
    try {
      state = await get("/api/calibration");
    } catch {
      // The banner says that the station is away; the next look may find it.
    }
    if (mine !== running) return;
    if (state) show(state);
    if (!state || state.state === "collecting") setTimeout(() => load(mine), EACH_MS);
  }

  function show(state) {
    say(inForce, state.in_force ? `${t("live.calibration")}: ${state.in_force}` : "");
    if (state.state === "collecting") tell(state);
    // What is being typed or read is left in peace.
    const now = state.state === "collecting" ? "collecting" : JSON.stringify(state);
    if (now === drawn) return;
    drawn = now;
    body.replaceChildren(...{ off, collecting, refused, ready }[state.state](state));
  }

  function tell(state) {
    bar.value = state.wanted ? Math.min(1, state.parts / state.wanted) : 0;
    const words = [t("calibrate.count", { parts: number(state.parts), wanted: number(state.wanted) })];
    if (state.repeats) words.push(t("calibrate.repeats", { n: state.repeats }));
    if (state.blank) words.push(t("calibrate.blank", { n: state.blank }));
    say(count, words.join(" · "));
  }

  async function act(path, request) {
    show(await post(path, request));
    running += 1;
    load();
    changed();
  }

  function off() {
    const parts = el("input", { type: "number", name: "parts", min: 20, max: 100000, inputmode: "numeric" });
    const rate = el("input", { type: "number", name: "rate", min: 0.01, max: 50, step: "any", inputmode: "decimal" });
    const [outliers, duplicates] = ["keep_outliers", "keep_duplicates"].map((name) =>
      el("input", { type: "checkbox", name }),
    );
    const asked = () => ({
      ...(parts.value ? { parts: Number(parts.value) } : {}),
      ...(rate.value ? { false_reject_rate: Number(rate.value) / 100 } : {}),
      keep_outliers: outliers.checked,
      keep_duplicates: duplicates.checked,
    });
    return [
      el("p", {}, t("calibrate.what")),
      el(
        "div",
        { class: "filters" },
        field(t("calibrate.parts"), parts, t("calibrate.parts_hint")),
        field(t("calibrate.rate"), rate, t("calibrate.rate_hint")),
      ),
      el(
        "div",
        { class: "allowed" },
        el("label", {}, outliers, t("calibrate.keep_outliers")),
        el("label", {}, duplicates, t("calibrate.keep_duplicates")),
      ),
      actionButton(t("calibrate.start"), { class: "primary" }, () =>
        askWhether(t("calibrate.start"), t("calibrate.start_what"), t("calibrate.start"), () =>
          act("/api/calibration", asked()),
        ),
      ),
    ];
  }

  const giveUp = (label) =>
    actionButton(label, {}, () => attempt(() => act("/api/calibration/discard")));

  function collecting(state) {
    return [
      el("p", {}, t("calibrate.collecting", { user: state.user, time: when(state.since_ms) })),
      bar,
      count,
      el("div", { class: "buttons" }, giveUp(t("calibrate.cancel"))),
    ];
  }

  function refused(state) {
    return [
      el("p", { class: "result bad", lang: "en" }, state.error),
      pictures(state),
      el("div", { class: "buttons" }, giveUp(t("calibrate.again"))),
    ];
  }

  function ready({ result, ...state }) {
    const rows = result.branches.map(({ name, training, here }) =>
      el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, spread(training)), el("td", {}, spread(here))),
    );
    return [
      el("p", { class: "result good" }, t("calibrate.ready", { parts: number(result.parts) })),
      el(
        "p",
        {},
        t("calibrate.threshold", {
          threshold: score(result.threshold),
          own: score(result.own_threshold),
          rate: percent(state.false_reject_rate),
        }),
      ),
      result.planted ? el("p", {}, t("calibrate.planted", result.planted)) : null,
      ...result.warnings.map((warning) => el("p", { class: "result bad", lang: "en" }, warning)),
      pictures(state),
      el(
        "details",
        {},
        el("summary", {}, t("calibrate.branches")),
        el(
          "table",
          { class: "branches" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["branch", "training", "here"].map((name) => el("th", { scope: "col" }, t(`calibrate.${name}`))),
            ),
          ),
          el("tbody", {}, rows),
        ),
      ),
      el(
        "div",
        { class: "buttons" },
        giveUp(t("calibrate.discard")),
        actionButton(t("calibrate.apply"), { class: "primary" }, () =>
          askReason(t("calibrate.apply"), t("calibrate.apply_what"), t("calibrate.apply"), async (reason) => {
            await act("/api/calibration/apply", { reason });
            toast(t("calibrate.applied"));
          }),
        ),
      ),
    ].filter(Boolean);
  }

  function pictures(state) {
    if (!state.parts) return "";
    return el(
      "figure",
      {},
      el("img", { class: "sheet", src: `/api/calibration/parts.png?${state.since_ms}`, alt: t("calibrate.pictures") }),
      el("figcaption", { class: "muted" }, t("calibrate.look")),
    );
  }

  return {
    element,
    load() {
      running += 1;
      drawn = null;
      load();
    },
    stop: () => (running += 1),
  };
}

const spread = ({ mean, std }) => `${number(mean, 3)} ± ${number(std, 3)}`;
