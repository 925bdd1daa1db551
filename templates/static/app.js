// Everything works without this file; with it, less is loaded anew and hands stay on the keyboard.

const page = document.documentElement;
const status = document.getElementById("status");
const year = 365 * 86400;

// What is said is read out; what nothing else on the page shows is seen as well, for a while.
let saying;
function announce(text, { quiet = false, lasting = false } = {}) {
  clearTimeout(saying);
  status.textContent = "";
  status.classList.toggle("quiet", quiet);
  requestAnimationFrame(() => { status.textContent = text; });
  if (!lasting) saying = setTimeout(() => { status.textContent = ""; }, 4000);
}
const remember = (name, value) => { document.cookie = `${name}=${value}; path=${page.dataset.base}/; max-age=${year}; samesite=lax`; };
const remembered = (name) => document.cookie.split("; ").some((each) => each === name);
const typing = (target) => target.closest("input:not([type=checkbox], [type=radio]), textarea, select");

// Parts that only work with a script show themselves; times are told in the visitor's own zone.
function dress(root) {
  for (const each of root.querySelectorAll("[data-copy], [data-all], [data-help]")) each.hidden = false;
  for (const each of root.querySelectorAll("time")) each.title = new Date(each.dateTime).toLocaleString();
  count();
  pollLater();
}

async function load(url, options) {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, ...options });
  return { answer, document: new DOMParser().parseFromString(await answer.text(), "text/html") };
}

function swap(fresh, id) {
  const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
  if (!old || !next) return false;
  old.replaceWith(document.adoptNode(next));
  document.title = fresh.title;
  dress(next);
  return true;
}

// A page that takes another's place gets an entry of its own in the history; what is typed into one
// page stays one. Going back shows the page before, as its address gives it.
function visit(url) {
  if (new URL(url).pathname === location.pathname) return history.replaceState(history.state, "", url);
  history.replaceState({ swapped: true }, "");
  history.pushState({ swapped: true }, "", url);
}

window.addEventListener("popstate", async (event) => {
  if (!event.state?.swapped) return;
  clearTimeout(waiting);
  const mine = ++question;
  try {
    const { answer, document: fresh } = await load(location.href);
    if (mine !== question) return;
    if (!answer.ok || !swap(fresh, "main")) return location.reload();
    document.getElementById("search").value = fresh.getElementById("search").value;
  } catch { location.reload(); }
});

// Forms that answer while one types: the newest question wins.
let question = 0;
async function ask(form) {
  const id = form.dataset.live;
  const url = new URL(form.action);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  const mine = ++question;
  try {
    const { answer, document: fresh } = await load(url);
    if (mine !== question || !answer.ok || !swap(fresh, id)) return;
    visit(url);
    announce(document.querySelector(`#${id} [data-announce]`)?.textContent.trim() ?? "", { quiet: true });
  } catch { /* The network is away: Enter sends the form as ever. */ }
}

let waiting;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-live]");
  if (form) {
    clearTimeout(waiting);
    waiting = setTimeout(() => ask(form), 150);
  }
  if (event.target.name === "client") remember("client", event.target.value);
  if (event.target.matches("[data-keys]")) remember("keys", event.target.checked ? "on" : "off");
});

// What is still being read comes in by itself, unless the visitor is in the middle of something.
let delay = 700;
let polling;
function pollLater() {
  if (polling || delay > 60000 || !document.querySelector("main[data-poll]")) return;
  polling = setTimeout(poll, delay);
}

async function poll() {
  const main = document.getElementById("main");
  polling = undefined;
  const busy = document.hidden || document.querySelector("dialog[open], input[name=tag]:checked") || main.contains(document.activeElement) && document.activeElement !== main;
  if (!busy) {
    delay *= 1.15;
    const before = question;
    try {
      const { answer, document: fresh } = await load(location.href);
      if (answer.ok && before === question) swap(fresh, "main");
    } catch { return; }
  }
  pollLater();
}

// Asking before something is deleted, in a dialog.
let asking = false;
async function confirm(url) {
  if (asking || document.querySelector("dialog[open]")) return;
  asking = true;
  page.classList.add("busy");
  announce("Reading what would be deleted…", { lasting: true });
  let fragment;
  try {
    // As long as the registry is still being read, the answer says how far that has come.
    for (;;) {
      const { document: fresh } = await load(url);
      fragment = fresh.querySelector("[data-fragment]") ?? fresh.querySelector("main section");
      if (!fragment?.matches("[data-again]")) break;
      announce(fragment.querySelector("[role=status]").textContent, { lasting: true });
      await new Promise((resolve) => { setTimeout(resolve, 700); });
    }
  } finally {
    asking = false;
    page.classList.remove("busy");
    announce("");
  }
  if (!fragment) { location.href = url; return; }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "confirm-title");
  if (fragment.querySelector("#confirm-text")) dialog.setAttribute("aria-describedby", "confirm-text");
  else fragment.querySelector("h1").id = "confirm-title";
  dialog.append(document.adoptNode(fragment));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  (dialog.querySelector("[data-cancel]") ?? dialog.querySelector("a, button")).focus({ preventScroll: true });
  dialog.scrollTop = 0;
}

