// From a key press to an action, on keyboards of all kinds.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.mjs";
import { Keymap, chordOf, digitOf, isTyping, keyName } from "./keys.js";

const press = (key, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, getModifierState: () => false, ...more });

test("a press is written as in the keys file", () => {
  const cases = [
    [press("x"), "x"], [press("X"), "x"], [press("X", { shiftKey: true }), "Shift+x"], [press(" "), "Space"], [press(" ", { shiftKey: true }), "Shift+Space"],
    [press("z", { ctrlKey: true }), "Ctrl+z"], [press("z", { metaKey: true }), "Ctrl+z"], [press("Z", { ctrlKey: true, shiftKey: true }), "Ctrl+Shift+z"],
    [press("x", { altKey: true }), "Alt+x"], [press("Enter", { shiftKey: true }), "Shift+Enter"], [press("?", { shiftKey: true }), "?"], [press("é", { shiftKey: true }), "Shift+é"],
    [press("[", { ctrlKey: true, altKey: true, getModifierState: (name) => name === "AltGraph" }), "["],
  ];
  for (const [event, chord] of cases) assert.equal(chordOf(event), chord);
});

test("digits go by what was typed, else by their place, and not with Shift or a modifier", () => {
  const cases = [
    [press("1"), 1], [press("9"), 9], [press("0"), 0], [press("&", { code: "Digit1" }), 1], [press("à", { code: "Digit0" }), 0], [press("3", { code: "Numpad3" }), 3],
    [press("!", { code: "Digit1", shiftKey: true }), 0], [press("1", { ctrlKey: true }), 0], [press("1", { altKey: true }), 0], [press("1", { metaKey: true }), 0],
  ];
  for (const [event, digit] of cases) assert.equal(digitOf(event), digit);
});

const KEYS = { next: ["ArrowRight"], keep: ["Space", "k"], keep_left: ["ArrowLeft"], keep_right: ["ArrowRight"], repeat: [] };

test("where copies are compared their keys go first, elsewhere they mean nothing", () => {
  const map = new Keymap(KEYS);
  assert.deepEqual([true, false].map((comparing) => map.action(press("ArrowRight"), { comparing })), ["keep_right", "next"]);
  assert.deepEqual([true, false].map((comparing) => map.action(press("ArrowLeft"), { comparing })), ["keep_left", ""]);
  assert.equal(map.action(press("k"), { comparing: true }), "keep");
  assert.equal(map.action(press("4"), { comparing: true }), "label4");
  assert.equal(map.action(press("q"), { comparing: false }), "");
});

test("a key cap shows the first key of an action", () => {
  const map = new Keymap(KEYS);
  assert.deepEqual([map.cap("keep"), map.cap("repeat"), map.cap("nothing"), map.caps("keep")], ["Space", "", "", ["Space", "K"]]);
  assert.deepEqual(["Shift+x", "Ctrl+Shift+z", "+", "Enter", "Alt+ArrowLeft"].map(keyName), ["⇧X", "Ctrl ⇧Z", "+", "⏎", "Alt ←"]);
});

test("a press outside any element is no typing", () => {
  assert.equal(isTyping({ target: null, key: "x" }), false);
});
