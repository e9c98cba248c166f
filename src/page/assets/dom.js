// Makes elements. Text only ever becomes text nodes, so markup in a product's name or in a sentence stays text.

const SVG = "http://www.w3.org/2000/svg";

function make(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element; an attribute `onclick` and the like is a listener. */
export function el(tag, attributes, ...children) {
  return make(document.createElement(tag), attributes, children);
}

/** An SVG element, likewise. */
export function svg(tag, attributes, ...children) {
  return make(document.createElementNS(SVG, tag), attributes, children);
}

/** Sets an element's text only where it differs, so that screen readers and selections are left in peace. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const PATHS = {
  good: "M4 12.5l5.5 5.5L20 6.5",
  bad: "M5 5l14 14M19 5L5 19",
  none: "M12 4v10M12 18.5v.5",
  alarm: "M12 3L2 20.5h20zM12 10v5M12 17.5v.5",
  notice: "M12 11v6M12 7.5v.5M12 2.5a9.5 9.5 0 1 0 .001 0z",
  user: "M12 12a4.5 4.5 0 1 0-.001 0zM3.5 21a8.5 7 0 0 1 17 0",
  theme: "M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z",
  close: "M6 6l12 12M18 6L6 18",
  before: "M15 4l-8 8 8 8",
  after: "M9 4l8 8-8 8",
};

/** A line drawing of 24 by 24; it stands beside words or in a labelled button, so it is hidden from screen readers. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}

/** A card with a heading. */
export function card(heading, attributes, ...children) {
  const { class: extra = "", ...others } = attributes ?? {};
  return el("section", { class: `card ${extra}`, ...others }, heading ? el("h2", {}, heading) : null, ...children);
}

/** A label above a form's field. */
export function field(label, input, hint) {
  return el("label", { class: "field" }, el("span", {}, label), input, hint ? el("small", {}, hint) : null);
}

/** A choice of `[value, label]` rows. */
export function select(options, value, onchange, attributes) {
  const list = el(
    "select",
    { onchange: () => onchange(list.value), ...attributes },
    options.map(([key, label]) => el("option", { value: key, selected: key === value }, label)),
  );
  return list;
}
