// What is on the page: cards, the sheet, the grid, the heat map, and the filters beside them.
"use strict";

const $ = (id) => document.getElementById(id);

function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    // Through the object model: the page's policy allows no style attributes.
    else if (key === "style") made.style.cssText = value;
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function starsOf(item) {
  if (item.rating === null) return "";
  const full = Math.round(item.rating);
  return "\u2605".repeat(full) + "\u2606".repeat(5 - full);
}

function labelOf(item) {
  const words = SAID.map((key) => `${shortKey(key)} ${said(item.values[key])}`).join(" \u00b7 ");
  return words || item.prompt || NONE;
}

function shortKey(key) {
  return key.replace(/^\[\[(.*)\]\]$/, "$1").replaceAll("_", " ");
}

function altOf(item) {
  return `${item.prompt || "picture"}; ${labelOf(item)}`;
}

function thumb(item) {
  if (!item.thumb) {
    const why = item.error || (item.image ? "the picture could not be read" : `no picture (${item.status})`);
    return el("div", { class: "thumb failed" }, why.slice(0, 160));
  }
  const picture = el("img", { src: item.thumb, alt: altOf(item), loading: "lazy", decoding: "async", draggable: "false" });
  return el("div", { class: "thumb" }, picture);
}

function card(item) {
  const chosen = state.chosen.has(item.number);
  const stars = starsOf(item);
  const sub = [item.seed === null ? "" : `seed ${item.seed}`, ...item.tags.map((tag) => `#${tag}`)].filter(Boolean).join("  ");
  return el("div", {
    class: "card", role: "option", tabindex: "-1", "data-number": item.number, "aria-selected": String(chosen),
    "aria-label": `${altOf(item)}${stars ? `; ${item.rating} of 5 stars` : ""}`,
  },
    thumb(item),
    el("span", { class: "tick", "aria-hidden": "true", title: "Select to compare (space)" }, "\u2713"),
    el("div", { class: "label" }, labelOf(item)),
    stars ? el("div", { class: "sub stars", title: `${item.rating} of 5` }, stars) : null,
    el("div", { class: "sub" }, sub),
  );
}

// Cards are made once: filtering, sorting and other axes only put them elsewhere.
const CARDS = new Map();
function cardOf(item) {
  let made = CARDS.get(item.number);
  if (!made) CARDS.set(item.number, (made = card(item)));
  made.setAttribute("aria-selected", String(state.chosen.has(item.number)));
  return made;
}

function drawSheet(items) {
  const list = el("div", { class: "sheet", role: "listbox", "aria-multiselectable": "true", "aria-label": "Pictures" });
  list.append(...items.map(cardOf));
  return list;
}

function table(items, cell) {
  const places = new Map();
  for (const item of items) {
    const row = item.values[state.rows] ?? null, column = item.values[state.columns] ?? null;
    if (!places.has(row)) places.set(row, new Map());
    if (!places.get(row).has(column)) places.get(row).set(column, []);
    places.get(row).get(column).push(item);
  }
  const rows = DISTINCT.get(state.rows).filter((row) => places.has(row));
  const columns = DISTINCT.get(state.columns).filter((column) => rows.some((row) => places.get(row).has(column)));
  const head = el("tr", {}, el("th", {}, `${shortKey(state.rows)} \\ ${shortKey(state.columns)}`),
    ...columns.map((column) => el("th", { scope: "col" }, said(column))));
  const body = rows.map((row) => el("tr", {}, el("th", { scope: "row" }, said(row)),
    ...columns.map((column) => cell(places.get(row).get(column) ?? [], row, column))));
  return el("div", { class: "table" }, el("table", { class: "axes" }, el("thead", {}, head), el("tbody", {}, ...body)));
}

function drawGrid(items) {
  let most = 1;
  const whole = table(items, (found) => {
    most = Math.max(most, found.length);
    return el("td", {}, el("div", { class: "place" }, ...found.map(cardOf)));
  });
  whole.style.setProperty("--across", most <= 3 ? most : Math.ceil(Math.sqrt(most)));
  whole.setAttribute("role", "listbox");
  whole.setAttribute("aria-multiselectable", "true");
  return whole;
}

function drawHeat(items) {
  const key = state.measure;
  const all = new Map();
  const range = { low: Infinity, high: -Infinity };
  const measured = (found) => {
    const got = mean(found, key);
    if (got) [range.low, range.high] = [Math.min(range.low, got.mean), Math.max(range.high, got.mean)];
    return got;
  };
  const whole = table(items, (found, row, column) => {
    const cell = el("td", { class: "heat" });
    all.set(cell, [measured(found), found, row, column]);
    return cell;
  });
  if (key === "rating" && range.low <= range.high) [range.low, range.high] = [1, 5];
  for (const [cell, [got, found, row, column]] of all) paint(cell, got, found, row, column, range);
  const ends = range.low <= range.high ? [said(rounded(range.low)), said(rounded(range.high))] : ["", ""];
  const scale = el("p", { class: "scale" }, el("span", {}, `Mean ${key}`), el("span", {}, ends[0]), el("i"), el("span", {}, ends[1]),
    el("span", {}, "n: pictures it is the mean of. A click shows them."));
  const wrong = range.low > range.high ? el("p", { class: "nothing" }, `No picture shown has a ${key} yet.`) : null;
  return el("div", {}, wrong, whole, scale);
}

