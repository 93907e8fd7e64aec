/* The matcher of Tapewire as a C library: order books by price, then time, for any number of instruments.
 *
 *     tw_book *book = tw_book_create(0);
 *     const tw_event *events;
 *     size_t count;
 *     tw_book_open(book, 1, 5, 1);                        instrument 1: ticks of 5, lots of 1, trading
 *     tw_book_new(book, 1, 1001, TW_SELL, 10000, 7);      order 1001: sell 7 at 10000
 *     tw_book_new(book, 1, 1002, TW_BUY, 10000, 3);       order 1002 takes 3 of it
 *     count = tw_book_events(book, &events);              completed, accepted, accepted, executed
 *     tw_book_clear(book);
 *     tw_book_destroy(book);
 *
 * Synchronous: when a call returns, its command is carried out and its events are held by the book. No thread, clock,
 * file, lock or random number is behind it: the same calls give the same events, the same state and the same digest, on
 * every machine, and the same as the Python package's services.matcher.Matcher, as it is the same code. What the rules
 * are is in docs/matching.md, how to compile against this in docs/abi.md. C99, and C++.
 *
 * Ownership. A book belongs to who created it, until tw_book_destroy. Structures that are passed are read (or written)
 * before the call returns, never kept. Events belong to the book, see tw_book_events. tw_book_snapshot alone hands out
 * memory that is the caller's: give it to tw_free.
 *
 * Threads. One thread at a time may be in a book, reading included. Different books know nothing of each other.
 *
 * Units. Prices and quantities are integers ("mantissas"): what unit they are in is the caller's to know; no float and no
 * exponent occurs. A price is in [1, TW_MAX_PRICE] and a multiple of its instrument's tick size; a quantity in
 * [1, TW_MAX_QTY] and a multiple of the lot size. Times are int64 nanoseconds, of UTC if anyone asks. Whatever lies
 * outside is refused by an event, not by undefined behaviour: every field of a command may hold anything.
 *
 * Results. A command returns TW_OK (carried out), TW_REFUSED (and an event says why) or, below zero, an error that no
 * event tells. A null pointer where one is not allowed is the caller's mistake and not caught.
 */
#ifndef TAPEWIRE_BOOK_H
#define TAPEWIRE_BOOK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TW_API __attribute__((visibility("default")))
#else
#define TW_API
#endif

/* Rises whenever a structure or a function below changes so that a program must be compiled anew. */
#define TW_ABI_VERSION 1u

TW_API uint32_t tw_abi_version(void); /* TW_ABI_VERSION of the library that is loaded: compare them once */
TW_API const char *tw_version(void);  /* of the project, such as "0.1.0"; static */

#define TW_MAX_PRICE (INT64_C(1) << 50)
#define TW_MAX_QTY (INT64_C(1) << 50)            /* of one order; one price level holds up to 2^62 */
#define TW_MAX_ORDER_ID ((UINT64_C(1) << 44) - 1)
#define TW_MAX_LIVE_ORDERS (UINT64_C(1) << 26)
#define TW_MAX_INSTRUMENT ((UINT32_C(1) << 20) - 1)
#define TW_MAX_HELD_EVENTS (UINT32_C(1) << 22)   /* 448 MiB: see TW_ERR_UNDRAINED */

typedef enum tw_result {
    TW_OK = 0,
    TW_REFUSED = 1,         /* the last event says why; of the state no more than the last order id may have changed */
    TW_ERR_MEMORY = -1,     /* the system gave none; the book is broken: all that may follow is tw_book_destroy */
    TW_ERR_UNDRAINED = -2,  /* TW_MAX_HELD_EVENTS are held already; nothing was done: take or clear them, call again */
    TW_ERR_INSTRUMENT = -3, /* a query names an instrument that is not defined */
    TW_ERR_SNAPSHOT = -4    /* not bytes that tw_book_snapshot wrote, or more orders than this book may hold */
} tw_result;

typedef enum tw_side { TW_BUY = 1, TW_SELL = 2 } tw_side;

