// Small questions over the page: which label, which reason, are you sure, what do the keys do.

import { cap, fill, h, settings } from "./dom.js";
import { ABOUT, keyName } from "./keys.js";

/** Show a dialog and take it away when it closes; the focus goes back to where it was. */
function show(element) {
  const before = document.activeElement;
  document.body.append(element);
  element.addEventListener("close", () => { element.remove(); if (before instanceof HTMLElement) before.focus({ preventScroll: true }); });
  element.addEventListener("click", (event) => { if (event.target === element) element.close(); });
  element.showModal();
  return element;
}

/** How well a name fits what was typed: lower is better, null for not at all. Letters in order are enough. */
export function fuzzy(name, typed) {
  const text = name.toLowerCase(), wanted = typed.toLowerCase();
  if (!wanted) return 0;
  if (text === wanted) return -1;
  const at = text.indexOf(wanted);
  if (at === 0) return 0;
  if (at > 0) return /[\s_-]/.test(text[at - 1]) ? 1 : 2;
  const initials = text.split(/[\s_-]+/).map((word) => word[0]).join("");
  if (initials.startsWith(wanted)) return 3;
  let from = 0, gaps = 0;
  for (const letter of wanted) {
    const found = text.indexOf(letter, from);
    if (found < 0) return null;
    gaps += found - from;
    from = found + 1;
  }
  return 4 + gaps / 100;
}

/**
 * Ask for a label by typing; Enter takes the first.
 * @param {[string, string][]} labels  folder and name by number
 * @param {object} on  pick(number), add(name)
 */
export function labelDialog(labels, current, on) {
  const input = h("input", { type: "text", placeholder: "Type a label", "aria-label": "Label", autocomplete: "off", spellcheck: "false", role: "combobox", "aria-expanded": "true", "aria-controls": "label-list" });
  const list = h("ul.choices", { role: "listbox", id: "label-list" });
  const dialog = h("dialog.labels", { "aria-label": "Choose a label" }, input, list);
  let choices = [], chosen = 0;
  const take = (n) => {
    const choice = choices[n];
    if (!choice) return;
    dialog.close();
    if (choice.number >= 0) on.pick(choice.number); else on.add(choice.name);
  };
  const draw = () => {
    const typed = input.value.trim();
    const scored = labels.map(([slug, name], number) => ({ number, name, slug, score: fuzzy(name, typed) ?? fuzzy(slug, typed) }));
    choices = scored.filter(({ score }) => score !== null).sort((a, b) => a.score - b.score || a.number - b.number);
    const exact = labels.some(([slug, name]) => [slug.toLowerCase(), name.toLowerCase()].includes(typed.toLowerCase()));
    if (typed && !exact) choices.push({ number: -1, name: typed });
    chosen = Math.max(0, Math.min(chosen, choices.length - 1));
    fill(list, choices.map((choice, n) => h("li", {
      role: "option", id: `choice-${n}`, "aria-selected": n === chosen ? "true" : "false", onclick: () => take(n),
    }, choice.number < 0 ? h("span.new", {}, "New label: ", h("b", {}, choice.name)) : choice.name,
    choice.number >= 0 && choice.number < 9 ? cap(String(choice.number + 1)) : null,
    choice.number === current ? h("span.now", {}, "now") : null)));
    input.setAttribute("aria-activedescendant", choices.length ? `choice-${chosen}` : "");
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
  };
  input.addEventListener("input", () => { chosen = 0; draw(); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { chosen = (chosen + step + choices.length) % Math.max(1, choices.length); draw(); event.preventDefault(); }
    if (event.key === "Enter") { take(chosen); event.preventDefault(); }
  });
  draw();
  show(dialog);
  input.focus();
}

/**
 * Ask why; one letter answers.
 * @param {[string, string, string][]} choices  letter, code of the reason, words
 */
export function reasonDialog(choices, onPick) {
  const pick = (reason) => { dialog.close(); onPick(reason); };
  const dialog = h("dialog.reasons", { "aria-label": "Why is it out?" }, h("h2", {}, "Why is it out?"),
    h("ul.choices", {}, choices.map(([letter, reason, text]) =>
      h("li", {}, h("button", { onclick: () => pick(reason) }, cap(letter.toUpperCase()), text)))));
  dialog.addEventListener("keydown", (event) => {
    const found = choices.find(([letter]) => letter === event.key.toLowerCase());
    if (found && !event.ctrlKey && !event.altKey && !event.metaKey) { event.preventDefault(); pick(found[1]); }
  });
  show(dialog);
}

export function confirmDialog(question, remark, onYes) {
  const dialog = h("dialog.confirm", { "aria-label": question }, h("h2", {}, question), h("p", {}, remark),
    h("div.row", {}, h("button.quiet", { onclick: () => dialog.close() }, "Cancel"),
      h("button.primary", { autofocus: true, onclick: () => { dialog.close(); onYes(); } }, "Go on")));
  show(dialog);
}

/** All keys of this person, what fingers do, and the few settings there are. */
export function helpDialog(keymap, on) {
  const box = (name, text, otherwise, changed) => {
    const input = h("input", { type: "checkbox" });
    input.checked = settings.get(name, otherwise) === "on";
    input.addEventListener("change", () => { settings.set(name, input.checked ? "on" : "off"); changed?.(); });
    return h("label.setting", {}, input, text);
  };
  const theme = h("select", { onchange: () => { settings.set("theme", theme.value); on.theme(); } },
    ["auto", "light", "dark"].map((name) => h("option", { value: name }, name)));
  theme.value = settings.get("theme", "auto");
  const dialog = h("dialog.help", { "aria-label": "Keys and settings" },
    h("header", {}, h("h2", {}, "Keys"), h("button.quiet", { onclick: () => dialog.close(), "aria-label": "Close" }, "✕")),
    h("div.columns", {}, ABOUT.map(([title, actions]) => h("section", {}, h("h3", {}, title), h("dl", {},
      Object.entries(actions).filter(([name]) => keymap.caps(name).length).map(([name, text]) =>
        [h("dt", {}, keymap.caps(name).map((one) => cap(one))), h("dd", {}, text)]),
      title === "Decide" ? [h("dt", {}, cap("1"), "…", cap("9")), h("dd", {}, "Give one of the first nine labels")] : null,
      title === "Grid" ? [h("dt", {}, cap(keyName("Shift+ArrowRight"))), h("dd", {}, "Select a range; Shift-click does too")] : null)))),
    h("section", {}, h("h3", {}, "Fingers"), h("p", {}, "Swipe right to keep, left to reject, up for unsure. Two fingers: pinch to zoom, tap to undo.")),
    h("section.settings", {}, h("h3", {}, "Settings"),
      box("advance", "Go on to the next picture after deciding", "on", on.changed),
      box("letters", "Single letters are keys", "on", on.changed),
      h("label.setting", {}, "Colours ", theme),
      h("p.small", {}, "Own keys: write them into the file keys.toml in the folder imgkit of your settings, such as ", h("code", {}, 'reject = ["d", "Delete"]'), ".")));
  dialog.addEventListener("keydown", (event) => { if (event.key === "?") { event.preventDefault(); dialog.close(); } });
  show(dialog);
}
