"""The tables of the manifest and the steps from each schema version to the next."""

from typing import Final

APPLICATION_ID: Final = 0x494D474B  # "IMGK"

_VERSION_1: Final = """
CREATE TABLE label (
    slug TEXT PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE TABLE query (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL REFERENCES label(slug),
    text TEXT NOT NULL,
    exclude TEXT NOT NULL,          -- JSON list
    providers TEXT NOT NULL,        -- JSON list, empty: the defaults of the run
    max_candidates INTEGER,
    licences TEXT NOT NULL,         -- JSON list
    UNIQUE (label, text, exclude, providers, licences)
);
CREATE TABLE search (
    query_id INTEGER NOT NULL REFERENCES query(id),
    provider TEXT NOT NULL,
    cursor TEXT NOT NULL,           -- JSON, the provider's own
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    found INTEGER NOT NULL,
    PRIMARY KEY (query_id, provider)
);
CREATE TABLE image (
    id TEXT PRIMARY KEY,            -- first 20 hex digits of sha256
    sha256 TEXT NOT NULL UNIQUE,
    stored_sha256 TEXT NOT NULL,
    extension TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    notes TEXT NOT NULL             -- JSON list
);
CREATE TABLE candidate (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL REFERENCES label(slug),
    query_id INTEGER NOT NULL REFERENCES query(id),
    provider TEXT NOT NULL,
    round INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    url TEXT NOT NULL,
    url_key TEXT NOT NULL,          -- the address without what does not change the picture
    proposal TEXT NOT NULL,         -- JSON: page, author, licence, ...
    state TEXT NOT NULL CHECK (state IN ('pending', 'kept', 'rejected', 'deferred')),
    reason TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL,
    image_id TEXT REFERENCES image(id),
    UNIQUE (label, provider, url_key)
);
CREATE INDEX candidate_by_state ON candidate (label, state);
CREATE INDEX candidate_by_image ON candidate (image_id);
CREATE INDEX candidate_by_address ON candidate (label, url_key);
CREATE TABLE item (
    label TEXT NOT NULL REFERENCES label(slug),
    image_id TEXT NOT NULL REFERENCES image(id),
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    file_sha256 TEXT NOT NULL,
    PRIMARY KEY (label, image_id)
);
CREATE TABLE finding (
    label TEXT NOT NULL,
    image_id TEXT NOT NULL,
    check_name TEXT NOT NULL,
    score REAL NOT NULL,
    threshold REAL NOT NULL,
    detail TEXT NOT NULL,           -- JSON object
    version INTEGER NOT NULL,
    PRIMARY KEY (label, image_id, check_name)
);
CREATE TABLE judgement (
    label TEXT NOT NULL,
    image_id TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('keep', 'reject', 'suspect')),
    reason TEXT NOT NULL,
    check_name TEXT NOT NULL,
    score REAL NOT NULL,
    detail TEXT NOT NULL,
    suggested TEXT NOT NULL,
    group_name TEXT NOT NULL,
    PRIMARY KEY (label, image_id)
);
CREATE TABLE decision (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    image_id TEXT NOT NULL,
    label TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('keep', 'reject', 'relabel', 'undo')),
    reason TEXT NOT NULL,
    to_label TEXT NOT NULL,
    undoes INTEGER REFERENCES decision(id),
    key TEXT UNIQUE                 -- NULL where the writer never retries
);
CREATE INDEX decision_by_item ON decision (label, image_id);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kept INTEGER NOT NULL,          -- pictures in the set when the sample was drawn
    unseen INTEGER NOT NULL,        -- those of them that no person had decided about
    sample TEXT NOT NULL            -- JSON list of [label, image_id, "sample" or "catch"] in the order shown
);
CREATE TABLE review (               -- what a person did on the review page, one row an action
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    key TEXT NOT NULL UNIQUE,       -- its decisions have the keys <key>.0, <key>.1, ...
    reviewer TEXT NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('decide', 'unsure', 'answer', 'undo')),
    label TEXT NOT NULL,            -- the item that was painted when the key was pressed
    image_id TEXT NOT NULL,
    answer TEXT NOT NULL,
    undoes TEXT NOT NULL,           -- the key of the action that is taken back
    audit INTEGER REFERENCES audit(id),
    dwell_ms INTEGER NOT NULL
);
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL,
    arguments TEXT NOT NULL,        -- JSON object
    summary TEXT NOT NULL           -- JSON object
);
CREATE TABLE host (
    name TEXT PRIMARY KEY,
    deferred_until REAL,
    reason TEXT NOT NULL DEFAULT '',
    robots TEXT,                    -- the text of robots.txt, NULL: not asked yet
    robots_at REAL
);
CREATE TABLE tombstone (
    kind TEXT NOT NULL CHECK (kind IN ('url', 'sha256', 'host', 'author')),
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (kind, value)
);
"""