typedef enum tw_ord_type { TW_LIMIT = 1, TW_MARKET = 2, TW_STOP = 3, TW_STOP_LIMIT = 4 } tw_ord_type;

typedef enum tw_time_in_force {
    TW_DAY = 1,
    TW_GTC = 2,
    TW_IOC = 3,
    TW_FOK = 4,
    TW_GTD = 5,
    TW_AT_OPEN = 6,
    TW_AT_CLOSE = 7
} tw_time_in_force;

/* What happens instead of a trade between two orders of one self-trade group; the incoming order's choice counts. */
typedef enum tw_self_trade {
    TW_SELF_TRADE_UNSPECIFIED = 0, /* here: allow */
    TW_SELF_TRADE_ALLOW = 1,
    TW_SELF_TRADE_CANCEL_NEWEST = 2,
    TW_SELF_TRADE_CANCEL_OLDEST = 3,
    TW_SELF_TRADE_CANCEL_BOTH = 4,
    TW_SELF_TRADE_DECREMENT_AND_CANCEL = 5
} tw_self_trade;

typedef enum tw_status {
    TW_TRADING = 1,
    TW_HALTED = 2, /* nothing but cancels */
    TW_CLOSED = 3, /* the same; DAY orders are gone */
    TW_OPENING_AUCTION = 4, /* in an auction's call orders are collected and nothing trades until it ends */
    TW_CLOSING_AUCTION = 5,
    TW_HALT_AUCTION = 6,
    TW_DELISTED = 7 /* forgotten, with all its orders; the number may be defined anew */
} tw_status;

typedef enum tw_status_reason {
    TW_REASON_REQUESTED = 1,
    TW_REASON_SCHEDULE = 2,
    TW_REASON_PRICE_BAND = 3,
    TW_REASON_NEWS = 4,
    TW_REASON_MARKET_WIDE = 5
} tw_status_reason;

typedef enum tw_limit_state { TW_LIMIT_NORMAL = 1, TW_LIMIT_UP = 2, TW_LIMIT_DOWN = 3 } tw_limit_state;

typedef enum tw_cancel_reason {
    TW_CANCEL_REQUESTED = 1,
    TW_CANCEL_MASS = 2,
    TW_CANCEL_IMMEDIATE_OR_CANCEL = 3,
    TW_CANCEL_KILL_SWITCH = 4,
    TW_CANCEL_MARKET_REMAINDER = 5,
    TW_CANCEL_DISCONNECTED = 6,
    TW_CANCEL_SELF_TRADE = 7,
    TW_CANCEL_EXPIRED = 8,
    TW_CANCEL_AUCTION_REMAINDER = 9,
    TW_CANCEL_PRICE_BAND = 10,
    TW_CANCEL_DELISTED = 11
} tw_cancel_reason;

typedef enum tw_restate_reason { TW_RESTATE_DISPLAY_REFRESH = 1, TW_RESTATE_SELF_TRADE_DECREMENT = 2 } tw_restate_reason;

typedef enum tw_trigger_reason { TW_TRIGGER_STOP_PRICE = 1, TW_TRIGGER_CLOSING_AUCTION = 2 } tw_trigger_reason;

