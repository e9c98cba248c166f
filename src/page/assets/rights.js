// Buttons of actions: they can be pressed only while the session may act, and say why they can't.

import { onSession, session } from "./api.js";
import { el, say } from "./dom.js";
import { t } from "./language.js";
import { toast } from "./notices.js";

/** Why this session may not act; null if it may. */
export function whyNot() {
  if (session.acts) return null;
  if (session.user) return t("acts.no_right", { user: session.user });
  return t(session.login ? "acts.log_in" : "acts.no_users");
}

/** A button of an action. `aria-disabled` instead of `disabled`: it can then still be reached, and says its reason. */
export function actionButton(label, attributes, action) {
  const press = (event) => {
    event.preventDefault();
    const reason = whyNot();
    if (reason) toast(reason, "failed");
    else action(event);
  };
  const button = el(
    "button",
    { type: "button", ...attributes, class: `action ${attributes?.class ?? ""}`, onclick: press },
    label,
  );
  refresh(button);
  return button;
}

/** A line that says why the buttons near it can't be pressed. */
export function whyLine() {
  const note = el("p", { class: "why" });
  refreshNote(note);
  return note;
}

function refresh(button) {
  const reason = whyNot();
  button.setAttribute("aria-disabled", String(reason !== null));
  button.title = reason ?? "";
}

function refreshNote(note) {
  const reason = whyNot();
  note.hidden = reason === null;
  say(note, reason ?? "");
}

onSession(() => {
  document.querySelectorAll("button.action").forEach(refresh);
  document.querySelectorAll(".why").forEach(refreshNote);
});