_VERSION_2: Final = """
ALTER TABLE tombstone RENAME TO earlier_tombstone;
CREATE TABLE tombstone (            -- look: a perceptual hash, so that copies stay away too
    kind TEXT NOT NULL CHECK (kind IN ('url', 'sha256', 'host', 'author', 'look')),
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (kind, value)
);
INSERT INTO tombstone SELECT * FROM earlier_tombstone;
DROP TABLE earlier_tombstone;
"""

# counts that are kept up to date with every row: counting a million rows takes seconds
_VERSION_3: Final = """
CREATE TABLE tally (
    of TEXT NOT NULL CHECK (of IN ('candidate', 'item', 'judged')),  -- judged: items with a verdict of the machine
    label TEXT NOT NULL,
    provider TEXT NOT NULL,         -- of candidates
    state TEXT NOT NULL,            -- of candidates; the verdict of what is judged
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (of, label, provider, state, reason)
) WITHOUT ROWID;
INSERT INTO tally SELECT 'candidate', label, provider, state, reason, count(*) FROM candidate GROUP BY 2, 3, 4, 5;
INSERT INTO tally SELECT 'item', label, '', '', '', count(*) FROM item GROUP BY label;
INSERT INTO tally SELECT 'judged', label, '', verdict, reason, count(*) FROM item JOIN judgement USING (label, image_id)
    GROUP BY label, verdict, reason;
CREATE TRIGGER candidate_comes AFTER INSERT ON candidate BEGIN
    INSERT INTO tally VALUES ('candidate', new.label, new.provider, new.state, new.reason, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER candidate_goes AFTER DELETE ON candidate BEGIN
    UPDATE tally SET count = count - 1 WHERE of = 'candidate' AND label = old.label AND provider = old.provider
        AND state = old.state AND reason = old.reason;
END;
CREATE TRIGGER candidate_changes AFTER UPDATE OF label, provider, state, reason ON candidate BEGIN
    UPDATE tally SET count = count - 1 WHERE of = 'candidate' AND label = old.label AND provider = old.provider
        AND state = old.state AND reason = old.reason;
    INSERT INTO tally VALUES ('candidate', new.label, new.provider, new.state, new.reason, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER item_comes AFTER INSERT ON item BEGIN
    INSERT INTO tally VALUES ('item', new.label, '', '', '', 1) ON CONFLICT DO UPDATE SET count = count + 1;
    INSERT INTO tally SELECT 'judged', label, '', verdict, reason, 1 FROM judgement
        WHERE label = new.label AND image_id = new.image_id ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER item_goes AFTER DELETE ON item BEGIN
    UPDATE tally SET count = count - 1 WHERE of = 'item' AND label = old.label;
    UPDATE tally SET count = count - 1 WHERE of = 'judged' AND label = old.label AND (state, reason) IN
        (SELECT verdict, reason FROM judgement WHERE label = old.label AND image_id = old.image_id);
END;
CREATE TRIGGER judgement_comes AFTER INSERT ON judgement
WHEN EXISTS (SELECT 1 FROM item WHERE label = new.label AND image_id = new.image_id) BEGIN
    INSERT INTO tally VALUES ('judged', new.label, '', new.verdict, new.reason, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER judgement_goes AFTER DELETE ON judgement
WHEN EXISTS (SELECT 1 FROM item WHERE label = old.label AND image_id = old.image_id) BEGIN
    UPDATE tally SET count = count - 1 WHERE of = 'judged' AND label = old.label AND state = old.verdict
        AND reason = old.reason;
END;
"""

