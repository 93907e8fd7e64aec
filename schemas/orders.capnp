@0xe25b81c4d07f9a03;
# Orders: commands in the imperative, events in the past tense. FIX words throughout.

using Common = import "common.capnp";

enum OrdType {
  unspecified @0;
  limit @1;
  market @2;
  stop @3;
  # Becomes a market order once a trade reaches stopPx.
  stopLimit @4;
}

enum TimeInForce {
  unspecified @0;
  day @1;
  gtc @2;
  ioc @3;
  fok @4;
  gtd @5;
  # Until expireTime.
  atOpen @6;
  # Takes part in the opening auction only.
  atClose @7;
  # Takes part in the closing auction only.
}

enum SelfTrade {
  # What happens instead of a trade within one self-trade group; the incoming order's choice counts.
  unspecified @0;
  # The account's default.
  allow @1;
  cancelNewest @2;
  # The incoming order's rest is cancelled.
  cancelOldest @3;
  # The resting order is cancelled, the incoming one goes on.
  cancelBoth @4;
  decrementAndCancel @5;
  # Both lose the smaller quantity; what has none left is cancelled.
}

enum RestateReason {
  unspecified @0;
  displayRefresh @1;
  # An iceberg shows its next part, behind all that is shown at its price.
  selfTradeDecrement @2;
}

enum TriggerReason {
  unspecified @0;
  stopPrice @1;
  closingAuction @2;
}

enum CancelReason {
  unspecified @0;
  requested @1;
  massCancel @2;
  immediateOrCancel @3;
  killSwitch @4;
  marketRemainder @5;
  disconnected @6;
  selfTrade @7;
  expired @8;
  # DAY at the close, GTD at its time (FIX ExecType C).
  auctionRemainder @9;
  # At-the-open or at-the-close, and the auction is over.
  priceBand @10;
  # The band has moved past its price.
  delisted @11;
}

struct NewOrder {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  # Given by the sequencer, dense from 1; zero on submission.
  clOrdId @2 :UInt64;
  # The client's number for this command; strictly rising per source and account.
  price @3 :Int64;
  # Mantissa at the instrument's exponent. A market order is submitted with 0; the engine writes its
  # protection price here when it sequences it, so that replay needs no collar of its own.
  qty @4 :Int64;
  account @5 :UInt32;
  side @6 :Common.Side;
  ordType @7 :OrdType;
  timeInForce @8 :TimeInForce;
  decision @9 :Common.RejectReason;
  # Risk's answer, written by the engine when it sequences the command; replay does not decide again.
  postOnly @10 :Bool;
  clientText @11 :Text;
  # What the client calls the order (FIX ClOrdID as text), up to 39 bytes; only carried.
  stopPx @12 :Int64;
  # Of a stop or stop-limit order, else 0.
  displayQty @13 :Int64;
  # What an iceberg shows at a time; 0 shows all.
  minQty @14 :Int64;
  # Refused unless at least this much trades on arrival; 0 means any.
  expireTime @15 :Int64;
  # UTC ns; of a GTD order, else 0.
  session @16 :UInt32;
  # The client session it came by, so that a disconnect can cancel what came by it; 0 means none. A producer numbers its
  # own from 1 to 65,535; on the tape the producer's number (header.source) stands in the upper 16 bits.
  selfTradeGroup @17 :UInt32;
  # Orders of one group do not trade with each other. Written by the engine from the account's limits.
  selfTrade @18 :SelfTrade;
  # Unspecified is replaced by the account's default when the command is sequenced.
  hidden @19 :Bool;
  slide @20 :Bool;
  # Of a post-only order that would cross: take the nearest price that does not, instead of being refused.
  traceHigh @21 :UInt64;
  traceLow @22 :UInt64;
  # Trace id, filled in by the door it came by: of its client's W3C trace context, the one that the API began, a router's
  # parent's. Only carried. Zeros: none of these; then it follows from the seq (docs/tracing.md).
  traceFlags @23 :UInt8;
  # Of that context. Bit 0: the trace is exported.
  spanIsTsEvent @24 :Bool;
  # The id of its root span is tsEvent, as the API gives it. Else it follows from trace id and seq.
}

struct CancelOrder {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  account @3 :UInt32;
  decision @4 :Common.RejectReason;
  clientText @5 :Text;
  traceHigh @6 :UInt64;
  traceLow @7 :UInt64;
  traceFlags @8 :UInt8;
  spanIsTsEvent @9 :Bool;
  # As in NewOrder.
}

struct ReplaceOrder {
  # New price and total quantity (OrderQty, not LeavesQty) of a live order.
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  price @3 :Int64;
  qty @4 :Int64;
  account @5 :UInt32;
  decision @6 :Common.RejectReason;
  clientText @7 :Text;
  stopPx @8 :Int64;
  # Of an order that waits for its stop price: the new one; 0 keeps it.
  traceHigh @9 :UInt64;
  traceLow @10 :UInt64;
  traceFlags @11 :UInt8;
  spanIsTsEvent @12 :Bool;
  # As in NewOrder.
}

struct MassCancel {
  # Cancels the live orders that fit all that is given: account 0 = every account,
  # header.instrument 0 = every instrument, side unspecified = both.
  header @0 :Common.Header;
  clOrdId @1 :UInt64;
  account @2 :UInt32;
  side @3 :Common.Side;
  decision @4 :Common.RejectReason;
  reason @5 :CancelReason;
  # Why: requested, disconnected, killSwitch.
  session @6 :UInt32;
  # 0 means every session. As in NewOrder; the operator names it as it stands on the tape.
  clientText @7 :Text;
  # As in NewOrder. Empty of one that nobody named, such as a lost session's.
  traceHigh @8 :UInt64;
  traceLow @9 :UInt64;
  traceFlags @10 :UInt8;
  spanIsTsEvent @11 :Bool;
  # As in NewOrder.
}