/* Why a command was refused. In brackets what the event's `value` and `limit` hold. */
typedef enum tw_reject_reason {
    TW_REJECT_UNKNOWN_INSTRUMENT = 1, /* (instrument, 0) */
    TW_REJECT_INSTRUMENT_HALTED = 2,  /* (instrument, status) */
    TW_REJECT_INVALID_QTY = 5,        /* (quantity, the bound or lot size that it breaks) */
    TW_REJECT_INVALID_PRICE = 6,      /* (price, the bound that it breaks) */
    TW_REJECT_OFF_TICK = 7,           /* (price, tick size) */
    TW_REJECT_UNKNOWN_ORDER = 13,     /* (order id, 0): never seen, or not live any more */
    TW_REJECT_NOT_YOUR_ORDER = 14,    /* (order id, 0): `account` is not the order's */
    TW_REJECT_WOULD_CROSS = 15,       /* (price, best opposite price): post-only */
    TW_REJECT_WOULD_NOT_FILL = 16,    /* (quantity, available): FOK, minimum quantity */
    TW_REJECT_NO_LIQUIDITY = 17,      /* (quantity, 0): a market order and nothing on the other side */
    TW_REJECT_INVALID_FIELD = 18,     /* (what it holds, a bound or 0) */
    TW_REJECT_CAPACITY = 19,          /* (how much there is or would be, how much there may be) */
    TW_REJECT_INSTRUMENT_EXISTS = 21, /* (what was asked, what it is): tick and lot stay while orders live */
    TW_REJECT_WRONG_STATUS = 22,      /* (what was asked, status) */
    TW_REJECT_PRICE_BAND = 23,        /* (price, edge of the band) */
    TW_REJECT_WOULD_TRIGGER = 24,     /* (stop price, last price): a stop that is reached already */
    TW_REJECT_UNKNOWN_TRADE = 25      /* (match id, next match id): to bust or correct */
} tw_reject_reason;

/* ---- Events -----------------------------------------------------------------------------------------------------
 *
 * In the order in which things happened; all of one command lie together. A new order is answered first by `accepted` or
 * `rejected`, a cancel by `cancelled`, a replace by `replaced` (or `cancelled`, where nothing is left of it), either
 * refused by `cancel_rejected`; then what follows from it: executions, one each, at the price of the order that was there
 * first; what the venue does to other orders. Commands with no event of their own end in `completed`. A command of the
 * operator that is refused is answered by `rejected` with order_id 0. Whatever one needs to hold the exact book is in here.
 *
 * `type` says which member of tw_event counts.
 */
typedef enum tw_event_type {
    TW_ORDER_ACCEPTED = 11,   /* .accepted */
    TW_ORDER_REJECTED = 12,   /* .rejected */
    TW_ORDER_CANCELLED = 13,  /* .cancelled */
    TW_ORDER_REPLACED = 14,   /* .replaced */
    TW_ORDER_EXECUTED = 15,   /* .executed */
    TW_CANCEL_REJECTED = 16,  /* .rejected */
    TW_ORDER_TRIGGERED = 23,  /* .triggered */
    TW_ORDER_RESTATED = 24,   /* .restated */
    TW_STATUS_CHANGED = 26,   /* .status_changed */
    TW_AUCTION_INDICATED = 27, /* .auction_indicated */
    TW_LIMIT_STATE_CHANGED = 28, /* .limit_state_changed */
    TW_TRADE_BUSTED = 32,     /* .trade_busted */
    TW_TRADE_CORRECTED = 33,  /* .trade_corrected */
    TW_COMMAND_COMPLETED = 34 /* .completed */
} tw_event_type;

/* Which command an event's `completed.command` names. */
typedef enum tw_command_type {
    TW_COMMAND_DEFINE = 5,
    TW_COMMAND_MASS_CANCEL = 10,
    TW_COMMAND_SET_STATUS = 25,
    TW_COMMAND_ADVANCE_CLOCK = 29,
    TW_COMMAND_BUST_TRADE = 30,
    TW_COMMAND_CORRECT_TRADE = 31
} tw_command_type;

/* What all events begin with. */
typedef struct tw_event_header {
    uint64_t seq;        /* of this event, dense from 1 since the book was created */
    uint64_t command;    /* of the command that caused it, likewise: the how-manieth it was */
    int64_t ts;          /* the book's time when it was carried out, see tw_book_set_time */
    uint32_t instrument; /* of the order, or of the command; 0: none */
    uint16_t type;       /* tw_event_type */
    uint16_t reserved;   /* 0 */
} tw_event_header;