# all that counting needs of a judgement, so that the counts of what people decided touch no row
_VERSION_4: Final = """
CREATE INDEX IF NOT EXISTS judgement_in_short ON judgement (label, image_id, verdict, reason);
"""

# what people decided, folded as it comes, and where each item is in the end: no count looks at a row
_IN_FORCE: Final = """
    DELETE FROM in_force WHERE label = new.label AND image_id = new.image_id;
    INSERT INTO in_force SELECT label, image_id, id, action, CASE action
            WHEN 'reject' THEN iif(reason = '', 'user.rejected', reason) WHEN 'relabel' THEN 'user.moved' ELSE '' END
        FROM decision WHERE label = new.label AND image_id = new.image_id AND action <> 'undo' AND NOT undone
        ORDER BY id DESC LIMIT 1;
"""


def _counted(by: int, row: str) -> str:
    """Return the statement that puts the item of a row into the tally where it is now (1), or takes it out (-1)."""
    return (
        f"INSERT INTO tally SELECT 'item', label, '', state, reason, {by} FROM standing "
        f"WHERE label = {row}.label AND image_id = {row}.image_id ON CONFLICT DO UPDATE SET count = count + {by};"
    )


def _counted_again(table: str) -> str:
    """Return the triggers for a table on which it depends where an item is."""
    return "".join(
        f"CREATE TRIGGER {table}_{after} AFTER {event} ON {table} BEGIN {_counted(1, row)} END;"
        f"CREATE TRIGGER {table}_{before} BEFORE {event} ON {table} BEGIN {_counted(-1, row)} END;"
        for event, row, before, after in (
            ("INSERT", "new", "will_come", "comes"),
            ("DELETE", "old", "will_go", "goes"),
        )
    )


_VERSION_5: Final = f"""
DROP TRIGGER item_comes;
DROP TRIGGER item_goes;
DROP TRIGGER judgement_comes;
DROP TRIGGER judgement_goes;
DROP INDEX judgement_in_short;
ALTER TABLE decision ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;  -- an undo that nothing takes back points at it
CREATE INDEX decision_by_target ON decision (undoes) WHERE undoes IS NOT NULL;
CREATE TABLE in_force (             -- the last decision about an item that is not undone
    label TEXT NOT NULL,
    image_id TEXT NOT NULL,
    decision INTEGER NOT NULL REFERENCES decision(id),
    state TEXT NOT NULL,            -- where the item is for it, and why
    reason TEXT NOT NULL,
    PRIMARY KEY (label, image_id)
) WITHOUT ROWID;
CREATE INDEX in_force_by_decision ON in_force (decision);
CREATE TRIGGER decision_comes AFTER INSERT ON decision WHEN new.action <> 'undo' BEGIN {_IN_FORCE} END;
CREATE TRIGGER decision_changes AFTER UPDATE OF undone ON decision WHEN new.action <> 'undo' BEGIN {_IN_FORCE} END;
CREATE TRIGGER undo_comes AFTER INSERT ON decision WHEN new.action = 'undo' BEGIN
    -- what it points at changes sides, unless another undo holds it; so does what that one points at, if it is an undo
    UPDATE decision SET undone = NOT undone WHERE id <> new.id AND id IN (
        WITH RECURSIVE turned(id) AS (
            SELECT new.id UNION SELECT one.undoes FROM turned JOIN decision AS one ON one.id = turned.id
            WHERE one.action = 'undo' AND one.undoes IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM decision AS other WHERE other.undoes = one.undoes AND other.id <> one.id
                AND other.action = 'undo' AND NOT other.undone)
        ) SELECT id FROM turned);
END;
CREATE VIEW standing AS             -- where each item is in the end: a person outranks the machine
    SELECT item.label, item.image_id, coalesce(in_force.state, judgement.verdict, 'harvested') AS state,
        coalesce(in_force.reason, judgement.reason, '') AS reason
    FROM item LEFT JOIN in_force ON in_force.label = item.label AND in_force.image_id = item.image_id
        LEFT JOIN judgement ON judgement.label = item.label AND judgement.image_id = item.image_id;
CREATE TEMP TABLE logged AS SELECT * FROM decision;
DELETE FROM decision;
INSERT INTO decision SELECT * FROM logged ORDER BY id;
DROP TABLE logged;
DELETE FROM tally WHERE of <> 'candidate';
INSERT INTO tally SELECT 'item', label, '', state, reason, count(*) FROM standing GROUP BY label, state, reason;
CREATE TRIGGER item_comes AFTER INSERT ON item BEGIN {_counted(1, "new")} END;
CREATE TRIGGER item_goes BEFORE DELETE ON item BEGIN {_counted(-1, "old")} END;
{_counted_again("judgement")}
{_counted_again("in_force")}
"""

