// Requests to the station, and the session that they belong to. A refusal carries the station's own sentence.

import { t } from "./language.js";

/** Who is at the page and what they may do: the answer of `GET /api/session`. */
export let session = { user: null, reads: false, acts: false, login: true, token: null, version: "" };
const watchers = new Set();

export class Refused extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

/** Calls back with each new session. */
export function onSession(callback) {
  watchers.add(callback);
}

function setSession(fresh) {
  session = fresh;
  for (const watcher of watchers) watcher(session);
  return session;
}

async function refusal(response) {
  let sentence = t("error.status", { status: String(response.status) });
  try {
    sentence = (await response.json()).error ?? sentence;
  } catch {
    // A proxy in between answers with a page of its own; its status has to do.
  }
  return new Refused(sentence, response.status);
}

async function request(path, options, seconds) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(seconds * 1000), ...options });
  } catch {
    throw new Refused(t("error.unreachable"), 0);
  }
  if (response.ok) return response;
  // The user's session has ended or lost a right: the page shows it at once.
  if ((response.status === 401 || response.status === 403) && path !== "/api/login") renewSession().catch(() => {});
  throw await refusal(response);
}

export async function get(path) {
  return (await request(path, {}, 20)).json();
}

/** A picture as `{url, part}`; `part` is "run-part". Null where there is none. The caller revokes the URL. */
export async function picture(path) {
  try {
    const response = await request(path, {}, 20);
    return { url: URL.createObjectURL(await response.blob()), part: response.headers.get("X-Aecsad-Part") };
  } catch (refused) {
    if (refused.status === 404) return null;
    throw refused;
  }
}

function actionHeaders(type) {
  return { "Content-Type": type, "X-Aecsad-Token": session.token ?? "" };
}

export async function post(path, body) {
  const options = { method: "POST", headers: actionHeaders("application/json"), body: JSON.stringify(body ?? {}) };
  return (await request(path, options, 120)).json();
}

/** Sends a file and reports the share that has been sent. `fetch` can't report it, so this is an XMLHttpRequest. */
export function upload(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", path);
    for (const [name, value] of Object.entries(actionHeaders("application/octet-stream")))
      sending.setRequestHeader(name, value);
    sending.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sending.onerror = () => reject(new Refused(t("error.broken_off"), 0));
    sending.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(sending.responseText);
      } catch {
        // Without a sentence, the status has to do.
      }
      if (sending.status >= 200 && sending.status < 300) resolve(answer);
      else reject(new Refused(answer.error ?? t("error.status", { status: String(sending.status) }), sending.status));
    };
    sending.send(file);
  });
}

export async function renewSession() {
  return setSession(await (await request("/api/session", {}, 10)).json());
}

export async function login(name, password) {
  return setSession(await post("/api/login", { name, password }));
}

export async function logout() {
  return setSession(await post("/api/logout"));
}
