-- What people ask. Each view has its example in docs/postgres.md.

-- The instruments as they stand: the last definition of each, with the last status that was told.
CREATE VIEW instrument_now AS
SELECT d.tape, d.instrument, d.ticker, coalesce(s.status, d.status) AS status, d.feed, d.price_exponent, d.qty_exponent,
       d.tick_size, d.lot_size, d.seq AS defined_seq
FROM (
    SELECT DISTINCT ON (tape, instrument) * FROM instruments
    WHERE event = 'defined' AND decision = 'accepted' ORDER BY tape, instrument, seq DESC
) d
LEFT JOIN LATERAL (
    SELECT status FROM instruments i
    WHERE i.tape = d.tape AND i.instrument = d.instrument AND i.event = 'status' AND i.seq > d.seq
    ORDER BY i.seq DESC LIMIT 1
) s ON true;

-- An order's whole life: what was asked and decided, every event, every match, every refusal, in the order of the tape.
-- Ask it with order_id = …; a refused order has none, and is found by its tape and cause.
CREATE VIEW order_life AS
SELECT o.tape, d.seq, d.ts, d.ts_ns, o.order_id, 'asked' AS event, d.command || ': ' || d.decision AS detail,
       d.account, d.instrument, d.side, d.price, d.qty, NULL::numeric AS leaves_qty, d.seq AS cause
FROM orders o JOIN risk_decisions d ON d.tape = o.tape AND d.seq = o.cause AND d.ts = o.ts
WHERE o.event IN ('accepted', 'accepted_waiting', 'replaced') OR (o.event = 'cancelled' AND o.cl_ord_id IS NOT NULL)
UNION ALL
SELECT tape, seq, ts, ts_ns, order_id, event, coalesce(reason, client_text), account, instrument, side, price,
       coalesce(qty, cancelled_qty), leaves_qty, cause
FROM orders
UNION ALL
SELECT tape, seq, ts, ts_ns, order_id, CASE kind WHEN 'trade' THEN 'executed' WHEN 'bust' THEN 'busted' ELSE 'corrected' END,
       role || ' in match ' || match_id, account, instrument, side, price, qty, leaves_qty, cause
FROM executions
UNION ALL
SELECT r.tape, r.seq, r.ts, r.ts_ns, r.order_id::bigint, 'refused', r.kind || ': ' || r.reason, r.account, r.instrument, NULL,
       NULL, NULL, NULL, r.cause
FROM rejects r WHERE r.order_id <= 9223372036854775807;

-- The matches that stand: of each side the last word, busted ones left out.
CREATE VIEW execution_now AS
SELECT DISTINCT ON (e.tape, e.match_id, e.role)
       e.tape, f.seq, e.seq AS told_seq, f.ts, f.ts_ns, e.role, e.match_id, e.account, e.instrument, e.order_id, e.side, e.price,
       e.qty, e.notional, e.contra_account, f.auction, f.bid, f.ask, e.kind
FROM executions e
JOIN executions f ON f.tape = e.tape AND f.order_id = e.order_id AND f.match_id = e.match_id AND f.role = e.role AND f.kind = 'trade'
ORDER BY e.tape, e.match_id, e.role, e.seq DESC;

-- What each account traded on each day, by instrument and side.
CREATE VIEW account_day AS
SELECT (e.ts AT TIME ZONE 'UTC')::date AS day, e.tape, e.account, e.instrument, e.side, count(*) AS matches, sum(e.qty) AS qty,
       sum(e.notional) AS notional, sum(e.notional) / nullif(sum(e.qty), 0) AS average_price,
       count(*) FILTER (WHERE e.role = 'maker') AS as_maker
FROM execution_now e
WHERE e.kind <> 'bust'
GROUP BY 1, 2, 3, 4, 5;

-- Why orders ended without trading, or never began: refusals and cancels by day, account and reason.
CREATE VIEW reason_day AS
SELECT (ts AT TIME ZONE 'UTC')::date AS day, tape, account, 'refused' AS what, coalesce(command, kind) AS of_command, reason, count(*) AS times
FROM rejects GROUP BY 1, 2, 3, 4, 5, 6
UNION ALL
SELECT (ts AT TIME ZONE 'UTC')::date, tape, account, 'cancelled', NULL, reason, count(*)
FROM orders WHERE event IN ('cancelled', 'expired') GROUP BY 1, 2, 3, 6;

-- Each taker's match against the book it met: how much better (above zero) or worse than the best price then shown on
-- the other side, per unit and in all. NULL: nothing was shown there.
CREATE VIEW best_execution AS
SELECT tape, seq, ts, ts_ns, account, instrument, order_id, match_id, side, price, qty, bid, ask,
       CASE side WHEN 'buy' THEN ask - price ELSE price - bid END AS improvement,
       CASE side WHEN 'buy' THEN ask - price ELSE price - bid END * qty AS improvement_notional,
       CASE WHEN bid < ask THEN CASE side WHEN 'buy' THEN price - (bid + ask) / 2 ELSE (bid + ask) / 2 - price END END AS effective_half_spread
FROM execution_now
WHERE role = 'taker' AND kind <> 'bust' AND NOT auction;
