// Reads cases as JSON from the standard input and writes what outcomes.js makes of them.

import { Listing, Marks } from "./listing.js";
import { alone, ofGroup } from "./outcomes.js";

let text = "";
for await (const part of process.stdin) text += part;
const answers = JSON.parse(text).map(({ columns, marks }) => {
  const listing = new Listing(columns, "revision"), own = new Marks(listing.rows);
  for (const [row, mark] of marks) own.set(row, mark);
  const found = new Map();
  for (let row = 0; row < listing.rows; row++) if (listing.group[row] < 0) found.set(row, alone(listing, own, row));
  for (const rows of listing.members) for (const [row, outcome] of ofGroup(listing, own, rows)) found.set(row, outcome);
  return Array.from({ length: listing.rows }, (_, row) => found.get(row));
});
process.stdout.write(JSON.stringify(answers));