typedef struct tw_order_accepted {
    tw_event_header header;
    uint64_t order_id;
    uint64_t cl_ord_id;
    int64_t price; /* as taken: a sliding post-only order may have been given another one */
    int64_t qty;
    int64_t stop_px;
    int64_t display_qty; /* 0: all */
    int64_t expire_time;
    uint32_t account;
    uint32_t session;
    uint16_t side;
    uint16_t ord_type;
    uint16_t time_in_force;
    uint8_t post_only;
    uint8_t hidden;
    uint8_t waiting; /* 1: not in the book before its `triggered` */
} tw_order_accepted;

/* Of a new order or an operator's command (TW_ORDER_REJECTED), a cancel, replace or mass cancel (TW_CANCEL_REJECTED). */
typedef struct tw_rejected {
    tw_event_header header;
    uint64_t order_id;
    uint64_t cl_ord_id;
    int64_t value; /* the two numbers compared: see tw_reject_reason */
    int64_t limit;
    uint32_t account;
    uint16_t reason; /* tw_reject_reason */
} tw_rejected;

typedef struct tw_order_cancelled {
    tw_event_header header;
    uint64_t order_id;
    uint64_t cl_ord_id; /* of the command that cancelled; 0 where the venue did it */
    int64_t price;
    int64_t cancelled_qty;
    int64_t cum_qty; /* what it had executed */
    uint32_t account;
    uint16_t side;
    uint16_t reason; /* tw_cancel_reason */
} tw_order_cancelled;

typedef struct tw_order_replaced {
    tw_event_header header;
    uint64_t order_id;
    uint64_t cl_ord_id;
    int64_t price;
    int64_t qty; /* OrderQty: what is executed and what is left, together */
    int64_t leaves_qty;
    int64_t old_price;
    int64_t old_leaves_qty;
    uint32_t account;
    uint16_t side;
    uint8_t priority_kept;
} tw_order_replaced;

typedef struct tw_order_executed {
    tw_event_header header;
    uint64_t match_id; /* dense from 1 per book */
    uint64_t maker_order_id; /* who was there first; in an auction the smaller order id */
    uint64_t taker_order_id;
    int64_t price;
    int64_t qty;
    int64_t maker_leaves_qty;
    int64_t taker_leaves_qty;
    uint32_t maker_account;
    uint32_t taker_account;
    uint16_t aggressor; /* tw_side of the taker; 0 in an auction */
    uint16_t taker_side;
    uint8_t auction;
} tw_order_executed;

/* A waiting order goes into the book, or trades, now. */
typedef struct tw_order_triggered {
    tw_event_header header;
    uint64_t order_id;
    int64_t price;
    int64_t leaves_qty;
    int64_t stop_px;
    int64_t last_px; /* the trade price that reached stop_px */
    uint32_t account;
    uint16_t side;
    uint16_t reason; /* tw_trigger_reason */
} tw_order_triggered;

/* The venue changed an order that did not ask for it. */
typedef struct tw_order_restated {
    tw_event_header header;
    uint64_t order_id;
    int64_t price;
    int64_t qty; /* OrderQty from now on */
    int64_t leaves_qty;
    int64_t displayed_qty;
    uint32_t account;
    uint16_t side;
    uint16_t reason; /* tw_restate_reason */
    uint8_t priority_kept;
} tw_order_restated;

typedef struct tw_status_changed {
    tw_event_header header;
    int64_t auction_price; /* of the auction that ended here; 0 with auction_qty if it traded nothing */
    int64_t auction_qty;
    int64_t resume_time; /* when trading resumes by itself; 0: when commanded */
    uint16_t status;     /* tw_status */
    uint16_t old_status;
    uint16_t reason; /* tw_status_reason, 0 if none was given */
} tw_status_changed;

/* What an auction would trade if it ended now. All zero: nothing. */
typedef struct tw_auction_indicated {
    tw_event_header header;
    int64_t price;
    int64_t qty;
    int64_t imbalance_qty;
    uint16_t imbalance_side; /* 0: none is left over */
} tw_auction_indicated;

