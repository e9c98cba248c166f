// Dialogs: one frame for all, and the question for a reason that comes before an action.

import { el, icon } from "./dom.js";
import { attempt } from "./notices.js";
import { t } from "./language.js";

let count = 0;

/** A modal dialog with a heading, not yet open. It leaves the page when it is closed. */
export function dialog(heading, attributes, ...children) {
  const id = `dialog-${(count += 1)}`;
  const close = el(
    "button",
    { class: "plain", type: "button", "aria-label": t("close"), onclick: () => box.close() },
    icon("close"),
  );
  const box = el(
    "dialog",
    { "aria-labelledby": id, ...attributes },
    el("div", { class: "dialog-head" }, el("h2", { id }, heading), close),
    ...children,
    el("div", { class: "dialog-notes" }),
  );
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  return box;
}

/** Asks for the reason of an action, then runs `action(reason)`. A refusal leaves the dialog open, with the reason. */
export function askReason(heading, sentence, label, action) {
  const reason = el("input", { type: "text", required: true, maxlength: 200, autocomplete: "off", name: "reason" });
  const confirm = el("button", { class: "primary", type: "submit" }, label);
  const form = el(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        confirm.disabled = true;
        if (await attempt(() => action(reason.value.trim()))) box.close();
        confirm.disabled = false;
      },
    },
    el("p", {}, sentence),
    el("label", { class: "field" }, el("span", {}, t("reason")), reason),
    el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => box.close() }, t("cancel")), confirm),
  );
  const box = dialog(heading, { class: "small" }, form);
  box.showModal();
  reason.focus();
}

/** Asks whether an action that needs no reason is meant, then runs it. */
export function askWhether(heading, sentence, label, action) {
  const confirm = el(
    "button",
    {
      class: "primary",
      type: "button",
      onclick: async () => {
        confirm.disabled = true;
        if (await attempt(action)) box.close();
        confirm.disabled = false;
      },
    },
    label,
  );
  const cancel = el("button", { type: "button", onclick: () => box.close() }, t("cancel"));
  const box = dialog(
    heading,
    { class: "small" },
    el("p", {}, sentence),
    el("div", { class: "buttons" }, cancel, confirm),
  );
  box.showModal();
}
