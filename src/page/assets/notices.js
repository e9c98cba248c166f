// What the page says to its user besides its views: a refusal or a success, and alarms for those who can't see them.

import { el, icon, say } from "./dom.js";
import { t } from "./language.js";

const MOST_TOASTS = 4;
const DONE_MS = 6000;

/** A sentence in the corner. A refusal stays until it is closed. */
export function toast(sentence, kind = "done") {
  const box = document.getElementById("toasts");
  const close = el("button", { class: "plain", "aria-label": t("close"), onclick: () => note.remove() }, icon("close"));
  const sign = icon(kind === "done" ? "good" : "alarm");
  const note = el(
    "div",
    { class: `toast ${kind}`, role: kind === "done" ? "status" : "alert" },
    sign,
    el("p", {}, sentence),
    close,
  );
  // A modal dialog covers all else, so a refusal that leaves one open is said in it. A success closes its dialog.
  const place = (kind === "done" ? null : topDialog()) ?? box;
  place.append(note);
  while (place.childElementCount > MOST_TOASTS) place.firstElementChild.remove();
  if (kind === "done") setTimeout(() => note.remove(), DONE_MS);
}

function topDialog() {
  return [...document.querySelectorAll("dialog[open]")].at(-1)?.querySelector(".dialog-notes");
}

export const fail = (refused) => toast(refused.message, "failed");

/** Runs an action; a refusal becomes a toast. Answers whether it went well. */
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (refused) {
    fail(refused);
    return false;
  }
}

/** Reads an alarm out by a screen reader, at once. */
export function announce(sentence) {
  say(document.getElementById("announcer"), sentence);
}