typedef struct tw_limit_state_changed {
    tw_event_header header;
    int64_t lower_price; /* the edges of the price band; 0: there is none */
    int64_t upper_price;
    uint16_t state; /* tw_limit_state */
} tw_limit_state_changed;

typedef struct tw_trade_busted {
    tw_event_header header;
    uint64_t match_id;
    uint64_t maker_order_id;
    uint64_t taker_order_id;
    int64_t price;
    int64_t qty;
    uint32_t maker_account;
    uint32_t taker_account;
    uint16_t taker_side;
} tw_trade_busted;

typedef struct tw_trade_corrected {
    tw_event_header header;
    uint64_t match_id;
    uint64_t maker_order_id;
    uint64_t taker_order_id;
    int64_t old_price;
    int64_t old_qty;
    int64_t price;
    int64_t qty;
    uint32_t maker_account;
    uint32_t taker_account;
    uint16_t taker_side;
} tw_trade_corrected;

typedef struct tw_command_completed {
    tw_event_header header;
    uint64_t cl_ord_id;
    uint32_t account;
    uint32_t count;   /* orders cancelled by a mass cancel, instruments whose status changed; else 0 */
    uint16_t command; /* tw_command_type */
} tw_command_completed;

typedef union tw_event {
    tw_event_header header;
    tw_order_accepted accepted;
    tw_rejected rejected;
    tw_order_cancelled cancelled;
    tw_order_replaced replaced;
    tw_order_executed executed;
    tw_order_triggered triggered;
    tw_order_restated restated;
    tw_status_changed status_changed;
    tw_auction_indicated auction_indicated;
    tw_limit_state_changed limit_state_changed;
    tw_trade_busted trade_busted;
    tw_trade_corrected trade_corrected;
    tw_command_completed completed;
} tw_event;

/* ---- A book -----------------------------------------------------------------------------------------------------*/

typedef struct tw_book tw_book;

/* An empty book for up to `max_live_orders` at once (0: TW_MAX_LIVE_ORDERS); one more is refused with `capacity`. Takes
 * address space for all of them (about 180 bytes each, and half a gigabyte for instruments) and memory as they come (about
 * 75 bytes an order). NULL: more than TW_MAX_LIVE_ORDERS, or the system gave none. */
TW_API tw_book *tw_book_create(uint64_t max_live_orders);
TW_API void tw_book_destroy(tw_book *book); /* NULL: nothing happens */

/* ---- The short way: limit orders that stay until cancelled, all of account 0 ------------------------------------ */

/* Defines an instrument (1 to TW_MAX_INSTRUMENT) that trades from now on, without bands or bounds. Again: sets its tick
 * and lot size anew, which is refused while it has orders. */
TW_API int tw_book_open(tw_book *book, uint32_t instrument, int64_t tick_size, int64_t lot_size);

/* Order ids are the caller's choice and must rise within a book: above every one before, of whatever instrument, refused
 * orders included; gaps cost next to nothing (8 bytes for every 4 Mi ids). One that does not rise is refused (TW_REJECT_INVALID_FIELD with the id). 0 lets the
 * book take the next one; the `accepted` event and tw_book_last_order_id tell it. */
TW_API int tw_book_new(tw_book *book, uint32_t instrument, uint64_t order_id, int side, int64_t price, int64_t qty);
TW_API int tw_book_cancel(tw_book *book, uint64_t order_id);

/* `qty` is the new OrderQty, what is executed already included: at or below that, the order is cancelled. The same price
 * and no more quantity keeps the place in the queue; anything else goes to the back and trades if it crosses. */
TW_API int tw_book_replace(tw_book *book, uint64_t order_id, int64_t price, int64_t qty);

/* ---- The whole way: every field of every command. Set a structure to zeros, then what is meant. ----------------- */

