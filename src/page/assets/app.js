// The frame of the page: header, views by the address, keys, and what all views need before they can be shown.

import { onSession, renewSession, session } from "./api.js";
import { el, icon, say, select } from "./dom.js";
import { chooseLanguage, code, languages, loadLanguage, recall, remember, t, time } from "./language.js";
import { connect, leave, line, onLine } from "./line.js";
import { accountButton, showAccount, showLogin } from "./login.js";
import { fail } from "./notices.js";

const VIEWS = ["live", "rejects", "threshold", "trend", "service"];
const THEMES = ["auto", "light", "dark"];
const THEME = "aecsad.theme";

const views = new Map();
const tabs = new Map();
let current = null;

/** The view in the address, and what follows it: `#rejects/12-345?cause=bad`. */
function address() {
  const [path, query = ""] = location.hash.slice(1).split("?");
  const [name, item = null] = path.split("/");
  return { name: VIEWS.includes(name) ? name : "live", item, query: new URLSearchParams(query) };
}

async function route() {
  if (!session.reads) return;
  const { name, item, query } = address();
  if (!views.has(name)) {
    const module = await import(`./${name}.js`);
    // A second change of the address may have come first.
    if (!views.has(name)) {
      const view = module.create();
      view.element.hidden = true;
      document.getElementById("main").append(view.element);
      views.set(name, view);
    }
    if (address().name !== name) return;
  }
  if (current !== name) {
    if (current) {
      views.get(current).hide();
      views.get(current).element.hidden = true;
    }
    current = name;
    views.get(name).element.hidden = false;
    for (const [tab, link] of tabs) {
      if (tab === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${t(`view.${name}`)} · aecsad`;
    say(document.getElementById("heading"), t(`view.${name}`));
    scrollTo(0, 0);
  }
  views.get(name).show(item, query);
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function setTheme(theme) {
  document.documentElement.dataset.theme = theme === "auto" ? (systemDark.matches ? "dark" : "light") : theme;
}

function themeButton() {
  let theme = THEMES.includes(recall(THEME)) ? recall(THEME) : "auto";
  const button = el(
    "button",
    {
      class: "plain",
      type: "button",
      onclick: () => {
        theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
        remember(THEME, theme);
        apply();
      },
    },
    icon("theme"),
  );
  const apply = () => {
    setTheme(theme);
    button.setAttribute("aria-label", t(`theme.${theme}`));
    button.title = t(`theme.${theme}`);
  };
  apply();
  systemDark.addEventListener("change", apply);
  return button;
}

function buildHeader() {
  for (const [n, name] of VIEWS.entries()) {
    tabs.set(name, el("a", { href: `#${name}`, title: t("key", { key: String(n + 1) }) }, t(`view.${name}`)));
  }
  const product = el("strong", {});
  const link = el("span", { class: "link-state" });
  const language = select(languages, code, chooseLanguage, { "aria-label": t("language") });
  document
    .getElementById("header")
    .append(
      el(
        "a",
        { class: "brand", href: "#live" },
        el("img", { src: "icon.svg", alt: "", width: 32, height: 32 }),
        el("span", {}, "aecsad"),
      ),
      el("nav", { "aria-label": t("views") }, [...tabs.values()]),
      el("div", { class: "at-work" }, product, link),
      el("div", { class: "tools" }, language, themeButton(), accountButton()),
    );
  onLine((what) => {
    if (what !== "fresh" && what !== "state" && what !== "frozen") return;
    say(product, line.state?.bundle ?? "");
    const frozen = line.frozenSince !== null;
    link.className = `link-state ${frozen ? "alarm" : "good"}`;
    const text = t(frozen ? "link.frozen" : "link.live");
    if (link.textContent !== text) link.replaceChildren(icon(frozen ? "alarm" : "good"), el("span", {}, text));
  });
}

function watchFrozen() {
  const banner = document.getElementById("banner");
  onLine((what, since) => {
    if (what !== "frozen") return;
    document.body.classList.toggle("frozen", since !== null);
    banner.replaceChildren(...(since === null ? [] : [icon("alarm"), el("p", {}, t("frozen", { time: time(since) }))]));
  });
}

function watchKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input:not([type=range]), select, textarea")) return;
    const n = Number(event.key);
    if (VIEWS[n - 1]) location.hash = VIEWS[n - 1];
    if (n === VIEWS.length + 1) showAccount();
  });
}

function useSession() {
  let reads = false;
  onSession((now) => {
    if (now.reads && !reads) {
      connect();
      route().catch(fail);
    }
    if (!now.reads) {
      leave();
      if (now.login) showLogin();
    }
    document.body.classList.toggle("closed", !now.reads);
    reads = now.reads;
  });
}

async function start() {
  await loadLanguage();
  say(document.getElementById("skip"), t("skip"));
  buildHeader();
  watchFrozen();
  watchKeys();
  useSession();
  addEventListener("hashchange", () => route().catch(fail));
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  await renewSession();
}

start().catch(fail);
