// How the line is doing: counters of this run, and the station's devices.

import { card, el, icon, say } from "./dom.js";
import { get } from "./api.js";
import { clock, number, percent, t, when } from "./language.js";

/** How often the parts of the shift are counted. */
const SHIFT_EACH_MS = 15_000;
const WITHOUT_VERDICT = ["late", "queue_full", "engine_error", "no_frame"];
const sum = (totals, names) => names.reduce((all, name) => all + (totals[name] ?? 0), 0);

/** Each figure: its name, how it is read from the state, and when it needs attention. */
const FIGURES = [
  ["parts_a_minute", (state) => number(state.parts_a_minute ?? 0, 1)],
  ["rejects_an_hour", (state) => number(state.rejects_an_hour ?? 0, 1)],
  ["parts", ({ totals }) => number(totals.parts)],
  ["good", ({ totals }) => number(totals.good)],
  ["bad", ({ totals }) => number(totals.bad)],
  [
    "no_verdict",
    ({ totals }) => number(sum(totals, WITHOUT_VERDICT)),
    ({ totals }) => sum(totals, WITHOUT_VERDICT) > 0,
  ],
  ["pulsed", ({ totals }) => number(totals.pulsed)],
  [
    "not_confirmed",
    ({ totals }) => number(sum(totals, ["unconfirmed", "impossible", "not_fallen"])),
    ({ totals }) => sum(totals, ["unconfirmed", "impossible", "not_fallen"]) > 0,
  ],
  ["alarms", ({ totals }) => number(totals.alarms), ({ totals }) => totals.alarms > 0],
];

/** The counters of this run. */
export function totalsCard() {
  const cells = FIGURES.map(([name, read, warns]) => {
    const value = el("dd", {});
    return { read, warns, value, cell: el("div", { class: "figure" }, el("dt", {}, t(`figure.${name}`)), value) };
  });
  const since = el("span", { class: "muted" });
  const calibration = el("span", { class: "muted calibration", lang: "en" });
  const head = el("div", { class: "card-head" }, el("h2", {}, t("live.totals")), since, calibration);
  const shift = shiftLine();
  const element = card(
    null,
    { class: "totals-card" },
    head,
    shift.element,
    el(
      "dl",
      { class: "figures" },
      cells.map(({ cell }) => cell),
    ),
  );

  function show(state) {
    for (const { read, warns, value, cell } of cells) {
      say(value, read(state));
      cell.classList.toggle("warns", Boolean(warns?.(state)));
    }
    say(since, t("live.since", { time: when(state.started_ms), run: String(state.run) }));
    say(calibration, state.calibration ?? "");
    shift.show(state);
  }

  return { element, show };
}

/** When the shift began, by its starts in minutes after midnight: today's latest, or else yesterday's last. */
function shiftStart(starts, now) {
  const at = (days, minutes) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 0, minutes);
  const begun = [-1, 0].flatMap((days) => starts.map((minutes) => at(days, minutes))).filter((start) => start <= now);
  return new Date(Math.max(...begun));
}

/** The parts of this shift, also those before a restart of the station. */
function shiftLine() {
  const element = el("p", { class: "shift" });
  let asked = 0;

  async function show({ shifts, journal }) {
    if (!shifts?.length || !journal || Date.now() - asked < SHIFT_EACH_MS) return;
    asked = Date.now();
    const start = shiftStart(shifts, new Date());
    // The next look may find the station again.
    const counts = await get(`/api/counts?since_ms=${start.getTime()}`).catch(() => null);
    if (!counts) return;
    const words = [
      t("shift.parts", { n: counts.parts, time: clock(start) }),
      t("shift.bad", { n: counts.bad, share: percent(counts.parts ? counts.bad / counts.parts : 0) }),
    ];
    if (counts.no_verdict) words.push(t("shift.no_verdict", { n: counts.no_verdict }));
    say(element, words.join(" · "));
  }

  return { element, show };
}

/** Camera, gate and journal: whether each works. */
export function devicesCard() {
  const devices = el("ul", { class: "devices" });
  let drawn = "";

  function show(state) {
    const now = JSON.stringify(state.devices);
    if (now === drawn) return;
    drawn = now;
    devices.replaceChildren(
      ...state.devices.map(({ name, up }) =>
        el(
          "li",
          { class: up ? "good" : "alarm" },
          icon(up ? "good" : "alarm"),
          el("span", {}, t(`device.${name}`)),
          el("em", {}, t(up ? "device.up" : "device.down")),
        ),
      ),
    );
  }

  return { element: card(null, { class: "devices-card", "aria-label": t("live.station") }, devices), show };
}
