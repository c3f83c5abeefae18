// The access token lives in this variable and nowhere else; the refresh token is a cookie that no script sees.
let accessToken = null;

const gateway = new URLSearchParams(location.search).get("gateway");
const element = (id) => document.getElementById(id);
const say = (text) => { element("state").textContent = text; };

async function call(method, path, { body, token } = {}) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers["Authorization"] = `Bearer ${token}`;
  const answer = await fetch(gateway + path, {
    method,
    headers,
    body: body && JSON.stringify(body),
    credentials: "include",
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

function take(answer) {
  if (answer.status !== 200) {
    accessToken = null;
    return say(`signed out (${answer.body.code})`);
  }
  accessToken = answer.body.accessToken;
  return say(`signed in as ${answer.body.user.email}`);
}

// What the browser refuses to hand over arrives here as a TypeError.
const attempt = (action) => async (event) => {
  event?.preventDefault();
  say("working");
  try {
    await action();
  } catch (error) {
    say(`refused by the browser (${error.name})`);
  }
};

const refresh = attempt(async () => take(await call("POST", "/api/auth/refresh")));

element("login").addEventListener("submit", attempt(async () => {
  const { email, password } = Object.fromEntries(new FormData(element("login")));
  take(await call("POST", "/api/auth/login", { body: { email, password } }));
}));
element("refresh").addEventListener("click", refresh);
element("orders").addEventListener("click", attempt(async () => {
  const { status, body } = await call("GET", "/api/orders", { token: accessToken });
  element("list").replaceChildren(...(body.items ?? []).map((order) => {
    const item = document.createElement("li");
    item.textContent = `${order.totalMinor} ${order.currency} ${order.status}`;
    return item;
  }));
  say(`orders: ${status}`);
}));
element("logout").addEventListener("click", attempt(async () => {
  const { status } = await call("POST", "/api/auth/logout");
  accessToken = null;
  say(`logged out: ${status}`);
}));

// A reload finds the session again.
await refresh();