async function copy(button) {
  const text = button.dataset.copy;
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    // Plain HTTP has no clipboard of that kind; the old way still works.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "vh";
    (button.closest("dialog") ?? document.body).append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.classList.toggle("done", done);
  setTimeout(() => button.classList.remove("done"), 1500);
  announce(done ? "Copied" : "Copying is not allowed here; select the text instead");
}

function count() {
  const selected = document.querySelectorAll("input[name=tag]:checked").length;
  const bulk = document.querySelector(".bulk");
  if (!bulk) return;
  const remove = bulk.querySelector("button[data-dialog]");
  bulk.classList.toggle("selected", selected > 0);
  bulk.querySelector("[data-selected]").textContent = selected ? `${selected} selected` : remove ? "Select tags to delete or compare them." : "Select two tags to compare them.";
  if (remove) remove.hidden = !selected;
  bulk.querySelector("[data-compare]").hidden = selected !== 2;
}

let lastSelected;
function tick(box, shift) {
  const boxes = [...document.querySelectorAll("input[name=tag]")];
  if (shift && lastSelected && boxes.includes(lastSelected)) {
    const [from, to] = [boxes.indexOf(lastSelected), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  lastSelected = box;
  count();
}

document.addEventListener("click", async (event) => {
  const target = event.target;
  if (target.closest("[data-copy]")) return copy(target.closest("[data-copy]"));
  if (target.name === "tag") return tick(target, event.shiftKey);
  if (target.closest("[data-all]")) {
    const all = target.closest("[data-all]").querySelector("input").checked;
    for (const each of document.querySelectorAll("input[name=tag]")) each.checked = all;
    return count();
  }
  if (target.closest("[data-help]")) return document.getElementById("help").showModal();
  const link = target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  if (link.matches("[data-cancel]") && link.closest("dialog")) {
    event.preventDefault();
    link.closest("dialog").close();
  } else if (link.matches("[data-dialog]")) {
    event.preventDefault();
    confirm(link.href).catch(() => { location.href = link.href; });
  } else if (link.matches("[data-swap]")) {
    event.preventDefault();
    const name = link.textContent;
    try {
      const { document: fresh } = await load(link.href);
      swap(fresh, "main");
      history.replaceState(null, "", link.href);
      [...document.querySelectorAll("[data-swap]")].find((each) => each.textContent.slice(2) === name.slice(2))?.focus();
    } catch { location.href = link.href; }
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-theme-form]")) {
    event.preventDefault();
    const now = event.submitter.value;
    page.dataset.theme = now;
    document.querySelector("meta[name=color-scheme]").content = now;
    remember("theme", now);
    [...form.querySelectorAll("[name=theme]")].find((each) => each.value !== now).focus();
  } else if (event.submitter?.matches("button[data-dialog]")) {
    event.preventDefault();
    const url = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    confirm(url).catch(() => { location.href = url; });
  } else if (form.matches("[data-live]")) {
    clearTimeout(waiting);
    question += 1;
  } else if (form.method === "post") {
    // A second click would be told that what the first one deleted is not there.
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  }
});

// A visitor who comes back with the browser's button may send a form once more.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

function move(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("current"));
  rows[at]?.classList.remove("current");
  const row = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  row.classList.add("current");
  row.querySelector("th a, a").focus();
  row.scrollIntoView({ block: "nearest" });
}

const keys = {
  "/": () => document.getElementById("search").focus(),
  "?": () => document.getElementById("help").showModal(),
  j: () => move(1),
  k: () => move(-1),
  x: () => {
    const box = document.querySelector(".current input[name=tag]");
    if (box) { box.checked = !box.checked; tick(box, false); }
  },
  c: () => [...document.querySelectorAll(".pull [data-copy]")].find((each) => each.offsetParent)?.click(),
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    document.getElementById("search").focus();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || remembered("keys=off")) return;
  if (typing(event.target) || document.querySelector("dialog[open]") || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

document.querySelector("[data-keys]").checked = !remembered("keys=off");
dress(document);