# all by which the candidate that brought a picture is chosen: choosing it for a million looks at no row
_VERSION_6: Final = """
DROP INDEX candidate_by_image;
CREATE INDEX candidate_by_image ON candidate (image_id, label, state, round, rank, provider);
"""

# a query is what is asked; who asks for it, where and for how many is in the rows of queries files
_VERSION_7: Final = """
CREATE TABLE query_asked (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL REFERENCES label(slug),
    text TEXT NOT NULL,
    exclude TEXT NOT NULL,          -- JSON list
    licences TEXT NOT NULL,         -- JSON list: those of the row, else those of the command line
    UNIQUE (label, text, exclude, licences)
);
CREATE TEMP TABLE survivor AS SELECT one.id AS id, min(other.id) AS kept
    FROM query AS one JOIN query AS other USING (label, text, exclude, licences) GROUP BY one.id;
INSERT INTO query_asked SELECT id, label, text, exclude, licences FROM query
    WHERE id IN (SELECT kept FROM survivor);
UPDATE candidate SET query_id = (SELECT kept FROM survivor WHERE survivor.id = candidate.query_id);
CREATE TEMP TABLE searched AS SELECT kept AS query_id, provider, cursor, verdict, detail, max(found) AS found
    FROM search JOIN survivor ON survivor.id = search.query_id GROUP BY kept, provider;
DELETE FROM search;
INSERT INTO search SELECT * FROM searched;
DROP TABLE searched;
DROP TABLE survivor;
DROP TABLE query;
ALTER TABLE query_asked RENAME TO query;
CREATE TABLE proposed (             -- which queries proposed a candidate, and at which rank
    candidate_id INTEGER NOT NULL REFERENCES candidate(id) ON DELETE CASCADE,
    query_id INTEGER NOT NULL REFERENCES query(id),
    rank INTEGER NOT NULL,
    PRIMARY KEY (candidate_id, query_id)
) WITHOUT ROWID;
INSERT INTO proposed SELECT id, query_id, rank FROM candidate;
CREATE INDEX proposed_by_query ON proposed (query_id);
CREATE TABLE query_file (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,      -- absolute; "" for words on the command line
    beside TEXT NOT NULL            -- the same seen from the data folder, for folders that moved together
);
CREATE TABLE query_row (
    file_id INTEGER NOT NULL REFERENCES query_file(id),
    position INTEGER NOT NULL,
    query_id INTEGER NOT NULL REFERENCES query(id),
    providers TEXT NOT NULL,        -- JSON list, empty: the defaults of the run
    max_candidates INTEGER,
    ran INTEGER NOT NULL,           -- the higher, the newer
    PRIMARY KEY (file_id, position)
);
CREATE INDEX query_row_by_query ON query_row (query_id);
INSERT INTO query_file VALUES (1, '', '');
INSERT INTO query_row SELECT 1, max(id), max(id), '[]', NULL, 0 FROM query GROUP BY label, text;
CREATE TABLE renamed_label (        -- by "labels rename": what still carries the old name is read under the new one
    old TEXT PRIMARY KEY,
    new TEXT NOT NULL
);
"""


