// The words of the page, from one JSON file a language, and the ways of that language to write numbers and times. What
// the station itself says stays as it says it.

const LANGUAGES = { en: "English", de: "Deutsch" };
const KEY = "aecsad.language";

let words = {};
let spare = {};
let plurals;
export let code = "en";
export const languages = Object.entries(LANGUAGES);

/** What was remembered under a key of this browser; a browser may refuse to remember anything. */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}

/** Loads the chosen language, or the first of the browser's that the page has. */
export async function loadLanguage() {
  const wanted = [recall(KEY), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  code = wanted.find((tag) => tag in LANGUAGES) ?? "en";
  const read = async (name) => (await fetch(`${name}.json`)).json();
  [spare, words] = await Promise.all([read("en"), read(code)]);
  plurals = new Intl.PluralRules(code);
  document.documentElement.lang = code;
}

/** Another language takes a fresh page, which loses nothing: all of its state is in its address and in the station. */
export function chooseLanguage(tag) {
  remember(KEY, tag);
  location.reload();
}

/** The text of a key, with each {name} in it replaced. With a number `n`, the key's plural forms count. */
export function t(key, values = {}) {
  const form = typeof values.n === "number" ? `${key}.${plurals.select(values.n)}` : key;
  const text =
    words[form] ?? words[`${key}.other`] ?? words[key] ?? spare[form] ?? spare[`${key}.other`] ?? spare[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/** Whether there is a text for this key. */
export const has = (key) => key in words || key in spare;

const formats = new Map();

function format(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(locale(), options));
  return formats.get(key);
}

// The browser's own variant of the language (en-GB, de-AT) writes dates as its user does.
function locale() {
  return navigator.languages.find((tag) => tag.slice(0, 2) === code) ?? code;
}

/** A number with at most so many decimals. */
export function number(value, decimals = 0) {
  return format(Intl.NumberFormat, { maximumFractionDigits: decimals }).format(value);
}

/** A score, always with the same decimals so that columns and changing figures stand still. */
export function score(value) {
  if (value === null || value === undefined) return "–";
  return format(Intl.NumberFormat, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);
}

/** A share of 1 in percent. */
export function percent(share) {
  const decimals = share < 0.01 ? 2 : share < 0.1 ? 1 : 0;
  return format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: decimals }).format(share);
}

/** A local time of today. */
export const time = (ms) => format(Intl.DateTimeFormat, { timeStyle: "medium" }).format(ms);

/** A local time with its day. */
export const dateTime = (ms) => format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(ms);

/** A day, short, for an axis. */
export const day = (ms) => format(Intl.DateTimeFormat, { day: "numeric", month: "short" }).format(ms);

/** Hours and minutes. */
export const clock = (ms) => format(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit" }).format(ms);

/** A local time, with its day unless that is today. */
export const when = (ms) => (new Date(ms).toDateString() === new Date().toDateString() ? time(ms) : dateTime(ms));

/** A file's size. */
export const megabytes = (bytes) => `${number(bytes / 1e6, 1)} MB`;
