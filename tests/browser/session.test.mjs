// One person's session in a real browser: log in, reload, refresh, list orders, log out; and a foreign page
// that gets nowhere. Start it with `cargo xtask e2e`, which runs a Portcullis and says where it is:
//   GATEWAY        the gateway's address            CHROMIUM  the browser's program
//   FRONTEND_PORT  where an allowed page may live   FOREIGN_PORT  where none may
//   EMAIL PASSWORD an account with orders

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const { GATEWAY, FRONTEND_PORT, FOREIGN_PORT, CHROMIUM, EMAIL, PASSWORD } = process.env;

// A closed network, perhaps root, no screen.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TYPES = { "/index.html": "text/html", "/page.js": "text/javascript" };

let browser;
let servers;

before(async () => {
  servers = await Promise.all([FRONTEND_PORT, FOREIGN_PORT].map(serve));
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
});

after(async () => {
  await browser?.close();
  for (const server of servers ?? []) {
    server.closeAllConnections();
    server.close();
  }
});

function serve(port) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    if (!(path in TYPES)) return response.writeHead(404).end();
    const content = await readFile(new URL(`page${path}`, import.meta.url));
    return response.writeHead(200, { "Content-Type": TYPES[path] }).end(content);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), "localhost", () => resolve(server));
  });
}

/** Opens the page on `port` in a tab of `context`, as one browser profile. */
async function open(context, port) {
  const page = await context.newPage();
  const address = `http://localhost:${port}/index.html?gateway=${encodeURIComponent(GATEWAY)}`;
  await page.goto(address);
  return page;
}

const state = async (page, pattern) => {
  const found = page.locator("#state", { hasText: pattern });
  await found.waitFor({ timeout: 15_000 }).catch(async () => {
    assert.match(await page.locator("#state").textContent(), pattern);
  });
};

async function logIn(page) {
  await page.fill("[name=email]", EMAIL);
  await page.fill("[name=password]", PASSWORD);
  await page.click("#login button");
  await state(page, new RegExp(`signed in as ${EMAIL}`));
}

/**
 * What the gateway really answered, by path: a page that CORS keeps out is told nothing, so this asks the
 * browser's network layer.
 */
async function watchStatuses(page) {
  const network = await page.context().newCDPSession(page);
  const paths = new Map();
  const statuses = {};
  // The two events of one request come in either order.
  const answered = new Map();
  const note = (requestId) => {
    if (paths.has(requestId) && answered.has(requestId)) statuses[paths.get(requestId)] = answered.get(requestId);
  };
  network.on("Network.requestWillBeSent", ({ requestId, request }) => {
    if (request.url.startsWith(GATEWAY)) { paths.set(requestId, new URL(request.url).pathname); note(requestId); }
  });
  network.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => {
    answered.set(requestId, statusCode);
    note(requestId);
  });
  await network.send("Network.enable");
  return statuses;
}

/** Network events come on a wire of their own, so they may be later than what the page shows. */
async function eventually(check, deadline = Date.now() + 10_000) {
  try {
    check();
  } catch (error) {
    if (Date.now() > deadline) throw error;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    await eventually(check, deadline);
  }
}

const refreshCookie = async (context) =>
  (await context.cookies(`${GATEWAY}/api/auth/refresh`)).find(({ name }) => name === "refresh_token");

test("a session lives through reloads and ends at logout", async () => {
  const context = await browser.newContext();
  const page = await open(context, FRONTEND_PORT);
  await state(page, /signed out \(missing_token\)/);

  await logIn(page);
  const cookie = await refreshCookie(context);
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  assert.equal(cookie.path, "/api/auth");
  assert.equal(await page.evaluate(() => document.cookie), "");
  assert.equal(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])), "[{},{}]");

  await page.reload();
  await state(page, new RegExp(`signed in as ${EMAIL}`));
  assert.notEqual((await refreshCookie(context)).value, cookie.value, "the first refresh rotates");

  await page.click("#refresh");
  await state(page, new RegExp(`signed in as ${EMAIL}`));

  await page.click("#orders");
  await state(page, /orders: 200/);
  assert.equal(await page.locator("#list li").count() > 0, true);

  await page.click("#logout");
  await state(page, /logged out: 204/);
  assert.equal(await refreshCookie(context), undefined);
  await page.reload();
  await state(page, /signed out \(missing_token\)/);
  await context.close();
});

test("two tabs that refresh at once both stay signed in", async () => {
  const context = await browser.newContext();
  const first = await open(context, FRONTEND_PORT);
  await state(first, /signed out/);
  await logIn(first);
  const second = await open(context, FRONTEND_PORT);
  await Promise.all([first, second].map((page) => page.reload()));
  for (const page of [first, second]) await state(page, /signed in as/);
  await context.close();
});

test("the browser keeps a foreign page out, and the session does not notice", async () => {
  const context = await browser.newContext();
  const page = await open(context, FRONTEND_PORT);
  await state(page, /signed out/);
  await logIn(page);
  const cookie = await refreshCookie(context);

  // The foreign page is on localhost too, so `SameSite` does not help: its refresh carries the cookie.
  const foreign = await context.newPage();
  const statuses = await watchStatuses(foreign);
  await foreign.goto(`http://localhost:${FOREIGN_PORT}/index.html?gateway=${encodeURIComponent(GATEWAY)}`);
  await state(foreign, /refused by the browser \(TypeError\)/);
  await foreign.click("#orders");
  await state(foreign, /refused by the browser \(TypeError\)/);
  await foreign.click("#logout");
  await state(foreign, /refused by the browser \(TypeError\)/);

  const refused = { "/api/auth/refresh": 403, "/api/orders": 401, "/api/auth/logout": 403 };
  await eventually(() => assert.deepEqual(statuses, refused));
  assert.equal((await refreshCookie(context)).value, cookie.value, "nothing was rotated");
  await page.reload();
  await state(page, new RegExp(`signed in as ${EMAIL}`));
  await context.close();
});