function rounded(value) {
  return typeof value !== "number" ? value : Math.round(value * 100) / 100;
}

function paint(cell, got, found, row, column, range) {
  if (!got) cell.classList.add("none");
  const share = !got ? 0 : range.high > range.low ? (got.mean - range.low) / (range.high - range.low) : 1;
  if (got) {
    cell.style.background = `color-mix(in oklab, var(--heat-high) ${Math.round(share * 100)}%, var(--heat-low))`;
    const dark = document.documentElement.dataset.theme === "dark";
    cell.style.color = dark ? (share > 0.45 ? "#06100f" : "#f2f0ec") : (share > 0.68 ? "#ffffff" : "#1a1916");
  }
  if (!found.length) return;
  const name = `${shortKey(state.rows)} ${said(row)}, ${shortKey(state.columns)} ${said(column)}`;
  const show = () => showOnly(row, column);
  cell.append(el("button", { type: "button", title: name, onclick: show },
    el("strong", {}, got ? said(rounded(got.mean)) : NONE), got ? `n ${got.n}` : `${found.length} not rated`));
}

function showOnly(row, column) {
  state.filters.set(state.rows, new Set([row]));
  state.filters.set(state.columns, new Set([column]));
  state.view = "sheet";
  draw();
}

const MANY = 14;
const opened = new Set();

function drawFilters() {
  const keys = VARYING.filter((key) => key !== "negative prompt" || DISTINCT.get(key).length <= MANY);
  $("filters").replaceChildren(...keys.map(filterOf).filter(Boolean));
}

function filterOf(key) {
  const values = DISTINCT.get(key);
  const numbers = values.filter((value) => typeof value === "number");
  const body = key === "seconds" || (numbers.length > MANY && numbers.length >= values.length - 1)
    ? rangeOf(key, numbers) : values.length === ITEMS.length && values.length > MANY ? null : chipsOf(key, values);
  return body && el("fieldset", {}, el("legend", {}, shortKey(key)), body);
}

function chipsOf(key, values) {
  const counts = new Map();
  for (const item of ITEMS) if (passes(item, key)) counts.set(item.values[key] ?? null, (counts.get(item.values[key] ?? null) ?? 0) + 1);
  const wanted = state.filters.get(key) ?? new Set();
  const few = opened.has(key) ? values : values.slice(0, MANY);
  const chips = few.map((value) => el("button", {
    type: "button", class: `chip${counts.get(value) ? "" : " empty"}`, "aria-pressed": String(wanted.has(value)), title: said(value),
    "data-filter": key, "data-value": said(value), onclick: () => toggleFilter(key, value),
  }, el("b", {}, key === "rating" && value !== null ? `${said(value)} \u2605` : said(value)), el("i", {}, String(counts.get(value) ?? 0))));
  const rest = values.length - few.length;
  return el("div", {}, el("div", { class: "chips" }, ...chips),
    rest ? el("button", { type: "button", class: "more", onclick: () => { opened.add(key); drawFilters(); } }, `${rest} more`) : null);
}

function rangeOf(key, numbers) {
  const [low, high] = state.ranges.get(key) ?? [-Infinity, Infinity];
  const field = (value, end, name) => el("input", {
    type: "number", step: "any", value: Number.isFinite(value) ? value : "", placeholder: said(rounded(end)), "aria-label": `${key} ${name}`,
    onchange: (event) => setRange(key, name, event.target.value),
  });
  return el("div", { class: "range" }, field(low, numbers[0], "from"), "to", field(high, numbers[numbers.length - 1], "to"));
}

function setRange(key, name, text) {
  const range = state.ranges.get(key) ?? [-Infinity, Infinity];
  range[name === "from" ? 0 : 1] = text === "" ? (name === "from" ? -Infinity : Infinity) : Number(text);
  if (range.some(Number.isFinite)) state.ranges.set(key, range);
  else state.ranges.delete(key);
  draw();
}

function toggleFilter(key, value) {
  const wanted = state.filters.get(key) ?? new Set();
  if (!wanted.delete(value)) wanted.add(value);
  state.filters.set(key, wanted);
  draw();
  document.querySelector(`[data-filter="${CSS.escape(key)}"][data-value="${CSS.escape(said(value))}"]`)?.focus();
}
