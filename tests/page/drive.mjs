// Looks at a running station's page with a real browser: `node drive.mjs BASE_URL STEP [ARGS…]`. Prints what it saw and
// leaves with 1 and says what failed. With PAGE_USER and PAGE_PASSWORD set, it logs in first.

import { enter, Failed, open } from "./browser.mjs";
import * as act from "./act.mjs";
import * as look from "./look.mjs";
import * as long from "./long.mjs";

const STEPS = { ...look, ...act, ...long };

const [base, step, ...rest] = process.argv.slice(2);
if (!base || !Object.hasOwn(STEPS, step ?? "")) {
  console.error(`usage: node drive.mjs BASE_URL ${Object.keys(STEPS).join("|")} [ARGS…]`);
  process.exit(2);
}

const seen = await open(base.replace(/\/$/, ""));
let code = 0;
try {
  if (step !== "login") await enter(seen);
  await STEPS[step](seen, ...rest);
  if (seen.wrong.length > 0) throw new Failed(seen.wrong[0]);
} catch (error) {
  code = 1;
  console.error(`${step}: ${[error.message, ...seen.wrong].join("\n")}`);
  if (process.env.PAGE_SHOT) await seen.page.screenshot({ path: process.env.PAGE_SHOT }).catch(() => {});
}
await seen.browser.close();
process.exit(code);
