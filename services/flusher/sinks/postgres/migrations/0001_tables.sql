-- Every row says where it comes from: record `seq` of the tape with this number. `ts` is the record's time to the
-- microsecond, which is what PostgreSQL has; `ts_ns` is all of it, in ns since 1970, UTC. Only what a row is found by is
-- NOT NULL: whatever stands on a tape must fit in here.

CREATE TABLE tapes (
    tape smallint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    seq bigint NOT NULL,            -- everything up to this record is in the tables
    begin_seq bigint NOT NULL,      -- the first record they were ever given
    marks jsonb NOT NULL,           -- [seq, CRC-32C] of records to be known again, the last is that of seq
    updated timestamptz NOT NULL
);

-- What a restart folds on from: books' tops, positions, instruments as of record `seq`.
CREATE TABLE states (
    tape smallint NOT NULL REFERENCES tapes,
    seq bigint NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (tape, seq)
);
ALTER TABLE states ALTER COLUMN state SET STORAGE EXTERNAL;

-- What was asked, by whom, and what risk decided: one row for each command on an orders tape.
CREATE TABLE risk_decisions (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    command text,
    decision text,         -- accepted, or the reason
    account bigint,                 -- NULL: every account, or none
    instrument bigint,
    source integer,        -- the producer's number
    session bigint,
    order_id numeric(20),
    cl_ord_id numeric(20),
    client_text text,               -- what the client calls it
    side text,
    ord_type text,
    time_in_force text,
    price numeric,
    qty numeric,
    stop_px numeric,
    display_qty numeric,
    min_qty numeric,
    expire_ns bigint,
    post_only boolean,
    hidden boolean,
    ts_event_ns bigint,             -- the client's own time
    ts_recv_ns bigint,              -- at our edge
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);

-- The life of each order: one row for each event of it but matches, which are in executions.
CREATE TABLE orders (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    cause bigint,          -- seq of the command
    event text,            -- accepted, accepted_waiting, triggered, replaced, restated, cancelled, expired
    order_id bigint,
    cl_ord_id numeric(20),
    account bigint,
    instrument bigint,
    side text,
    ord_type text,
    time_in_force text,
    price numeric,
    qty numeric,                    -- OrderQty from now on; NULL: as before
    leaves_qty numeric,
    cum_qty numeric,
    cancelled_qty numeric,
    stop_px numeric,
    display_qty numeric,
    reason text,
    client_text text,
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX orders_by_order ON orders (order_id);

-- One row for each side of a match, and of what became of it later (kind bust, correct).
CREATE TABLE executions (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    role text NOT NULL,             -- maker, taker; in an auction maker is the older order
    kind text,             -- trade, bust, correct (then price and qty are what stands from now on)
    cause bigint,
    match_id bigint,
    account bigint,
    instrument bigint,
    order_id bigint,
    side text,
    price numeric,
    qty numeric,
    leaves_qty numeric,
    notional numeric,
    contra_account bigint,
    auction boolean,
    bid numeric,                    -- the best prices shown before the command that traded; NULL: none
    ask numeric,
    PRIMARY KEY (tape, seq, role, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX executions_by_order ON executions (order_id);
CREATE INDEX executions_by_account ON executions (account, ts);

-- The public side: one row for each match of the house market, and for each trade of a feed.
CREATE TABLE trades (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    kind text,             -- trade, bust, correct
    feed text,             -- house, or the feed
    ticker text,
    instrument bigint,
    trade_id numeric(20),
    price numeric,
    qty numeric,
    aggressor text,
    auction boolean,
    maker_account bigint,
    taker_account bigint,
    maker_order_id bigint,
    taker_order_id bigint,
    quality text,
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX trades_by_ticker ON trades (ticker, ts);

CREATE TABLE rejects (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    cause bigint,                   -- seq of the command; NULL: it was none
    kind text,             -- order, cancel (a replace, too), input (what was no command)
    command text,
    reason text,
    account bigint,
    instrument bigint,
    order_id numeric(20),
    cl_ord_id numeric(20),
    value numeric,                  -- the two numbers compared, in the units of the reason
    bound numeric,
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX rejects_by_account ON rejects (account, ts);

-- What an account has in an instrument after record `seq`, which changed it.
CREATE TABLE positions (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    account bigint NOT NULL,
    instrument bigint,
    net numeric,
    bought numeric,
    sold numeric,
    bought_notional numeric,
    sold_notional numeric,
    fills bigint,
    PRIMARY KEY (tape, seq, account, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX positions_by_account ON positions (account, instrument, seq);

CREATE TABLE sessions (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    kind text,             -- writer (of the tape: session is its epoch), fix, venue
    session numeric(20),
    name text,
    state text,
    reason text,                    -- of a writer its version
    number bigint,                  -- the last record of the orders tape by then; of a writer the last it found
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);

CREATE TABLE quotes (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    feed text,
    ticker text,
    instrument bigint,
    bid numeric,
    bid_qty numeric,
    ask numeric,
    ask_qty numeric,
    quality text,
    ts_event_ns bigint,
    PRIMARY KEY (tape, seq, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX quotes_by_ticker ON quotes (ticker, ts);

CREATE TABLE instruments (
    tape smallint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    instrument bigint,
    event text,            -- defined, status
    decision text,
    ticker text,
    status text,
    reason text,
    price_exponent smallint,
    qty_exponent smallint,
    tick_size numeric,
    lot_size numeric,
    max_qty numeric,
    min_price numeric,
    max_price numeric,
    reference_price numeric,
    collar_bps bigint,
    feed text,
    PRIMARY KEY (tape, seq)
);
