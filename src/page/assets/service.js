// The service view: what is installed, the camera for setting up, the station file, and who did what.

import { card, el } from "./dom.js";
import { t } from "./language.js";
import { actionsCard } from "./actions.js";
import { calibrateCard } from "./calibrate.js";
import { cameraCard } from "./camera.js";
import { flashCard } from "./flash.js";
import { slotsCard } from "./slots.js";
import { stationCard } from "./station_file.js";

export function create() {
  const actions = actionsCard();
  const flash = flashCard(() => {
    slots.load();
    actions.load();
  });
  const slots = slotsCard(
    () => actions.load(),
    (there) => (flash.element.hidden = !there),
  );
  const calibrate = calibrateCard(() => {
    slots.load();
    actions.load();
  });
  const camera = cameraCard();
  const station = stationCard();
  const support = card(
    t("support.heading"),
    { class: "support" },
    el("p", {}, t("support.what")),
    el("a", { class: "button", href: "/api/support.tar", download: "support.tar" }, t("support.download")),
  );
  const element = el(
    "div",
    { class: "service" },
    el("div", { class: "service-main" }, slots.element, flash.element),
    el("div", { class: "service-main" }, camera.element, calibrate.element, support),
    actions.element,
    station.element,
  );
  return {
    element,
    show() {
      for (const part of [slots, calibrate, station, actions]) part.load();
      camera.start();
    },
    hide() {
      camera.stop();
      calibrate.stop();
    },
  };
}