typedef struct tw_new_order {
    uint64_t order_id;  /* as with tw_book_new */
    uint64_t cl_ord_id; /* the caller's own, for the events; any */
    int64_t price;      /* the limit; of a market or stop order how far it may go, 0: as far as there is anything */
    int64_t qty;
    int64_t stop_px;     /* of a stop or stop-limit order, else 0 */
    int64_t display_qty; /* what an iceberg shows at a time; 0: all */
    int64_t min_qty;     /* refused unless this much trades on arrival; 0: any */
    int64_t expire_time; /* of a GTD order, else 0 */
    uint32_t instrument;
    uint32_t account;
    uint32_t session;          /* for a mass cancel by session; 0: none */
    uint32_t self_trade_group; /* orders of one group do not trade with each other; 0: none */
    uint16_t side;             /* tw_side */
    uint16_t ord_type;         /* tw_ord_type */
    uint16_t time_in_force;    /* tw_time_in_force */
    uint16_t self_trade;       /* tw_self_trade */
    uint8_t post_only;         /* these three: 0 is no, anything else is yes */
    uint8_t slide;             /* of a post-only order: rather take the nearest price that does not cross */
    uint8_t hidden;
} tw_new_order;

typedef struct tw_cancel_order {
    uint64_t order_id;
    uint64_t cl_ord_id;
    uint32_t account; /* must be the order's */
} tw_cancel_order;

typedef struct tw_replace_order {
    uint64_t order_id;
    uint64_t cl_ord_id;
    int64_t price;
    int64_t qty;
    int64_t stop_px;  /* of an order that waits for its stop price: the new one; 0 keeps it */
    uint32_t account; /* must be the order's */
} tw_replace_order;

/* Cancels, by instrument, then order id, what fits all that is not 0. */
typedef struct tw_mass_cancel {
    uint64_t cl_ord_id;
    uint32_t instrument;
    uint32_t account;
    uint32_t session;
    uint16_t side;
    uint16_t reason; /* 0 or TW_CANCEL_REQUESTED, _MASS, _KILL_SWITCH, _DISCONNECTED */
} tw_mass_cancel;

typedef struct tw_instrument {
    int64_t tick_size;
    int64_t lot_size;
    int64_t max_qty;         /* of an order; 0: TW_MAX_QTY */
    int64_t min_price;       /* 0: none but 1 */
    int64_t max_price;       /* 0: TW_MAX_PRICE */
    int64_t reference_price; /* where static bands and auctions start from; 0: none (keeps what there is) */
    uint32_t instrument;     /* 1 to TW_MAX_INSTRUMENT */
    uint32_t static_band_bps;  /* of the reference price, up to 10,000; 0: no band */
    uint32_t dynamic_band_bps; /* of the last trade's price */
    uint32_t limit_state_ms;   /* how long a limit state lasts before the instrument pauses; 0: for ever */
    uint32_t pause_ms;         /* how long such a pause lasts; 0: until commanded */
    uint16_t status;           /* of a new instrument: tw_status; of a known one 0 (or its present one) */
} tw_instrument;

/* A trade as its `executed` event, and what has corrected it since, tell it. */
typedef struct tw_trade {
    uint64_t match_id;
    uint64_t maker_order_id;
    uint64_t taker_order_id;
    int64_t price;
    int64_t qty;
    uint32_t instrument;
    uint32_t maker_account;
    uint32_t taker_account;
    uint16_t taker_side;
} tw_trade;

TW_API int tw_book_new_order(tw_book *book, const tw_new_order *order);
TW_API int tw_book_cancel_order(tw_book *book, const tw_cancel_order *cancel);
TW_API int tw_book_replace_order(tw_book *book, const tw_replace_order *replace);
TW_API int tw_book_mass_cancel(tw_book *book, const tw_mass_cancel *cancel);

/* Adds an instrument, or gives a known one new terms. */
TW_API int tw_book_define(tw_book *book, const tw_instrument *instrument);

/* Halt, resume, open, close, call an auction. `instrument` 0: all that are defined. `resume_time`: when trading resumes by
 * itself, through tw_book_advance_clock; 0: not. */
TW_API int tw_book_set_status(tw_book *book, uint32_t instrument, int status, int reason, int64_t resume_time);

