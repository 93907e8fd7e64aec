-- What a router's tape says: parent orders, why their quantity went where it did, their children, what venues answered.
-- Fractions are of one: a participation of 0.1500 is 15 %.

-- The life of each parent: one row for each command (new, replace, cancel), and for what followed (changed, refused).
CREATE TABLE parents (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    cause bigint,                   -- seq of what it follows from; NULL: a command follows from nothing
    event text,                     -- new, replace, cancel, changed, refused
    parent_id numeric(20),
    cl_ord_id numeric(20),
    account bigint,
    instrument bigint,
    ticker text,
    side text,
    algorithm text,
    time_in_force text,
    state text,                     -- of a change: how the parent stands now
    decision text,                  -- of a command: accepted, or the reason; of a refusal the reason
    qty numeric,
    cum_qty numeric,
    leaves_qty numeric,
    open_qty numeric,               -- of leaves_qty, what stands at venues
    notional numeric,               -- sum of price x quantity of all executions that stand
    limit_price numeric,
    last_price numeric,             -- of the execution that led to it
    last_qty numeric,
    child_id numeric(20),
    children bigint,                -- that live
    start_ns bigint,
    end_ns bigint,
    participation numeric,
    max_participation numeric,
    display_qty numeric,
    interval_ns bigint,
    randomness numeric,
    urgency numeric,
    seed numeric(20),
    venues numeric(20),             -- bit n: venue number n may be used; NULL: all
    source integer,
    value numeric,                  -- of a refusal: the two numbers compared
    bound numeric,
    reason text,
    client_text text,
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX parents_by_parent ON parents (parent_id, tape, seq);
CREATE INDEX parents_by_account ON parents (account, ts);

-- Why a quantity went where it did: one row for each venue that was looked at, with what was known of it by then.
CREATE TABLE routes (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    cause bigint,
    place smallint NOT NULL,        -- from 1; 0: no venue was there
    parent_id numeric(20),
    instrument bigint,
    ticker text,
    slice bigint,                   -- of the schedule; NULL: outside of one
    side text,
    passive boolean,                -- to rest, or to take
    asked_qty numeric,              -- of the whole decision
    limit_price numeric,
    unrouted_qty numeric,           -- of the whole decision: what no venue could take
    venue bigint,
    venue_name text,
    price numeric,                  -- what it shows on the other side, within the limit
    size numeric,
    fee_bps numeric,                -- basis points; negative is received
    fill_rate numeric,
    reject_rate numeric,
    latency_ns bigint,
    score numeric,                  -- the effective price: a buyer goes by the lowest, a seller by the highest
    qty numeric,                    -- what it was given
    state text,
    unusable text,                  -- why it was not considered; NULL: it was
    PRIMARY KEY (tape, seq, place, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX routes_by_parent ON routes (parent_id, tape, seq);

-- What venues were asked: each child, its changes and its cancel.
CREATE TABLE children (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    cause bigint,
    event text,                     -- new, replace, cancel
    child_id numeric(20),
    parent_id numeric(20),
    venue bigint,
    venue_name text,
    instrument bigint,
    ticker text,
    side text,
    ord_type text,
    time_in_force text,
    post_only boolean,
    price numeric,
    qty numeric,
    display_qty numeric,
    account bigint,
    route bigint,                   -- seq of the decision in `routes`
    request bigint,                 -- number of a replace or cancel
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX children_by_parent ON children (parent_id, tape);
CREATE INDEX children_by_child ON children (child_id, tape);

-- What venues said of children: one row for each report; those of kind executed are the executions as they were told.
CREATE TABLE venue_reports (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    kind text,                      -- pending, accepted, rejected, executed, replaced, cancelled, busted, corrected, …
    origin text,                    -- live, resent, reconciled, drop_copy
    child_id numeric(20),           -- NULL: an order that is not ours
    venue bigint,
    venue_name text,
    instrument bigint,
    ticker text,
    side text,
    liquidity text,                 -- added, removed, auction
    live boolean,                   -- whether the order still stands there after it
    price numeric,
    qty numeric,
    leaves_qty numeric,
    cum_qty numeric,
    last_price numeric,
    last_qty numeric,
    fee numeric,                    -- positive is paid
    fee_currency text,
    venue_order_id text,
    exec_id text,
    ref_exec_id text,               -- of a bust or correction: the execution meant
    code bigint,
    reason text,
    venue_seq bigint,               -- its record on the venue's own tape
    ts_event_ns bigint,             -- the venue's time
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX venue_reports_by_child ON venue_reports (child_id, tape, seq);
CREATE INDEX venue_reports_by_venue ON venue_reports (venue_name, ts);

-- Parents as they stand: their terms, and what the last change says.
CREATE VIEW parent_now AS
SELECT c.tape, c.parent_id, n.ts AS entered, n.account, n.ticker, n.instrument, n.side, n.algorithm, n.client_text, c.state,
       c.qty, c.cum_qty, c.leaves_qty, c.open_qty, c.notional, c.notional / nullif(c.cum_qty, 0) AS average_price,
       c.children, c.reason, c.seq, c.ts
FROM parents n
CROSS JOIN LATERAL (
    SELECT * FROM parents p
    WHERE p.parent_id = n.parent_id AND p.tape = n.tape AND p.event = 'changed'
    ORDER BY p.seq DESC LIMIT 1
) c
WHERE n.event = 'new' AND n.decision = 'accepted';

-- A parent's whole life: what was asked, what was decided, each child, all that venues said of it. Ask it with
-- parent_id = … (and tape = …, if there are several routers).
CREATE VIEW parent_life AS
SELECT tape, seq, ts, ts_ns, parent_id, event, coalesce(state, nullif(decision, 'accepted'), algorithm) AS detail, child_id,
       NULL::text AS venue, CASE WHEN event = 'changed' THEN last_price ELSE limit_price END AS price,
       CASE WHEN event = 'changed' THEN last_qty ELSE qty END AS qty, cum_qty, leaves_qty, coalesce(reason, client_text) AS reason
FROM parents
UNION ALL
SELECT tape, seq, ts, ts_ns, parent_id, 'routed', coalesce(unusable, CASE WHEN passive THEN 'rest' ELSE 'take' END), NULL,
       venue_name, price, qty, NULL, NULL, CASE WHEN place = 0 THEN 'no venue' END
FROM routes
UNION ALL
SELECT tape, seq, ts, ts_ns, parent_id, 'child ' || event, time_in_force, child_id, venue_name, price, qty, NULL, NULL, NULL
FROM children
UNION ALL
SELECT r.tape, r.seq, r.ts, r.ts_ns, c.parent_id, 'venue ' || r.kind, r.exec_id, r.child_id, r.venue_name,
       coalesce(r.last_price, r.price), coalesce(r.last_qty, r.qty), r.cum_qty, r.leaves_qty, r.reason
FROM children c JOIN venue_reports r ON r.child_id = c.child_id AND r.tape = c.tape
WHERE c.event = 'new';

-- The venues' executions that stand: busted ones left out, corrected ones as they are now, with the parent they are for.
-- What a venue told as a restatement stands as one of its own, whose quantity may be negative; where it told no price, at
-- the order's limit.
CREATE VIEW venue_execution_now AS
SELECT e.tape, e.seq, coalesce(l.seq, e.seq) AS told_seq, e.ts, e.ts_ns, c.parent_id, e.child_id, c.account, e.venue_name AS venue,
       c.ticker, c.side, e.exec_id, e.liquidity, coalesce(l.last_price, e.last_price, e.price, c.price) AS price,
       coalesce(l.last_qty, e.last_qty) AS qty, e.fee, e.fee_currency, c.price AS limit_price, c.route, e.kind
FROM venue_reports e
JOIN children c ON c.child_id = e.child_id AND c.tape = e.tape AND c.event = 'new'
LEFT JOIN LATERAL (
    -- A correction names the execution, or the correction before it.
    WITH RECURSIVE amended AS (
        SELECT a.seq, a.kind, a.exec_id, a.last_price, a.last_qty FROM venue_reports a
        WHERE a.child_id = e.child_id AND a.tape = e.tape AND a.kind IN ('busted', 'corrected') AND a.ref_exec_id = e.exec_id
        UNION
        SELECT a.seq, a.kind, a.exec_id, a.last_price, a.last_qty FROM amended b JOIN venue_reports a
        ON a.child_id = e.child_id AND a.tape = e.tape AND a.kind IN ('busted', 'corrected') AND a.ref_exec_id = b.exec_id
        WHERE b.kind = 'corrected'
    )
    SELECT * FROM amended ORDER BY seq DESC LIMIT 1
) l ON true
WHERE e.kind IN ('executed', 'restated') AND e.last_qty IS NOT NULL AND coalesce(l.kind, '') <> 'busted';

-- What each account's parents traded at each venue on each day, and what it cost there.
CREATE VIEW venue_day AS
SELECT (ts AT TIME ZONE 'UTC')::date AS day, tape, account, ticker, venue, side, count(*) AS executions, sum(qty) AS qty,
       sum(price * qty) AS notional, sum(price * qty) / nullif(sum(qty), 0) AS average_price,
       count(*) FILTER (WHERE liquidity = 'added') AS added, sum(fee) AS fees, fee_currency
FROM venue_execution_now
GROUP BY 1, 2, 3, 4, 5, 6, fee_currency;
