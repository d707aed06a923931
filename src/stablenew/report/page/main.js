// Puts the page together and listens to mouse and keys.
"use strict";

let current = [];

function draw() {
  document.body.dataset.view = state.view;
  setSize();
  current = shown();
  const nothing = () => el("p", { class: "nothing" }, ITEMS.length ? "No picture passes the filters." : "There is nothing to show.");
  const stage = current.length ? { sheet: drawSheet, grid: drawGrid, heat: drawHeat }[state.view] : nothing;
  $("stage").replaceChildren(stage(current));
  for (const tab of document.querySelectorAll("[data-view][role=tab]")) tab.setAttribute("aria-selected", String(tab.dataset.view === state.view));
  $("count").textContent = current.length === ITEMS.length ? `${ITEMS.length} pictures` : `${current.length} of ${ITEMS.length} pictures`;
  $("clear").hidden = !filtered();
  $("direction").textContent = state.ascending ? "\u2191" : "\u2193";
  $("direction").setAttribute("aria-label", state.ascending ? "Ascending" : "Descending");
  for (const name of ["sort", "rows", "columns", "measure"]) $(name).value = state[name];
  if ($("search").value.trim().toLocaleLowerCase() !== state.search) $("search").value = state.search;
  drawFilters();
  drawTray();
  makeFocusable();
}

// One card takes part in the tab order; the arrow keys move from there.
function makeFocusable() {
  const cards = cardsShown();
  for (const made of cards) made.tabIndex = -1;
  const wanted = cards.find((made) => Number(made.dataset.number) === state.focused) ?? cards[0];
  if (wanted) wanted.tabIndex = 0;
}

function cardsShown() {
  return [...document.querySelectorAll("#stage .card")];
}

function focusCard(made) {
  if (!made) return;
  for (const other of document.querySelectorAll("#stage .card[tabindex='0']")) other.tabIndex = -1;
  made.tabIndex = 0;
  state.focused = Number(made.dataset.number);
  made.focus();
}

// The nearest card in the direction of the arrow, by where they stand on the page.
function nearest(from, key) {
  const cards = cardsShown();
  const at = cards.indexOf(from);
  if (state.view === "sheet" && (key === "ArrowLeft" || key === "ArrowRight")) return cards[at + (key === "ArrowRight" ? 1 : -1)];
  const box = from.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  let best = null, least = Infinity;
  for (const other of cards) {
    const there = other.getBoundingClientRect();
    const [dx, dy] = [there.left + there.width / 2 - x, there.top + there.height / 2 - y];
    const along = { ArrowLeft: -dx, ArrowRight: dx, ArrowUp: -dy, ArrowDown: dy }[key];
    const across = Math.abs(key === "ArrowUp" || key === "ArrowDown" ? dx : dy);
    if (along > 4 && along + 4 * across < least) [best, least] = [other, along + 4 * across];
  }
  return best;
}

function choose(number) {
  if (!state.chosen.delete(number)) state.chosen.add(number);
  for (const made of document.querySelectorAll(`#stage .card[data-number="${number}"]`)) {
    made.setAttribute("aria-selected", String(state.chosen.has(number)));
  }
  drawTray();
}

function drawTray() {
  $("tray").hidden = state.chosen.size === 0;
  $("chosen").replaceChildren(...[...state.chosen].slice(0, COMPARED_MAX).map((number) => thumb(ITEMS[number])));
  $("compare").textContent = state.chosen.size > COMPARED_MAX ? `Compare the first ${COMPARED_MAX}` : `Compare ${state.chosen.size}`;
  $("compare").disabled = state.chosen.size < 2;
}

function unselect() {
  state.chosen.clear();
  for (const made of document.querySelectorAll("#stage .card[aria-selected='true']")) made.setAttribute("aria-selected", "false");
  drawTray();
}

function clearFilters() {
  state.filters.clear();
  state.ranges.clear();
  state.search = "";
  draw();
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("stablenew-report-theme", theme); } catch { /* a page from a file may have no storage */ }
  if (state.view === "heat") draw();
}