/* The same as setting the status TW_DELISTED: its orders are cancelled, it is forgotten. */
TW_API int tw_book_remove(tw_book *book, uint32_t instrument);

/* Records that say that a trade did not happen, or happened otherwise. They change no order. */
TW_API int tw_book_bust_trade(tw_book *book, const tw_trade *trade);
TW_API int tw_book_correct_trade(tw_book *book, const tw_trade *trade, int64_t new_price, int64_t new_qty);

/* ---- Time: it passes only when it is told ----------------------------------------------------------------------- */

/* What time the commands that follow are of (0 at first): they and their events carry it, timers start from it and times
 * in the future are measured by it. Does nothing by itself, costs nothing, is not part of the state. */
TW_API void tw_book_set_time(tw_book *book, int64_t now);

/* Carries out what is due by `up_to` (never less than before): orders expire, a limit state becomes a pause, a pause ends. */
TW_API int tw_book_advance_clock(tw_book *book, int64_t up_to);

/* The `up_to` from which on there is something to carry out; 0: nothing is due, whatever time passes. */
TW_API int64_t tw_book_next_due(const tw_book *book);

/* ---- Events held ------------------------------------------------------------------------------------------------ */

/* How many events are held, the oldest at `*events`. All of a command are held before it returns: a mass cancel of a million
 * orders is a million events at once, whatever TW_MAX_HELD_EVENTS. They stay where they are until the next call that takes a
 * `tw_book *` without const. */
TW_API size_t tw_book_events(const tw_book *book, const tw_event **events);
TW_API void tw_book_clear(tw_book *book); /* forgets them all */

/* Copies the oldest, up to `room` of them, into `events`, and forgets those; returns how many. */
TW_API size_t tw_book_drain(tw_book *book, tw_event *events, size_t room);

/* ---- Queries ---------------------------------------------------------------------------------------------------- */

typedef struct tw_top {
    int64_t bid, bid_qty; /* zeros where a side is empty */
    int64_t ask, ask_qty;
} tw_top;

typedef struct tw_level {
    int64_t price;
    int64_t qty;     /* as displayed: without hidden orders and the reserves of icebergs */
    uint32_t orders;
} tw_level;

TW_API int tw_book_best(const tw_book *book, uint32_t instrument, tw_top *top);

/* The quantity displayed at exactly this price: 0 if none, or if there is no such instrument or side. */
TW_API int64_t tw_book_depth_at(const tw_book *book, uint32_t instrument, int side, int64_t price);

/* The best levels, best first, up to `room` of them; returns how many were written. */
TW_API size_t tw_book_depth(const tw_book *book, uint32_t instrument, int side, tw_level *levels, size_t room);

TW_API uint64_t tw_book_order_count(const tw_book *book); /* live orders of all instruments, waiting ones included */
TW_API int tw_book_is_live(const tw_book *book, uint64_t order_id); /* 1 or 0 */
TW_API int tw_book_status(const tw_book *book, uint32_t instrument);     /* tw_status; 0: not defined */
TW_API uint64_t tw_book_last_order_id(const tw_book *book); /* the greatest seen */
TW_API uint64_t tw_book_next_match_id(const tw_book *book);

/* ---- State ------------------------------------------------------------------------------------------------------ */

/* The whole state as canonical bytes: equal states give equal bytes. Events held, the book's time, and the numbers of
 * events and commands are not part of it. `*bytes` is the caller's, for tw_free. */
TW_API int tw_book_snapshot(const tw_book *book, uint8_t **bytes, size_t *count);

/* Makes this book the one that wrote them; events held are forgotten. TW_ERR_SNAPSHOT: the book is empty now. */
TW_API int tw_book_restore(tw_book *book, const uint8_t *bytes, size_t count);

/* SHA-256 of the snapshot. */
TW_API int tw_book_digest(const tw_book *book, uint8_t digest[32]);

TW_API void tw_free(void *bytes); /* NULL: nothing happens */

#ifdef __cplusplus
}
#endif

#endif