struct OrderAccepted {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  price @3 :Int64;
  qty @4 :Int64;
  account @5 :UInt32;
  side @6 :Common.Side;
  ordType @7 :OrdType;
  timeInForce @8 :TimeInForce;
  stopPx @9 :Int64;
  displayQty @10 :Int64;
  # 0 shows all.
  expireTime @11 :Int64;
  session @12 :UInt32;
  hidden @13 :Bool;
  postOnly @14 :Bool;
  waiting @15 :Bool;
  # Not in the book yet: for its stop price, or for the closing auction. OrderTriggered says when it is.
}

struct OrderRejected {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  value @3 :Int64;
  limit @4 :Int64;
  # The two numbers compared, in the order the reason's comment names them.
  account @5 :UInt32;
  reason @6 :Common.RejectReason;
}

struct OrderCancelled {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  # Of the command that cancelled; zero where the venue did it.
  price @3 :Int64;
  cancelledQty @4 :Int64;
  cumQty @5 :Int64;
  account @6 :UInt32;
  side @7 :Common.Side;
  reason @8 :CancelReason;
}

struct OrderReplaced {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  price @3 :Int64;
  qty @4 :Int64;
  leavesQty @5 :Int64;
  oldPrice @6 :Int64;
  oldLeavesQty @7 :Int64;
  account @8 :UInt32;
  side @9 :Common.Side;
  priorityKept @10 :Bool;
}

struct OrderExecuted {
  # One match: both sides in one record. LastPx = price, LastQty = qty.
  header @0 :Common.Header;
  matchId @1 :UInt64;
  # Dense from 1 per shard.
  makerOrderId @2 :UInt64;
  takerOrderId @3 :UInt64;
  price @4 :Int64;
  qty @5 :Int64;
  makerLeavesQty @6 :Int64;
  takerLeavesQty @7 :Int64;
  makerAccount @8 :UInt32;
  takerAccount @9 :UInt32;
  aggressor @10 :Common.Side;
  # Unspecified in an auction, where maker is the older order.
  auction @11 :Bool;
  takerSide @12 :Common.Side;
}

struct CancelRejected {
  # Answers a CancelOrder, ReplaceOrder or MassCancel that could not be carried out (FIX 9).
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  value @3 :Int64;
  limit @4 :Int64;
  account @5 :UInt32;
  reason @6 :Common.RejectReason;
}

struct OrderTriggered {
  # An order that waited goes into the book, or trades, now.
  header @0 :Common.Header;
  orderId @1 :UInt64;
  price @2 :Int64;
  # Its limit, or the protection price of a market order.
  leavesQty @3 :Int64;
  stopPx @4 :Int64;
  lastPx @5 :Int64;
  # The trade that reached stopPx.
  account @6 :UInt32;
  side @7 :Common.Side;
  reason @8 :TriggerReason;
}

struct OrderRestated {
  # The venue changed an order without having been asked.
  header @0 :Common.Header;
  orderId @1 :UInt64;
  price @2 :Int64;
  qty @3 :Int64;
  # OrderQty from now on.
  leavesQty @4 :Int64;
  displayedQty @5 :Int64;
  # What of it is shown now; 0 of a hidden order.
  account @6 :UInt32;
  side @7 :Common.Side;
  reason @8 :RestateReason;
  priorityKept @9 :Bool;
}

struct CommandCompleted {
  # The last event of a command that has no event of its own: MassCancel, KillSwitch, AccountLimits,
  # InstrumentDefinition, SetInstrumentStatus, AdvanceClock, BustTrade, CorrectTrade.
  header @0 :Common.Header;
  clOrdId @1 :UInt64;
  account @2 :UInt32;
  count @3 :UInt32;
  # Orders cancelled by it, or instruments whose status it changed.
  command @4 :Common.MessageType;
}

struct BustTrade {
  # Command of the operator: this trade did not happen. What the trade was is copied from its record.
  header @0 :Common.Header;
  matchId @1 :UInt64;
  makerOrderId @2 :UInt64;
  takerOrderId @3 :UInt64;
  price @4 :Int64;
  qty @5 :Int64;
  # As they stand, corrections included.
  makerAccount @6 :UInt32;
  takerAccount @7 :UInt32;
  takerSide @8 :Common.Side;
  decision @9 :Common.RejectReason;
}

struct CorrectTrade {
  # Command of the operator: this trade happened at another price or quantity.
  header @0 :Common.Header;
  matchId @1 :UInt64;
  makerOrderId @2 :UInt64;
  takerOrderId @3 :UInt64;
  price @4 :Int64;
  qty @5 :Int64;
  # As they stand, earlier corrections included.
  newPrice @6 :Int64;
  newQty @7 :Int64;
  makerAccount @8 :UInt32;
  takerAccount @9 :UInt32;
  takerSide @10 :Common.Side;
  decision @11 :Common.RejectReason;
}

struct TradeBusted {
  header @0 :Common.Header;
  matchId @1 :UInt64;
  makerOrderId @2 :UInt64;
  takerOrderId @3 :UInt64;
  price @4 :Int64;
  qty @5 :Int64;
  makerAccount @6 :UInt32;
  takerAccount @7 :UInt32;
  takerSide @8 :Common.Side;
}

struct TradeCorrected {
  header @0 :Common.Header;
  matchId @1 :UInt64;
  makerOrderId @2 :UInt64;
  takerOrderId @3 :UInt64;
  oldPrice @4 :Int64;
  oldQty @5 :Int64;
  price @6 :Int64;
  qty @7 :Int64;
  makerAccount @8 :UInt32;
  takerAccount @9 :UInt32;
  takerSide @10 :Common.Side;
}