function firstTheme() {
  let kept = null;
  try { kept = localStorage.getItem("stablenew-report-theme"); } catch { /* as above */ }
  return kept ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function setView(view) {
  state.view = view;
  draw();
}

// Pictures of the sheet and of the grid each have their own size.
function setSize(size) {
  const view = state.view === "heat" ? "grid" : state.view;
  state.sizes[view] = Math.max(72, Math.min(384, size ?? state.sizes[view]));
  document.documentElement.style.setProperty("--size", `${state.sizes[view]}px`);
  $("size").value = state.sizes[view];
}

function larger(by) {
  setSize(Number($("size").value) + by);
}

const KEYS_HELP = [
  ["1 2 3", "pictures, grid, heat map"], ["arrows", "move between pictures"], ["Enter", "open the picture"], ["space", "select it"],
  ["c", "compare what is selected"], ["u", "select nothing"], ["/", "search"], ["Backspace", "drop every filter"], ["s", "next way to sort"],
  ["r", "turn the order round"], ["x", "swap rows and columns"], ["+ \u2212", "larger, smaller"], ["t", "light or dark"], ["?", "these keys"], ["Esc", "close"],
];

const ACTIONS = {
  1: () => setView("sheet"), 2: () => setView("grid"), 3: () => setView("heat"), c: openComparison, u: unselect, Backspace: clearFilters,
  "/": () => $("search").focus(), "?": () => $("help").showModal(), t: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  r: () => { state.ascending = !state.ascending; draw(); },
  s: () => { const all = [...$("sort").options].map((option) => option.value); state.sort = all[(all.indexOf(state.sort) + 1) % all.length]; draw(); },
  x: () => { [state.rows, state.columns] = [state.columns, state.rows]; draw(); },
  "+": () => larger(32), "=": () => larger(32), "-": () => larger(-32),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if ($("detail").open) {
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") { event.preventDefault(); stepDetail(event.key === "ArrowRight" ? 1 : -1); }
    else if (event.key === " ") { event.preventDefault(); choose(detailed.number); toast(state.chosen.has(detailed.number) ? "Selected" : "No longer selected"); }
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "search")) { event.target.blur(); focusFirst(); }
    return;
  }
  const on = event.target.closest?.("#stage .card");
  if (event.key.startsWith("Arrow")) {
    if (on) focusCard(nearest(on, event.key));
    else if (event.target === document.body || event.target === $("stage")) focusFirst();
    else return;
  } else if (on && event.key === "Enter") openDetail(ITEMS[on.dataset.number]);
  else if (on && event.key === " ") choose(Number(on.dataset.number));
  else if (Object.hasOwn(ACTIONS, event.key)) ACTIONS[event.key]();
  else return;
  event.preventDefault();
}

function focusFirst() {
  focusCard(document.querySelector("#stage .card[tabindex='0']"));
}

function onStageClick(event) {
  const made = event.target.closest(".card");
  if (!made) return;
  const number = Number(made.dataset.number);
  focusCard(made);
  if (event.target.closest(".tick") || event.shiftKey || event.ctrlKey || event.metaKey) choose(number);
  else openDetail(ITEMS[number]);
}

function fill(select, pairs) {
  select.replaceChildren(...pairs.map(([value, name]) => el("option", { value }, name)));
}

function listen() {
  document.addEventListener("keydown", onKey);
  $("stage").addEventListener("click", onStageClick);
  for (const tab of document.querySelectorAll("[data-view][role=tab]")) tab.addEventListener("click", () => setView(tab.dataset.view));
  for (const name of ["sort", "rows", "columns", "measure"]) $(name).addEventListener("change", (event) => { state[name] = event.target.value; draw(); });
  $("search").addEventListener("input", (event) => { state.search = event.target.value.trim().toLocaleLowerCase(); draw(); });
  $("size").addEventListener("input", (event) => setSize(Number(event.target.value)));
  $("direction").addEventListener("click", ACTIONS.r);
  $("swap").addEventListener("click", ACTIONS.x);
  $("theme").addEventListener("click", ACTIONS.t);
  $("help-open").addEventListener("click", ACTIONS["?"]);
  $("clear").addEventListener("click", clearFilters);
  $("compare").addEventListener("click", openComparison);
  $("unselect").addEventListener("click", unselect);
  $("detail").addEventListener("close", () => focusCard(document.querySelector(`#stage .card[data-number="${state.focused}"]`)));
  for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

function start() {
  $("title").textContent = DATA.title;
  $("subtitle").textContent = DATA.subtitle;
  const axes = AXES.length ? AXES : KEYS.filter((key) => !NOT_SETTINGS.has(key));
  fill($("sort"), [["number", "as made"], ...VARYING.map((key) => [key, shortKey(key)])]);
  fill($("rows"), axes.map((key) => [key, shortKey(key)]));
  fill($("columns"), axes.map((key) => [key, shortKey(key)]));
  fill($("measure"), [["rating", "rating"], ["seconds", "seconds"]]);
  $("keys").replaceChildren(...KEYS_HELP.flatMap(([key, what]) => [el("dt", {}, key), el("dd", {}, what)]));
  setTheme(firstTheme());
  listen();
  draw();
}

start();
