// Which pictures a mode shows, in what order, and how many wait: exact rows.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Server, columnsOf, stateOf } from "./page.mjs";
import { MODES, NO_FILTER, belongs, groupIsOpen, groupsOf, isHurried, isOpen, isShown, modeOf, openCounts, passes, resorted, rowsOf } from "./queue.js";
import { Store } from "./store.js";

const suspect = (score, more = {}) => ({ verdict: "s", reason: "bad.offtopic", check: "offtopic", score, ...more });
const storeOf = (pictures, marks = []) => Object.assign(new Store(columnsOf(pictures), stateOf({ marks })), { hurried: new Set() });

beforeEach(() => { new Server(); });

test("suspects come by the probability that they are wrong, whichever check found them, then by row", () => {
  const label = (probability) => suspect(0.1, { check: "label", reason: "bad.label", probability });
  const store = storeOf([suspect(0.2), {}, label(0.5), suspect(0.9), label(0.95), suspect(0.9), { verdict: "r", reason: "img.blank" }]);

  assert.deepEqual(rowsOf("suspects", store, NO_FILTER), [4, 3, 5, 2, 0]);
});

test("a suspect that has copies waits once, among the suspects, and is no choice between files", () => {
  const store = storeOf([suspect(0.9, { group: 0 }), { group: 0, rank: 1, verdict: "r", reason: "dup.near", check: "near" }, {}]);

  assert.deepEqual(rowsOf("suspects", store, NO_FILTER), [0]);
  assert.deepEqual(openCounts(store), { suspects: 1, labels: 0, duplicates: 0, second: 0, trash: 1 });
});

test("whether a picture is a copy is a suspect, and a choice between files", () => {
  const store = storeOf([{ group: 0 }, { ...suspect(0.5), reason: "dup.near", group: 0, rank: 1 }]);

  assert.deepEqual([rowsOf("suspects", store, NO_FILTER), groupIsOpen(store, 0), openCounts(store).suspects], [[1], true, 1]);
});

test("labels are the suspects with a suggestion, the surest first", () => {
  const store = storeOf([suspect(0.3, { suggested: 1 }), suspect(0.9), suspect(0.8, { suggested: 1 }), { suggested: 1 }]);

  assert.deepEqual(rowsOf("labels", store, NO_FILTER), [2, 0]);
});

test("what is decided or marked unsure does not wait; what is unsure has a second look", () => {
  const store = storeOf([suspect(0.9), suspect(0.8), suspect(0.7)], [[0, "keep", "", -1, 0, 1], [1, "", "", -1, 1, 0]]);

  assert.deepEqual([0, 1, 2].map((row) => isOpen("suspects", store, row)), [false, false, true]);
  assert.deepEqual(openCounts(store), { suspects: 2, labels: 0, duplicates: 0, second: 1, trash: 0 });  // nobody has decided about row 1
  assert.equal(belongs("second", store, 1), true);
});

test("a decision of less than 150 ms was made in a hurry; one of unknown time was not", () => {
  assert.deepEqual([0, 1, 149, 150, 151].map(isHurried), [false, true, true, false, false]);
});

test("set aside are what people rejected first, then what the checks left out", () => {
  const store = storeOf([{ verdict: "r", reason: "img.blank" }, {}, { verdict: "r", reason: "dup.exact" }], [[1, "reject", "", -1, 0, 1]]);

  assert.deepEqual(rowsOf("trash", store, NO_FILTER), [1, 0, 2]);
});

test("the grid holds the set and what waits; by label is by row; at random is the same each time", () => {
  const store = storeOf([{}, { verdict: "r", reason: "img.blank" }, suspect(0.99, { inside: false }), {}]);

  assert.deepEqual(rowsOf("grid", store, NO_FILTER), [2, 0, 3]);
  assert.deepEqual(rowsOf("grid", store, NO_FILTER, "label"), [0, 2, 3]);
  assert.deepEqual(rowsOf("grid", store, NO_FILTER, "random"), rowsOf("grid", store, NO_FILTER, "random"));
});

test("a filter goes by the label that a picture has now, by reason, by source and by state", () => {
  const store = storeOf([suspect(0.9), suspect(0.8, { provider: 1 }), {}], [[0, "relabel", "", 1, 0, 1]]);
  const through = (filter) => [0, 1, 2].filter((row) => passes({ ...NO_FILTER, ...filter }, store, row));

  assert.deepEqual(through({}), [0, 1, 2]);
  assert.deepEqual(through({ label: 0 }), [1, 2]);
  assert.deepEqual(through({ label: 1 }), [0]);
  assert.deepEqual(through({ provider: 1 }), [1]);
  assert.deepEqual(through({ reason: "bad.offtopic" }), [0, 1]);
  assert.deepEqual(through({ state: "open" }), [1, 2]);
  assert.deepEqual(through({ state: "decided" }), [0]);
});

test("groups that cross labels come first, then the likeliest copies, then in order", () => {
  const copy = (group, score, label = 0) => ({ group, score, label, verdict: "r", reason: "dup.near" });
  const store = storeOf([copy(0, 0.5), copy(0, 0.4), copy(1, 0.9), copy(1, 0.1), copy(2, 0.2), copy(2, 0.2, 1), copy(3, 0.9), copy(3, 0.9)]);

  assert.deepEqual(groupsOf(store, NO_FILTER), [2, 1, 3, 0]);
});

test("what was seen stays where it is, what waits after it is sorted again, what is decided goes last", () => {
  const store = storeOf([suspect(0.1), suspect(0.9), suspect(0.5), suspect(0.7)], [[1, "keep", "", -1, 0, 1]]);
  store.learnt = new Map([[2, 0.3], [3, 0.8]]);

  assert.deepEqual(resorted("suspects", store, [0, 1, 2, 3], 0), [0, 3, 2, 1]);
});

test("an unknown mode is the first", () => {
  assert.deepEqual([modeOf("nowhere").name, modeOf("audit").name], ["weed", "audit"]);
});

test("the uncertain ones come nearest to a half first; what is nearly certain is none of them", () => {
  const store = storeOf([{}, {}, {}, {}, {}]);
  store.learnt = new Map([[0, 0.95], [1, 0.2], [2, 0.55], [3, 0.09], [4, 0.1]]);

  assert.deepEqual(rowsOf("uncertain", store, NO_FILTER), [2, 1, 4]);
});

test("words let through what the server found for them", () => {
  const store = storeOf([{}, {}, {}]);

  assert.deepEqual([0, 1, 2].filter((row) => passes({ ...NO_FILTER, found: new Set([1]) }, store, row)), [1]);
});

test("modes that are opened from others have no tab of their own", () => {
  assert.deepEqual(MODES.filter((mode) => !isShown(mode)).map(({ name }) => name), ["uncertain", "confirm", "similar"]);
});
