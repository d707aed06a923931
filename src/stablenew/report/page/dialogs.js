// One picture in full, several side by side, and what can be copied.
"use strict";

function closeButton(dialog) {
  return el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "\u00d7");
}

// The original where it can be reached, the thumbnail inside this file where it cannot.
function bigPicture(item) {
  if (!item.thumb && !item.image) return thumb(item);
  const picture = el("img", { src: item.thumb || item.image, alt: altOf(item) });
  if (item.image) {
    const original = new Image();
    original.onload = () => { picture.src = original.src; };
    original.src = item.image;
  }
  return item.image ? el("a", { href: item.image, target: "_blank", rel: "noopener noreferrer", title: "Open the original" }, picture) : picture;
}

function replace(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null));
}

// The dialog itself has the focus, so that keys work and no button looks chosen.
function show(dialog) {
  if (!dialog.open) {
    dialog.tabIndex = -1;
    dialog.showModal();
    dialog.focus();
  }
}

function copyButton(name, text) {
  return el("button", { type: "button", onclick: () => copy(text(), name) }, `Copy ${name}`);
}

function setFlags(item) {
  const quote = (text) => (/^[\w.,:/=+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
  const flags = Object.entries(item.set).map(([key, value]) => `--set ${quote(`${key}=${value}`)}`);
  return [...flags, item.seed === null ? "" : `--seed ${item.seed}`].filter(Boolean).join(" ");
}

async function copy(text, name) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    // No clipboard for pages opened from a file in some browsers: the old way still works there.
    const area = el("textarea", { class: "sr" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  toast(done ? `Copied: ${name}` : "This browser does not let the page copy");
}

let toastTimer = 0;
function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("shown"), 1600);
}

function definitions(pairs) {
  return el("dl", { class: "settings" }, ...pairs.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, said(value))]));
}

let detailed = null;

function openDetail(item) {
  detailed = item;
  const dialog = $("detail");
  const settings = Object.entries({ ...item.settings, seed: item.seed, ...item.bindings });
  const facts = [["record", item.id], ["run", item.run], ["made", item.made], ["backend", item.backend], ["status", item.status],
    ["seconds", item.seconds === null ? null : rounded(item.seconds)], ["tags", item.tags.join(", ")], ["notes", item.notes], ["error", item.error]];
  const step = (by, name, sign) => el("button", { type: "button", "aria-label": name, title: name, onclick: () => stepDetail(by) }, sign);
  dialog.replaceChildren(
    el("div", { class: "top" }, el("h2", { id: "detail-title" }, labelOf(item)),
      el("span", { class: "stars" }, starsOf(item)), step(-1, "Previous (left)", "\u2190"), step(1, "Next (right)", "\u2192"), closeButton(dialog)),
    el("div", { class: "detail" },
      el("figure", {}, bigPicture(item), el("figcaption", {},
        item.width ? `${item.width} \u00d7 ${item.height}` : "",
        item.image ? el("a", { href: item.image, target: "_blank", rel: "noopener noreferrer" }, item.file) : "")),
      el("div", {},
        el("p", { class: "words" }, item.prompt),
        item.negative ? el("p", { class: "words" }, el("small", {}, "Negative prompt"), item.negative) : null,
        el("div", { class: "copies" }, copyButton("parameters", () => item.infotext), copyButton("--set options", () => setFlags(item)),
          copyButton("JSON", () => JSON.stringify({ prompt: item.prompt, negative_prompt: item.negative, seed: item.seed, ...item.settings }, null, 2)),
          copyButton("prompt", () => item.prompt)),
        definitions(settings),
        el("p", { class: "quiet" }, "\u00a0"),
        definitions(facts.filter(([, value]) => value !== null && value !== undefined && value !== "")))));
  show(dialog);
  dialog.scrollTop = 0;
}

function stepDetail(by) {
  const list = current.length ? current : ITEMS;
  const at = list.indexOf(detailed);
  openDetail(list[(at + by + list.length) % list.length]);
  state.focused = detailed.number;
}

const COMPARED_MAX = 6;
let onlyDiffering = true;

function openComparison() {
  const items = [...state.chosen].map((number) => ITEMS[number]).slice(0, COMPARED_MAX);
  if (items.length < 2) return toast("Select two pictures or more (space)");
  const dialog = $("comparison");
  const differ = new Set(differing(items));
  const keys = KEYS.filter((key) => differ.has(key) || (!onlyDiffering && items.some((item) => said(item.values[key]) !== NONE)));
  const rows = keys.map((key) => el("tr", { class: differ.has(key) ? "" : "same" }, el("th", { scope: "row" }, shortKey(key)), ...cells(items, key, differ)));
  const toggle = el("input", { type: "checkbox", id: "only-differing", onchange: (event) => { onlyDiffering = event.target.checked; openComparison(); } });
  toggle.checked = onlyDiffering;
  replace(dialog,
    el("div", { class: "top" }, el("h2", { id: "comparison-title" }, `${items.length} pictures side by side`),
      el("label", {}, toggle, " Only what differs"), closeButton(dialog)),
    el("table", { class: "differs" },
      el("thead", {}, el("tr", {}, el("th"), ...items.map((item) => el("td", {}, el("figure", { class: "compared" }, bigPicture(item)))))),
      el("tbody", {}, ...rows)),
    keys.length ? null : el("p", { class: "nothing" }, "Nothing recorded differs."));
  show(dialog);
  return undefined;
}

function cells(items, key, differ) {
  const texts = items.map((item) => said(key === "seconds" ? rounded(item.values[key]) : item.values[key]));
  const words = differ.has(key) && key.endsWith("prompt");
  return texts.map((text, number) => el("td", {}, ...(words && number ? wordsNotIn(text, texts[0]) : [text])));
}

// Words of a prompt that the first one does not have, marked.
function wordsNotIn(text, first) {
  const has = new Set(first.toLocaleLowerCase().split(/[\s,]+/));
  return text.split(/([\s,]+)/).map((word) => (!word || /^[\s,]+$/.test(word) || has.has(word.toLocaleLowerCase()) ? word : el("mark", {}, word)));
}
