// Who is at the page: the login dialog, and the menu of the user who is logged in.

import { login, logout, onSession, session } from "./api.js";
import { dialog } from "./ask.js";
import { el, field, icon, say } from "./dom.js";
import { t } from "./language.js";
import { attempt } from "./notices.js";

let open = null;

/** The dialog that asks for name and password. Without the right to read there is nothing behind it to go back to. */
export function showLogin() {
  if (open?.open) return;
  const name = el("input", {
    name: "name",
    autocomplete: "username",
    required: true,
    maxlength: 64,
    autocapitalize: "none",
  });
  const password = el("input", {
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
    maxlength: 256,
  });
  const wrong = el("p", { class: "form-error", role: "alert" });
  const enter = el("button", { class: "primary", type: "submit" }, t("login.enter"));
  const form = el(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        enter.disabled = true;
        try {
          await login(name.value, password.value);
          box.close();
        } catch (refused) {
          say(wrong, refused.message);
          password.value = "";
          password.focus();
        }
        enter.disabled = false;
      },
    },
    el("p", {}, t("login.why")),
    field(t("login.name"), name),
    field(t("login.password"), password),
    wrong,
    el("div", { class: "buttons" }, enter),
  );
  const box = dialog(t("login.heading"), { class: "small login" }, form);
  box.addEventListener("cancel", (event) => !session.reads && event.preventDefault());
  if (!session.reads) box.querySelector(".dialog-head button").hidden = true;
  open = box;
  box.showModal();
  name.focus();
}

function showUser() {
  const rights = t(session.acts ? "user.acts" : "user.reads");
  const leave = el(
    "button",
    {
      class: "primary",
      type: "button",
      onclick: async () => {
        if (await attempt(logout)) box.close();
      },
    },
    t("login.leave"),
  );
  const box = dialog(session.user, { class: "small" }, el("p", {}, rights), el("div", { class: "buttons" }, leave));
  box.showModal();
}

function showNoUser() {
  const box = dialog(t("user.none"), { class: "small" }, el("p", {}, t("acts.no_users")));
  box.showModal();
}

/** Opens what fits the session: login, the user's menu, or how to add a user. */
export function showAccount() {
  if (session.user) showUser();
  else if (session.login) showLogin();
  else showNoUser();
}

/** The header's button with the user's name. */
export function accountButton() {
  const label = el("span", { class: "label" });
  const button = el("button", { class: "plain account", type: "button", onclick: showAccount }, icon("user"), label);
  const refresh = () => say(label, session.user ?? t(session.login ? "login.enter" : "user.none"));
  onSession(refresh);
  refresh();
  return button;
}
