// A page as the probabilities mark it, and what is left in words.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { leftWords, stopWords } from "./estimate.js";
import { KEEP, Listing, REJECT } from "./listing.js";
import { Server, columnsOf } from "./page.mjs";
import { PAGE, byDefault, pageOf, whyOut } from "./weed.js";

const all = () => true;

beforeEach(() => { new Server(); });

test("a picture goes out from a half on, for the reason of its check, or as a person's own doing", () => {
  const listing = new Listing(columnsOf([{ verdict: "s", reason: "bad.offtopic" }, {}, { verdict: "s", reason: "dup.near" }]), "one");

  assert.deepEqual(byDefault(listing, 0, 0.4999), { action: KEEP });
  assert.deepEqual(byDefault(listing, 0, 0.5), { action: REJECT, reason: "bad.offtopic" });
  assert.deepEqual(byDefault(listing, 1, 0.9), { action: REJECT, reason: "user.rejected" });
  assert.deepEqual(byDefault(listing, 2, 0.9), { action: REJECT, reason: "user.rejected" });
});

test("a page has forty pictures, in the order of the server, without those that do not pass", () => {
  const rows = Array.from({ length: 50 }, (_, n) => n), scores = rows.map((row) => 1 - row / 50);

  const page = pageOf("weed", { rows, scores }, (row) => row % 2 === 0);
  assert.deepEqual([page.length, page[0], page[1]], [25, [0, 1], [2, 0.96]]);
  assert.equal(pageOf("weed", { rows, scores }, all).length, PAGE);
});

test("to confirm are only those that would go out", () => {
  const page = pageOf("confirm", { rows: [7, 8, 9], scores: [0.9, 0.5, 0.49] }, all);

  assert.deepEqual(page, [[7, 0.9], [8, 0.5]]);
});

test("what is left is said with its interval, and how many pages halve it", () => {
  const left = (more) => leftWords({ value: 31.2, margin: 9, high: 40, unseen: 1398, halved_after: 2, stop: false, ...more });

  assert.equal(left({}), "About 31 ± 9 wrong ones left in 1,398 unseen; two more pages should halve it.");
  assert.equal(left({ halved_after: 1 }), "About 31 ± 9 wrong ones left in 1,398 unseen; one more page should halve it.");
  assert.equal(left({ halved_after: 12 }), "About 31 ± 9 wrong ones left in 1,398 unseen; 12 more pages should halve it.");
  assert.equal(left({ value: 1.2, margin: 2 }), "About 1 ± 2 wrong one left in 1,398 unseen.");
  assert.equal(left({ unseen: 0 }), "Every picture of the set has been looked at.");
});

test("the upper end of the interval says when to stop", () => {
  assert.equal(stopWords({ high: 4, unseen: 400, stop: true }), "You can stop here: at most 4 wrong ones are left, by the 95 % interval.");
  assert.equal(stopWords({ high: 40, unseen: 400, stop: false }), "Stop when hardly 1 % of the set is wrong; now at most 40 wrong ones are left, by the 95 % interval.");
  assert.equal(stopWords({ high: 1, unseen: 4, stop: true }), "You can stop here: at most 1 wrong one is left, by the 95 % interval.");
  assert.equal(stopWords({ high: 0, unseen: 0, stop: true }), "");
});

test("what is marked out says why: the person's reason, the checks', or that pictures like it went out", () => {
  const listing = new Listing(columnsOf([{ verdict: "s", reason: "bad.offtopic" }, { probability: 0.1 }]), "one");
  const told = (row, more) => whyOut(listing, row, { reason: "user.rejected", known: "nothing unusual", probability: 0.9, ...more });

  assert.equal(told(0, { reason: "bad.offtopic", known: "far from all" }), "far from all");
  assert.equal(told(0, { reason: "bad.text", known: "far from all" }), listing.say("bad.text"));
  assert.equal(told(1, {}), "like others that went out");
  assert.equal(told(1, { probability: 0.2 }), "");
});