def _placed_by(by: int, row: str) -> str:
    """Return the statement that counts the item of a row where it is now (1), or no longer there (-1)."""
    return (
        f"INSERT INTO tally SELECT 'item', label, placed, state, reason, {by} FROM standing "
        f"WHERE label = {row}.label AND image_id = {row}.image_id ON CONFLICT DO UPDATE SET count = count + {by};"
    )


def _placed_again(table: str) -> str:
    """Return the triggers for a table on which it depends where an item is, in place of those of version 5."""
    return "".join(
        f"DROP TRIGGER {table}_{after}; DROP TRIGGER {table}_{before};"
        f"CREATE TRIGGER {table}_{after} AFTER {event} ON {table} BEGIN {_placed_by(1, row)} END;"
        f"CREATE TRIGGER {table}_{before} BEFORE {event} ON {table} BEGIN {_placed_by(-1, row)} END;"
        for event, row, before, after in (
            ("INSERT", "new", "will_come", "comes"),
            ("DELETE", "old", "will_go", "goes"),
        )
    )


# groups of copies, the set by the machine alone, and the set as it was written. The tally of items holds in its column
# provider the label under which an item is in the set by its own decision or verdict; groups of copies are counted anew
_VERSION_8: Final = f"""
ALTER TABLE judgement ADD COLUMN copies TEXT NOT NULL DEFAULT '';      -- name of the group of copies
ALTER TABLE judgement ADD COLUMN copy_rank INTEGER NOT NULL DEFAULT 0; -- place in it, 0 for the best
ALTER TABLE judgement ADD COLUMN included INTEGER;                     -- in the set if nobody decides; NULL: not said
ALTER TABLE judgement ADD COLUMN placed TEXT NOT NULL DEFAULT '';      -- label under which the set as written holds it
CREATE INDEX judgement_by_copies ON judgement (copies) WHERE copies <> '';
CREATE INDEX judgement_by_place ON judgement (placed) WHERE placed <> '';
DROP VIEW standing;
CREATE VIEW standing AS             -- where each item is by its own decision, else by the machine's verdict
    SELECT item.label, item.image_id, coalesce(in_force.state, judgement.verdict, 'harvested') AS state,
        coalesce(in_force.reason, judgement.reason, '') AS reason,
        CASE WHEN judgement.verdict = 'reject' AND judgement.check_name = 'readable' THEN ''
            WHEN in_force.state = 'reject' THEN '' WHEN in_force.state = 'keep' THEN item.label
            WHEN in_force.state = 'relabel' THEN decision.to_label
            WHEN coalesce(judgement.included, judgement.verdict = 'keep') THEN item.label ELSE '' END AS placed
    FROM item LEFT JOIN in_force ON in_force.label = item.label AND in_force.image_id = item.image_id
        LEFT JOIN decision ON decision.id = in_force.decision
        LEFT JOIN judgement ON judgement.label = item.label AND judgement.image_id = item.image_id;
DELETE FROM tally WHERE of = 'item';
INSERT INTO tally SELECT 'item', label, placed, state, reason, count(*) FROM standing
    GROUP BY label, placed, state, reason;
DROP TRIGGER item_comes;
DROP TRIGGER item_goes;
CREATE TRIGGER item_comes AFTER INSERT ON item BEGIN {_placed_by(1, "new")} END;
CREATE TRIGGER item_goes BEFORE DELETE ON item BEGIN {_placed_by(-1, "old")} END;
{_placed_again("judgement")}
{_placed_again("in_force")}
"""

_VERSION_9: Final = """
ALTER TABLE judgement ADD COLUMN probability REAL NOT NULL DEFAULT 0.5; -- that a person would throw the picture out
ALTER TABLE judgement ADD COLUMN why TEXT NOT NULL DEFAULT '';          -- what speaks for that; '': never estimated
"""

MIGRATIONS: Final[tuple[str, ...]] = (
    _VERSION_1,
    _VERSION_2,
    _VERSION_3,
    _VERSION_4,
    _VERSION_5,
    _VERSION_6,
    _VERSION_7,
    _VERSION_8,
    _VERSION_9,
)
"""``MIGRATIONS[n]`` leads from schema version n to n + 1; a released one is never edited, only followed."""

SCHEMA_VERSION: Final = len(MIGRATIONS)
