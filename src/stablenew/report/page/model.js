// What the report shows: the pictures, what varies between them, and which of them pass the filters and in what order.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const ITEMS = DATA.items;
const NONE = "\u2014";
const COLLATOR = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// Every item has one flat map of values; the axes of grids, filters and sorting all read it.
for (const [number, item] of ITEMS.entries()) {
  item.number = number;
  item.values = {
    ...item.settings,
    prompt: item.prompt,
    "negative prompt": item.negative,
    seed: item.seed,
    ...Object.fromEntries(Object.entries(item.bindings).map(([slot, value]) => [`[[${slot}]]`, value])),
    status: item.status,
    rating: item.rating,
    seconds: item.seconds,
  };
  item.text = [item.prompt, item.negative, item.notes, item.tags.join(" "), item.id, ...Object.values(item.bindings)]
    .join("\n").toLocaleLowerCase();
}

const KEYS = [...new Set(ITEMS.flatMap((item) => Object.keys(item.values)))];
const DISTINCT = new Map(KEYS.map((key) => [key, distinct(key)]));
const NOT_SETTINGS = new Set(["status", "rating", "seconds"]);
const VARYING = KEYS.filter((key) => DISTINCT.get(key).length > 1);
// What a caption says: settings that vary and do not merely number the pictures.
const AXES = VARYING.filter((key) => !NOT_SETTINGS.has(key));
const SAID = AXES.filter((key) => key !== "prompt" && key !== "negative prompt" && key !== "seed");

const state = {
  view: "sheet", sort: "number", ascending: true, search: "", filters: new Map(), ranges: new Map(),
  rows: null, columns: null, measure: "rating", sizes: { sheet: 176, grid: 112 }, chosen: new Set(), focused: 0,
};

function said(value) {
  if (value === null || value === undefined || value === "") return NONE;
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return String(value);
}

function order(a, b) {
  if (a === b) return 0;
  const none = [a, b].map((value) => value === null || value === undefined || value === "");
  if (none[0] || none[1]) return none[0] ? (none[1] ? 0 : 1) : -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return COLLATOR.compare(String(a), String(b));
}

// In order of size or alphabet; prompts in the order of the pack.
function distinct(key) {
  const found = [...new Set(ITEMS.map((item) => item.values[key] ?? null))];
  return key.endsWith("prompt") ? found : found.sort(order);
}

function passes(item, except) {
  if (state.search && !state.search.split(/\s+/).every((word) => item.text.includes(word))) return false;
  for (const [key, wanted] of state.filters) {
    if (key !== except && wanted.size && !wanted.has(item.values[key] ?? null)) return false;
  }
  for (const [key, [low, high]] of state.ranges) {
    const value = item.values[key];
    if (key !== except && (typeof value !== "number" || value < low || value > high)) return false;
  }
  return true;
}

function shown() {
  const found = ITEMS.filter((item) => passes(item));
  const key = state.sort;
  const turn = state.ascending ? 1 : -1;
  if (key === "number") return turn > 0 ? found : found.reverse();
  // What has no value comes last, whichever way round.
  const missing = (item) => item.values[key] === null || item.values[key] === undefined;
  return found.sort((a, b) =>
    missing(a) - missing(b) || turn * order(a.values[key], b.values[key]) || a.number - b.number);
}

function filtered() {
  return Boolean(state.search) || [...state.filters.values()].some((wanted) => wanted.size) || state.ranges.size > 0;
}

function mean(items, key) {
  const values = items.map((item) => item.values[key]).filter((value) => typeof value === "number");
  return values.length ? { n: values.length, mean: values.reduce((sum, value) => sum + value, 0) / values.length } : null;
}

function differing(items) {
  return KEYS.filter((key) => new Set(items.map((item) => said(item.values[key]))).size > 1);
}

// Rows and columns to begin with: the plan's own axes, else the settings with few values, else prompt and seed.
function firstAxes() {
  const few = (key) => DISTINCT.get(key).length <= 24;
  const planned = DATA.axes.filter((key) => AXES.includes(key));
  const candidates = [...new Set([...planned, ...SAID.filter(few), ...AXES.filter(few), ...AXES])];
  const rows = AXES.includes("prompt") && few("prompt") ? "prompt" : candidates[1] ?? candidates[0] ?? "prompt";
  const columns = candidates.find((key) => key !== rows) ?? (rows === "prompt" ? "seed" : "prompt");
  return [rows, columns];
}
[state.rows, state.columns] = firstAxes();
