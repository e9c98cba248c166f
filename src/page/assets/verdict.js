// A part's outcome in words, with a sign and a colour that always go together.

import { el, icon } from "./dom.js";
import { has, number, score, t } from "./language.js";

const NO_VERDICT = ["late", "queue_full", "engine_error", "no_frame"];

/** Above this p-value, a count of good parts says less than the word. */
const USUAL = 0.1;

/** The causes that filters offer, and what each stands for. */
export const CAUSES = {
  rejected: ["bad", ...NO_VERDICT],
  bad: ["bad"],
  no_verdict: NO_VERDICT,
  good: ["good"],
  all: [],
};

export const BRANCHES = [
  "patch",
  "position",
  "local",
  "global",
  "lgst",
  "layout",
  "histogram",
  "inventory",
  "pooled",
  "context",
  "fine_position",
  "fine_patch",
];

/** "good", "bad" or "none": the three looks that an outcome can have. */
export function look(part) {
  return part.cause === "good" || part.cause === "bad" ? part.cause : "none";
}

/** The verdict as one or two big words. */
export const verdictWord = (part) => t(`verdict.${look(part)}`);

/** What the deciding branch found, in plain words: "damage", "arrangement", or the branch's name. */
export function branchWord(branch) {
  return has(`branch.${branch}`) ? t(`branch.${branch}`) : branch;
}

/** Why the part has this outcome, as a short phrase. */
export function reason(part) {
  if (look(part) === "none") return t(`cause.${part.cause}`);
  if (part.cause === "good") return t("cause.good");
  if (!part.branch) return t("cause.bad");
  return part.counts ? `${branchWord(part.branch)}: ${part.counts}` : branchWord(part.branch);
}

/** How rare this score is among good parts. */
export function rarity(part) {
  if (!part.p_value) return "–";
  if (part.p_value > USUAL) return t("rarity.usual");
  const one = number(1 / part.p_value);
  return t(part.p_in_words?.startsWith("<") ? "rarity.below" : "rarity.about", { one });
}

/** What became of the part at the gate; null where nothing had to. */
export function gateWord(part) {
  if (!part.pulse || part.pulse === "none") return null;
  const late =
    part.pulse_error_ms === null || part.pulse_error_ms === undefined ? "" : ` (${signed(part.pulse_error_ms)} ms)`;
  return t(`pulse.${part.pulse}`) + late;
}

export function signed(value) {
  return (value > 0 ? "+" : value < 0 ? "−" : "") + number(Math.abs(value), 1);
}

/** A small sign with the verdict's word, for lists. */
export function badge(part) {
  return el("span", { class: `badge ${look(part)}` }, icon(look(part)), verdictWord(part));
}

/** The mark of a reviewer; null without one. */
export function reviewBadge(part) {
  return part.review ? el("span", { class: `badge review-${part.review}` }, t(`review.${part.review}`)) : null;
}

/** Facts about a part as `[label, value]` rows; what is not known is left out. */
export function facts(part) {
  const rows = [
    [t("part.number"), t("part.of_run", { part: String(part.part), run: String(part.run) })],
    [t("part.score"), `${score(part.score)} (${t("threshold")} ${score(part.threshold)})`],
    [
      t("part.p_value"),
      part.p_value === null || part.p_value === undefined ? null : `${pWord(part)} · ${rarity(part)}`,
    ],
    part.cause === "bad" ? [t("part.found"), found(part)] : [t("part.branch"), part.branch],
    [t("part.counts"), part.counts],
    [t("part.gate"), gateWord(part)],
    [t("part.fallen"), part.fallen === null || part.fallen === undefined ? null : t(part.fallen ? "yes" : "no")],
    [t("part.latency"), part.latency_ms ? `${number(part.latency_ms, 1)} ms` : null],
    [t("part.bundle"), part.bundle],
  ];
  return rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
}

function found({ branch }) {
  return branch && branchWord(branch) !== branch ? `${branchWord(branch)} (${branch})` : branch;
}

export function pWord(part) {
  if (part.p_value === null || part.p_value === undefined) return "–";
  return (part.p_in_words?.startsWith("<") ? "< " : "") + number(part.p_value, 4);
}

/** Rows as a list of terms. */
export function terms(rows) {
  return el(
    "dl",
    { class: "facts" },
    rows.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))),
  );
}
